"""The catalogue and the stock, as the staff edits them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from services.chassis.upstream import deadline
from services.frontend.backends import Products, Refusal
from services.frontend.calls import READ_SECONDS
from services.frontend.service.reading import part
from services.frontend.service.staff import Changed, change, known, write_call

LISTED = 50  # products, or movements, on one page

Items = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A page of products. `categories` is None when they cannot be had."""

    items: Items
    next: str | None
    categories: Items | None


def names_of(categories: Items | None) -> Mapping[str, str]:
    """By short name; empty when the categories cannot be had."""
    return {category["slug"]: category["name"] for category in categories or ()}


@dataclass(frozen=True, slots=True)
class Saved:
    """`conflict` is the product as somebody else has left it meanwhile, None otherwise."""

    changed: Changed
    conflict: Mapping[str, Any] | None = None


async def list_products(
    products: Products, authorization: str, *, q: str = "", category: str = "", archived: bool = False, cursor: str = ""
) -> Catalogue:
    """A search that cannot be made finds nothing. Raises NoAnswer, Unauthenticated and Forbidden."""
    wanted = {"q": q, "category": category, "archived": "true" if archived else "", "cursor": cursor}
    sort = "relevance" if q else "name"
    query = urlencode({"limit": LISTED, "sort": sort} | {name: value for name, value in wanted.items() if value})
    with deadline(READ_SECONDS):
        reading, categories = await asyncio.gather(products.page(query, authorization), part(products.categories()))
    shelves = categories.document["items"] if categories else None
    if isinstance(reading, Refusal) and reading.answer.status in {400, 422}:
        return Catalogue([], None, shelves)
    page = known(reading)
    return Catalogue(page["items"], page["next"], shelves)


async def list_categories(products: Products) -> Items | None:
    with deadline(READ_SECONDS):
        categories = await part(products.categories())
    return categories.document["items"] if categories else None


async def read_product(products: Products, product_id: int, authorization: str) -> Mapping[str, Any]:
    with deadline(READ_SECONDS):
        return known(await products.product(product_id, authorization))


async def create_product(products: Products, authorization: str, draft: Mapping[str, Any]) -> Changed:
    return await change(products, write_call("POST", "/products", authorization, draft))


async def save_product(
    products: Products, product_id: int, authorization: str, draft: Mapping[str, Any], *, version: int
) -> Saved:
    """Write the fields of a product that is still as it was when the form was filled."""
    path = f"/products/{product_id}"
    changed = await change(products, write_call("PATCH", path, authorization, draft, If_Match=f'"{version}"'))
    if changed.refused != "precondition-failed":
        return Saved(changed)
    return Saved(changed, await read_product(products, product_id, authorization))


async def archive_product(products: Products, product_id: int, authorization: str) -> None:
    await change(products, write_call("DELETE", f"/products/{product_id}", authorization))


async def restore_product(products: Products, product_id: int, authorization: str) -> None:
    await change(
        products, write_call("PATCH", f"/products/{product_id}", authorization, {"active": True}, If_Match="*")
    )


async def name_category(products: Products, slug: str, name: str, authorization: str) -> Changed:
    return await change(products, write_call("PUT", f"/products/categories/{slug}", authorization, {"name": name}))


async def read_ledger(products: Products, product_id: int, authorization: str, cursor: str) -> Mapping[str, Any]:
    query = urlencode({"limit": LISTED} | ({"cursor": cursor} if cursor else {}))
    with deadline(READ_SECONDS):
        return known(await products.ledger(product_id, query, authorization))


async def change_stock(
    products: Products, product_id: int, authorization: str, *, delta: int, reason: str, key: str
) -> Changed:
    """The same key changes nothing twice."""
    body = {"delta": delta, "reason": reason}
    return await change(
        products, write_call("POST", f"/products/{product_id}/stock", authorization, body, Idempotency_Key=key)
    )


async def read_inventory(products: Products, authorization: str, *, below: int, limit: int) -> Mapping[str, Any]:
    query = urlencode({"below": below, "limit": limit})
    with deadline(READ_SECONDS):
        return known(await products.inventory(query, authorization))
