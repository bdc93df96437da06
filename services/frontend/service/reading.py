"""Pages put together from both backends. A part that cannot be had is named, and the rest is shown.

Each page has one time limit for all of its parts, so the slowest backend costs no more than that.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from services.chassis.errors import Unavailable
from services.chassis.upstream import deadline
from services.frontend.backends import Backend, Found, Orders, Probe, Products, Reading, Refusal
from services.frontend.calls import READ_SECONDS, NoAnswer
from services.frontend.weights import Shares, Weights

SHOWN = 8  # products in one row of the front page
RELATED = 6
LOW_STOCK = 5  # from here down, the number left is told
LOOKUPS = 8  # products of one order that are asked for at a time

NEWEST = urlencode({"sort": "newest", "limit": SHOWN})
CHEAPEST = urlencode({"sort": "price", "in_stock": "true", "limit": SHOWN})


@dataclass(frozen=True, slots=True)
class Page:
    """What to answer. `age` is given when part of it is a kept copy: the seconds since the oldest was fresh."""

    document: Mapping[str, Any]
    age: int | None = None


async def show_front_page(products: Products) -> Page:
    """Categories, what is new and what costs least. Raises Unavailable when there is nothing to show."""
    with deadline(READ_SECONDS):
        categories, newest, cheapest = await asyncio.gather(
            part(products.categories()), part(products.page(NEWEST)), part(products.page(CHEAPEST))
        )
    parts = {"categories": categories, "newest": newest, "cheapest": cheapest}
    if not any(parts.values()):
        raise Unavailable("The catalogue cannot be read at this moment")
    return _page({name: _items(found) for name, found in parts.items()}, parts)


async def show_product(products: Products, product_id: int, authorization: str) -> Page | Refusal:
    """A product, whether it can be had, and others of its category. Raises NoAnswer without the product itself."""
    with deadline(READ_SECONDS):
        reading = await products.product(product_id, authorization)
        if isinstance(reading, Refusal):
            return reading
        product = reading.document
        query = urlencode({"category": product["category"], "in_stock": "true", "limit": RELATED + 1})
        related = await part(products.page(query))
    others = [item for item in _items(related) or () if item["id"] != product_id][:RELATED]
    document = {"product": product, "availability": availability(product), "related": others if related else None}
    return _page(document, {"product": reading, "related": related})


def availability(product: Mapping[str, Any]) -> Mapping[str, Any]:
    """Whether a product can be had; how many are left is told only when they are few."""
    left = product["stock"] if product["active"] else 0
    if left == 0:
        return {"state": "sold-out", "left": 0}
    return {"state": "low", "left": left} if left <= LOW_STOCK else {"state": "in-stock", "left": None}


async def show_order(orders: Orders, products: Products, order_id: UUID, authorization: str) -> Page | Refusal:
    """An order with its products as they are now; those no longer for sale are left out. Raises NoAnswer."""
    with deadline(READ_SECONDS):
        reading = await orders.order(order_id, authorization)
        if isinstance(reading, Refusal):
            return reading
        order = reading.document
        readings = await look_up(products, (line["product_id"] for line in order["lines"]))
    found = [reading for reading in readings.values() if isinstance(reading, Found)]
    away = None in readings.values()
    document = {
        "order": order,
        "products": [one.document for one in found] if found or not away else None,
        "missing": ["products"] if away else [],
        "stale": ["products"] if any(one.age is not None for one in found) else [],
    }
    return Page(document, _oldest(found))


async def look_up(products: Products, identifiers: Iterable[int]) -> Mapping[int, Reading | None]:
    """What is said about each of some products; None for one that cannot be asked for."""
    places = asyncio.Semaphore(LOOKUPS)
    distinct = list(dict.fromkeys(identifiers))

    async def one(identifier: int) -> Reading | None:
        async with places:
            try:
                return await products.product(identifier)
            except NoAnswer:
                return None

    return dict(zip(distinct, await asyncio.gather(*map(one, distinct)), strict=True))


async def show_status(products: Products, orders: Orders) -> Mapping[str, Any]:
    """The health of each backend, asked for at the same time."""
    backends: Mapping[str, Backend] = {"product": products, "order": orders}
    probes = await asyncio.gather(*(backend.probe() for backend in backends.values()))
    healthy = [probe.healthy for probe in probes]
    return {
        "status": "ok" if all(healthy) else "degraded" if any(healthy) else "down",
        "backends": [_shown(name, probe) for name, probe in zip(backends, probes, strict=True)],
    }


async def show_status_with_weights(
    products: Products, orders: Orders, weights: Weights | None
) -> tuple[Mapping[str, Any], Shares | None]:
    """The same, and how the load balancer divides requests where it tells."""
    if weights is None:
        return await show_status(products, orders), None
    status, shares = await asyncio.gather(show_status(products, orders), weights.read())
    return status, shares


def _shown(name: str, probe: Probe) -> Mapping[str, Any]:
    return {
        "name": name,
        "healthy": probe.healthy,
        "served_by": probe.served_by,
        "version": probe.version,
        "latency_ms": probe.latency_ms,
        "p95_ms": probe.p95_ms,
    }


async def part(reading: Awaitable[Reading]) -> Found | None:
    """One part of a page; a part that is refused is as missing as one that cannot be had."""
    try:
        found = await reading
    except NoAnswer:
        return None
    return found if isinstance(found, Found) else None


def _items(found: Found | None) -> list[Mapping[str, Any]] | None:
    return list(found.document["items"]) if found else None


def _page(document: Mapping[str, Any], parts: Mapping[str, Found | None]) -> Page:
    present = {name: found for name, found in parts.items() if found}
    notes = {
        "missing": [name for name in parts if name not in present],
        "stale": [name for name, found in present.items() if found.age is not None],
    }
    return Page({**document, **notes}, _oldest(present.values()))


def _oldest(parts: Iterable[Found]) -> int | None:
    return max((found.age for found in parts if found.age is not None), default=None)
