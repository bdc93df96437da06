"""What must be true of orders and reservations whenever nothing is on its way, whoever has crashed in between."""

import asyncio
import json
from uuid import UUID

from services.chassis.database import Database
from services.order import store
from services.order.model import Order
from tests.services.order.fakes import FakeCatalog

INITIAL_STOCK = 100
_RESERVATION_OF = {
    "confirmed": "committed",
    "shipped": "committed",
    "cancelled": "returned",
    "refunded": "returned",
    "rejected": "released",
}


async def end_leases(admin: Database, *, age: int | None = None) -> None:
    """As if every driver had been gone for longer than its lease, and its orders were `age` seconds old."""
    async with admin.connection() as connection:
        await connection.execute(
            "UPDATE ordering.orders SET lease_until = now() - interval '1 ms', created_at = "
            " CASE WHEN $1::int IS NULL THEN created_at ELSE now() - $1::int * interval '1 s' END",
            age,
        )


async def check(database: Database, catalog: FakeCatalog) -> list[Order]:
    """Every order is finished, agrees with its reservation, and was decided once; no unit is lost or made."""
    async with database.connection() as connection:
        ids = [row[0] for row in await connection.fetch("SELECT id FROM ordering.orders ORDER BY created_at")]
        found = await asyncio.gather(*(store.select_order(connection, order_id, None) for order_id in ids))
        logs = await asyncio.gather(*(store.select_events(connection, order_id, None) for order_id in ids))
    orders = [order for order in found if order]
    for order, log in zip(orders, logs, strict=True):
        _check_order(order, catalog)
        _check_log(order, json.loads(log or b"")["items"])
    _check_stock({order.id for order in orders}, catalog)
    return orders


def _check_order(order: Order, catalog: FakeCatalog) -> None:
    assert order.status in _RESERVATION_OF, "an order is not finished"
    state = catalog.state(order.id)
    assert state == _RESERVATION_OF[order.status], f"{order.status} with a reservation that is {state}"
    if order.status == "rejected":
        return
    document = json.loads(order.body)
    ours = [(line["product_id"], line["qty"], line["unit_price_cents"]) for line in document["lines"]]
    theirs = [(line.product_id, line.qty, line.unit_price_cents) for line in catalog.reservations[order.id].lines]
    assert ours == theirs
    assert document["total_cents"] == sum(qty * price for _, qty, price in ours)


def _check_log(order: Order, events: list[dict[str, str | None]]) -> None:
    assert [event["was"] for event in events] == [None, *(event["status"] for event in events[:-1])]
    assert events[-1]["status"] == order.status
    decisions = [event for event in events if event["status"] in {"confirmed", "rejected"}]
    assert len(decisions) == 1


def _check_stock(known: set[UUID], catalog: FakeCatalog) -> None:
    for product_id, free in catalog.stock.items():
        taken = sum(
            line.qty
            for order_id, stored in catalog.reservations.items()
            for line in stored.lines
            if line.product_id == product_id and stored.state == "committed"
        )
        assert free + taken == INITIAL_STOCK
        assert free >= 0
    orphans = [id_ for id_, stored in catalog.reservations.items() if id_ not in known and stored.state != "released"]
    assert not orphans, "stock is taken by an order that does not exist"
