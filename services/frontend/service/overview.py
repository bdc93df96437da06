"""How the shop is doing: what the dashboard shows, each part of it by itself."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from services.chassis.upstream import deadline
from services.frontend.backends import Orders, Products
from services.frontend.calls import READ_SECONDS
from services.frontend.service.reading import part

LOW = 5  # units from which on a product is not low


@dataclass(frozen=True, slots=True)
class Overview:
    """Each part is None when it cannot be had, or the key does not allow it."""

    report: Mapping[str, Any] | None
    inventory: Mapping[str, Any] | None
    undecided: int | None


async def look_over(
    orders: Orders, products: Products, authorization: str, *, hours: int, sales: bool, stock: bool
) -> Overview:
    """`sales` and `stock` say what the key allows."""
    with deadline(READ_SECONDS):
        report, inventory = await asyncio.gather(
            _document(orders.report(urlencode({"hours": hours}), authorization) if sales else None),
            _document(products.inventory(urlencode({"below": LOW, "limit": 8}), authorization) if stock else None),
        )
    undecided = None if report is None else sum(report["by_status"].get(name, 0) for name in UNDECIDED)
    return Overview(report, inventory, undecided)


UNDECIDED = ("pending", "cancelling", "refunding")


async def _document(reading: Awaitable[Any] | None) -> Mapping[str, Any] | None:
    found = await part(reading) if reading is not None else None
    return found.document if found else None
