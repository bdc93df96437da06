"""Orders, as the staff sees them and moves them on."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from services.chassis.upstream import deadline
from services.frontend.backends import Found, Orders
from services.frontend.calls import READ_SECONDS, NoAnswer
from services.frontend.service.staff import Changed, change, known, write_call

LISTED = 30  # orders on one page


@dataclass(frozen=True, slots=True)
class File:
    """All there is about an order; `events` is None when the log cannot be had."""

    order: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]] | None


async def list_all_orders(
    orders: Orders, authorization: str, *, status: str, customer: str, cursor: str
) -> Mapping[str, Any]:
    wanted = {"status": status, "customer_id": customer, "cursor": cursor}
    query = urlencode({"limit": LISTED} | {name: value for name, value in wanted.items() if value})
    with deadline(READ_SECONDS):
        return known(await orders.page(query, authorization))


async def read_file(orders: Orders, order_id: UUID, authorization: str) -> File:
    with deadline(READ_SECONDS):
        reading, events = await asyncio.gather(
            orders.order(order_id, authorization), _events(orders, order_id, authorization)
        )
    return File(known(reading), events)


async def move_order(
    orders: Orders, order_id: UUID, step: Literal["ship", "cancel", "refund"], authorization: str, tracking: str = ""
) -> Changed:
    """Refused with the order service's code when the order is in no state for it."""
    body = {"tracking": tracking} if step == "ship" and tracking else None
    return await change(orders, write_call("POST", f"/orders/{order_id}/{step}", authorization, body))


async def _events(orders: Orders, order_id: UUID, authorization: str) -> Sequence[Mapping[str, Any]] | None:
    try:
        reading = await orders.events(order_id, authorization)
    except NoAnswer:
        return None
    return reading.document["items"] if isinstance(reading, Found) else None
