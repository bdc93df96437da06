"""What the pages of the shop show beyond the aggregates: results beside the categories, orders beside their log."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from services.chassis.errors import NotFound, Unauthenticated
from services.chassis.upstream import deadline
from services.frontend.backends import Found, Orders, Products, Reading, Refusal
from services.frontend.calls import READ_SECONDS, NoAnswer
from services.frontend.model.searching import Search
from services.frontend.service.reading import Page, part, show_order, show_product

ORDERS = 20  # on one page

Items = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Results:
    """`categories` is None when they cannot be had; `refused` when the search itself is one that cannot be made."""

    items: Items
    next: str | None
    categories: Items | None
    refused: bool = False
    stale: bool = False

    def category_name(self, slug: str) -> str:
        """Its name; a slug that is not among the categories is made readable."""
        named = {category["slug"]: category["name"] for category in self.categories or ()}
        return str(named.get(slug, slug.replace("-", " ").capitalize()))


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """`products` are those still for sale, by id; `events` is None when the log cannot be had."""

    order: Mapping[str, Any]
    products: Mapping[int, Mapping[str, Any]]
    events: Items | None


async def search(products: Products, wanted: Search) -> Results:
    """A page of what was looked for. Raises NoAnswer when the catalogue cannot be asked."""
    with deadline(READ_SECONDS):
        categories, reading = await asyncio.gather(part(products.categories()), products.page(wanted.asked()))
    shelves = categories.document["items"] if categories else None
    if isinstance(reading, Refusal):
        return Results([], None, shelves, refused=True)
    page = reading.document
    return Results(page["items"], page["next"], shelves, stale=reading.age is not None)


async def show_shelves(products: Products, product_id: int) -> tuple[Page, Items]:
    """A product with its page, and the categories, empty when they cannot be had. Raises NotFound and NoAnswer."""
    with deadline(READ_SECONDS):
        categories, page = await asyncio.gather(part(products.categories()), show_product(products, product_id, ""))
    if isinstance(page, Refusal):
        raise NotFound
    return page, categories.document["items"] if categories else ()


async def list_orders(orders: Orders, authorization: str, cursor: str) -> Mapping[str, Any]:
    """A customer's own, newest first. Raises NoAnswer, and NotFound for a page that there is not."""
    query = urlencode({"limit": ORDERS} | ({"cursor": cursor} if cursor else {}))
    with deadline(READ_SECONDS):
        return _document(await orders.page(query, authorization))


async def watch_order(orders: Orders, products: Products, order_id: UUID, authorization: str) -> ShownOrder:
    """An order with its log and its products as they are now. Raises NoAnswer, and NotFound for somebody else's."""
    with deadline(READ_SECONDS):
        page, log = await asyncio.gather(
            show_order(orders, products, order_id, authorization), _log(orders, order_id, authorization)
        )
    if isinstance(page, Refusal):
        _document(page)
        raise NotFound
    shown = {product["id"]: product for product in page.document["products"] or ()}
    return ShownOrder(page.document["order"], shown, log)


async def _log(orders: Orders, order_id: UUID, authorization: str) -> Items | None:
    try:
        reading = await orders.events(order_id, authorization)
    except NoAnswer:
        return None
    return reading.document["items"] if isinstance(reading, Found) else None


def _document(reading: Reading) -> Mapping[str, Any]:
    if isinstance(reading, Found):
        return reading.document
    raise Unauthenticated if reading.answer.status == 401 else NotFound
