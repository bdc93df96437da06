"""Placing an order: the intent first, then the protocol, and what a request under a known key gets."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from services.chassis import logs
from services.chassis.database import Database, retried
from services.chassis.errors import Unavailable
from services.chassis.metrics import Observe, unheard
from services.chassis.upstream import deadline
from services.order import store
from services.order.catalog import Catalog, NoDecision
from services.order.model import InProgress, Intent, KeyReuse, Order, Status, TooManyPending, Unfinished, existing
from services.order.service import protocol

log = logs.logger("order")

PATIENCE = 8.0  # seconds within which a placed order is decided or answered with 202
SLOT_RACES = store.PENDING_SLOTS + 1  # each lost race means that another order of the customer got in


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that was asked for; `replayed` when an earlier request with this key had decided it."""

    order: Order
    replayed: bool = False


async def place_order(database: Database, catalog: Catalog, intent: Intent, *, observe: Observe = unheard) -> Placed:
    """Decide an order: write the intent, reserve, confirm, follow. Still pending when that is not known in time."""
    with deadline(PATIENCE):
        if catalog.open:  # nothing new can be decided: answer what is known and write nothing
            return _known(await _find(database, intent), intent)
        order_id = await _begin(database, intent)
        if isinstance(order_id, Placed):
            return order_id
        order = Unfinished(
            id=order_id,
            status=Status.PENDING,
            lines=intent.lines,
            expected_total_cents=intent.expected_total_cents,
        )
        try:
            return Placed(await protocol.drive(database, catalog, order, actor="placement", observe=observe))
        except NoDecision as error:
            log.warning("no decision in time", order_id=str(order_id), reason=str(error.__cause__ or error))
            return Placed(await _leave(database, order_id))


@retried
async def _begin(database: Database, intent: Intent) -> UUID | Placed:
    """The id of the order to drive: a new one, or the abandoned one of an earlier request with this key."""
    for _ in range(SLOT_RACES):
        async with database.connection() as connection:
            inserted = await store.insert_order(connection, intent)
            if inserted.done:
                return intent.id
            abandoned, known = await asyncio.gather(
                store.take_lease(connection, intent),
                store.select_decided_by_key(connection, intent.customer_id, intent.key),
            )
        if abandoned is not None:
            return abandoned
        if known is not None:
            return _known(known, intent)
        if not inserted.room:
            break
    raise TooManyPending(retry_after=5)


async def _find(database: Database, intent: Intent) -> Order | None:
    async with database.read() as connection:
        return await store.select_decided_by_key(connection, intent.customer_id, intent.key)


def _known(order: Order | None, intent: Intent) -> Placed:
    if order is None:
        raise Unavailable("Orders cannot be decided at this moment", retry_after=5)
    if order.fingerprint != intent.fingerprint:
        raise KeyReuse
    if order.status == Status.PENDING:
        raise InProgress
    return Placed(order, replayed=True)


async def _leave(database: Database, order_id: UUID) -> Order:
    """Our time is over. Somebody else may have decided it; if not, let the next one begin at once."""
    async with database.connection() as connection:
        _, order = await asyncio.gather(
            store.yield_lease(connection, order_id), store.select_decided(connection, order_id)
        )
    return existing(order)
