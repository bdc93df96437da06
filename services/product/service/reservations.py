"""Try, confirm, cancel: the reservation is the decision about an order.

Every step may be repeated by anyone at any time. Clocks affect only speed, never correctness.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from services.chassis.database import Database, retried
from services.chassis.errors import DomainError, NotFound
from services.chassis.logs import logger
from services.chassis.metrics import Observe, unheard
from services.product.metrics import RESERVATIONS_EXPIRED
from services.product.model.reservations import (
    EXPIRED,
    RESERVATION_SECONDS,
    SWEEP_AT_MOST,
    Known,
    Line,
    NotCommitted,
    State,
    decide_refusal,
    fingerprint,
    refusal,
    same_lines,
    standing,
)
from services.product.store import reservations as store

log = logger("reservations")


@retried
async def reserve(
    database: Database, reservation_id: UUID, lines: Sequence[Line], *, seconds: float = RESERVATION_SECONDS
) -> tuple[bool, bytes]:
    """Hold every line or none; whether it was made now, and its JSON. A refusal is stored and stands for ever.

    Two round trips when it is made: the statement, with BEGIN in front, and COMMIT.
    """
    wanted = fingerprint(lines)
    reason: DomainError | None = None
    async with database.transaction() as connection:
        attempt = await store.insert_reservation(connection, reservation_id, lines, wanted, seconds)
        if not attempt.made:
            known = await store.select_reservation(connection, reservation_id)
        elif attempt.refused:
            code, product_ids = decide_refusal(attempt.refused)
            await store.update_reservation_refused(connection, reservation_id, code, product_ids)
            reason = refusal(code, product_ids)
    if reason is not None:
        raise reason
    if attempt.made:
        return True, attempt.body
    same_lines(found := _found(known), wanted)
    return False, standing(found)


@retried
async def confirm(database: Database, reservation_id: UUID) -> bytes:
    """The reservation's JSON, committed. One round trip."""
    async with database.connection() as connection:
        _, known = await asyncio.gather(
            store.update_reservation_committed(connection, reservation_id),
            store.select_reservation(connection, reservation_id),
        )
    return standing(_found(known))


@retried
async def release(database: Database, reservation_id: UUID, reason: str) -> State:
    """Give the units back unless the order stands; the state that holds now. One round trip.

    Three transactions of their own are enough: each leaves a state that the next, or a repetition, can start from.
    """
    async with database.connection() as connection:
        _, _, known = await asyncio.gather(
            store.insert_tombstone(connection, reservation_id, reason),
            store.update_reservation_released(connection, reservation_id, reason),
            store.select_reservation(connection, reservation_id),
        )
    return _found(known).state


@retried
async def give_back(database: Database, reservation_id: UUID, reason: str) -> State:
    """Return the goods of a committed reservation, once."""
    async with database.connection() as connection:
        _, known = await asyncio.gather(
            store.update_reservation_returned(connection, reservation_id, reason),
            store.select_reservation(connection, reservation_id),
        )
    if (state := _found(known).state) != "returned":
        raise NotCommitted
    return state


async def sweep(database: Database, *, at_most: int = SWEEP_AT_MOST, observe: Observe = unheard) -> int:
    """Release what has expired, one transaction each; how many.

    In a working shop nothing expires: orders are confirmed or released long before. So each one is worth a warning.
    """
    for swept in range(at_most):
        async with database.transaction() as connection:
            reservation_id = await store.select_reservation_due(connection)
            if reservation_id is None:
                return swept
            await store.update_reservation_released(connection, reservation_id, EXPIRED)
        observe(RESERVATIONS_EXPIRED)
        log.warning("reservation expired", reservation_id=str(reservation_id))
    return at_most


def _found(known: Known | None) -> Known:
    if known is None:
        raise NotFound
    return known
