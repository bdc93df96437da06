"""Driving an undecided order to its decision. Any number of drivers may do this at once, each step any number of times.

The reservation decides, the order follows: reserve, confirm, then one conditional change of the order. Nothing here
depends on clocks or leases. A step that gives no decision leaves the order pending. `observe` is told of a change when
the statement says that it was ours.
"""

import asyncio
from uuid import UUID

from services.chassis import logs
from services.chassis.connection import Connection
from services.chassis.database import Database, retried
from services.chassis.metrics import Observe, unheard
from services.order import store
from services.order.catalog import Catalog
from services.order.metrics import ORDERS_PLACED, ORDERS_REFUSED, ORDERS_RETURNED, RETURNED, REVENUE
from services.order.model import Order, Refusal, Reservation, Status, Unfinished

log = logs.logger("order")

# A state that waits for stock: what the product service calls it, and the state once the stock is back.
RETURNS = {
    Status.CANCELLING: ("cancel", Status.CANCELLED),
    Status.REFUNDING: ("refund", Status.REFUNDED),
}


async def drive(
    database: Database, catalog: Catalog, order: Unfinished, *, actor: str, observe: Observe = unheard
) -> Order:
    """Forward: reserve, confirm, follow. Raises NoDecision."""
    decision = await catalog.reserve(order.id, order.lines)
    if isinstance(decision, Refusal):
        return await reject(database, order.id, decision.code, actor=actor, observe=observe)
    if not decision.committed and order.expected_total_cents not in {None, decision.total_cents}:
        return await roll_back(database, catalog, order, "price-changed", actor=actor, observe=observe)
    return await _commit(database, catalog, order, actor=actor, observe=observe)


async def roll_back(
    database: Database, catalog: Catalog, order: Unfinished, reason: str, *, actor: str, observe: Observe = unheard
) -> Order:
    """Backward: release and reject, unless the reservation is committed already: then the order stands."""
    state = await catalog.release(order.id, reason)
    if state == "committed":
        return await _commit(database, catalog, order, actor=actor, observe=observe)
    return await reject(database, order.id, reason, actor=actor, observe=observe)


async def _commit(database: Database, catalog: Catalog, order: Unfinished, *, actor: str, observe: Observe) -> Order:
    decision = await catalog.confirm(order.id, order.lines)
    if isinstance(decision, Refusal):
        return await reject(database, order.id, decision.code, actor=actor, observe=observe)
    return await follow(database, order.id, decision, actor=actor, observe=observe)


@retried
async def follow(
    database: Database, order_id: UUID, reservation: Reservation, *, actor: str, observe: Observe = unheard
) -> Order:
    """The order is confirmed, by us or by somebody before us."""
    async with database.connection() as connection:
        _, order = await asyncio.gather(
            _confirm(connection, order_id, reservation, actor, observe),
            store.select_decided(connection, order_id),
        )
    return _decided(order, rejected=False)


async def _confirm(
    connection: Connection, order_id: UUID, reservation: Reservation, actor: str, observe: Observe
) -> None:
    if await store.confirm_order(connection, order_id, reservation, actor):
        observe(ORDERS_PLACED)
        observe(REVENUE, reservation.total_cents)


@retried
async def reject(database: Database, order_id: UUID, code: str, *, actor: str, observe: Observe = unheard) -> Order:
    """The order is rejected, by us or by somebody before us (whose code may be another)."""
    if code == "reservation-expired":
        # Stock is held for longer than any order may take: this says that something stood still for minutes.
        log.error("a reservation expired before its order was decided", order_id=str(order_id))
    async with database.connection() as connection:
        _, order = await asyncio.gather(
            _reject(connection, order_id, code, actor, observe),
            store.select_decided(connection, order_id),
        )
    return _decided(order, rejected=True)


async def _reject(connection: Connection, order_id: UUID, code: str, actor: str, observe: Observe) -> None:
    if await store.reject_order(connection, order_id, code, actor):
        observe(ORDERS_REFUSED, 1, code)


def _decided(order: Order | None, *, rejected: bool) -> Order:
    if order is None:
        raise LookupError("an order that is being driven has no row")
    if (order.status == "rejected") != rejected:
        log.error("an order and its reservation disagree", order_id=str(order.id), status=order.status)
    return order


async def give_back(
    database: Database, catalog: Catalog, order_id: UUID, status: Status, *, actor: str, observe: Observe = unheard
) -> Order:
    """Bring the stock of a cancelling or refunding order back, then end it. Raises NoDecision."""
    reason, done = RETURNS[status]
    await catalog.give_back(order_id, reason)
    ended, order = await _end(database, order_id, status, done, actor=actor)
    if ended:
        observe(ORDERS_RETURNED, 1, reason)
        observe(RETURNED, order.total_cents or 0, reason)
    return order


@retried
async def _end(database: Database, order_id: UUID, was: Status, done: Status, *, actor: str) -> tuple[bool, Order]:
    """The order as it is now, and whether it was we who ended it."""
    async with database.connection() as connection:
        ended, order = await asyncio.gather(
            store.move_order(connection, order_id, was=[was], status=done, actor=actor),
            store.select_order(connection, order_id, None),
        )
    if order is None:
        raise LookupError("an order that is being driven has no row")
    return ended, order
