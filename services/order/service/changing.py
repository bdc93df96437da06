"""Shipping, cancelling and refunding. Each may be repeated; stock goes back once."""

import asyncio
from uuid import UUID

from services.chassis import logs
from services.chassis.database import Database, retried
from services.chassis.metrics import Observe, unheard
from services.chassis.upstream import deadline
from services.order import store
from services.order.catalog import Catalog, NoDecision
from services.order.model import NotCancellable, NotRefundable, NotShippable, Order, Status, existing
from services.order.service import protocol
from services.order.service.placing import PATIENCE

log = logs.logger("order")


@retried
async def ship_order(database: Database, order_id: UUID, *, tracking: str | None, actor: str) -> Order:
    """Repeating it with the same tracking changes nothing."""
    async with database.connection() as connection:
        _, order = await asyncio.gather(
            store.move_order(
                connection,
                order_id,
                was=[Status.CONFIRMED],
                status=Status.SHIPPED,
                actor=actor,
                tracking=tracking,
            ),
            store.select_order(connection, order_id, None),
        )
    shipped = existing(order)
    if shipped.status != Status.SHIPPED or shipped.tracking != tracking:
        raise NotShippable
    return shipped


async def cancel_order(
    database: Database,
    catalog: Catalog,
    order_id: UUID,
    *,
    owner: UUID | None,
    actor: str,
    observe: Observe = unheard,
) -> Order:
    """Before it is shipped. Cancelling is the answer when the product service is away; the reconciler finishes."""
    order = await _depart(database, order_id, owner, [Status.CONFIRMED], Status.CANCELLING, actor)
    if order.status not in {Status.CANCELLING, Status.CANCELLED}:
        raise NotCancellable
    return await _finish(database, catalog, order, actor, observe)


async def refund_order(
    database: Database, catalog: Catalog, order_id: UUID, *, actor: str, observe: Observe = unheard
) -> Order:
    """Take a confirmed or shipped order back. Refunding is the answer when the product service is away."""
    was = [Status.CONFIRMED, Status.SHIPPED]
    order = await _depart(database, order_id, None, was, Status.REFUNDING, actor)
    if order.status not in {Status.REFUNDING, Status.REFUNDED}:
        raise NotRefundable
    return await _finish(database, catalog, order, actor, observe)


@retried
async def _depart(
    database: Database, order_id: UUID, owner: UUID | None, was: list[Status], status: Status, actor: str
) -> Order:
    async with database.connection() as connection:
        _, order = await asyncio.gather(
            store.move_order(connection, order_id, owner=owner, was=was, status=status, actor=actor),
            store.select_order(connection, order_id, owner),
        )
    return existing(order)


async def _finish(database: Database, catalog: Catalog, order: Order, actor: str, observe: Observe) -> Order:
    if order.status not in protocol.RETURNS:
        return order
    try:
        with deadline(PATIENCE):
            return await protocol.give_back(database, catalog, order.id, order.status, actor=actor, observe=observe)
    except NoDecision as error:
        log.warning("stock not returned yet", order_id=str(order.id), reason=str(error.__cause__ or error))
        return order
