"""Finishing what a driver left: a crash, a lost answer, a product service that was away.

Every task of the service runs this; the lease keeps them apart, and were it to fail, every step is safe to repeat.
"""

from services.chassis import logs
from services.chassis.database import Database
from services.chassis.metrics import Observe, unheard
from services.chassis.upstream import deadline
from services.order import store
from services.order.catalog import Catalog, NoDecision
from services.order.model import Order, Status, Unfinished
from services.order.service import protocol

ROUND = 100  # orders at most in one round
PATIENCE = 8.0  # seconds for one order: less than its lease

log = logs.logger("order")


async def reconcile_once(database: Database, catalog: Catalog, *, observe: Observe = unheard) -> int:
    """One round over the orders without a driver; how many of them are finished now."""
    finished = 0
    for _ in range(ROUND):
        if catalog.open:
            break
        async with database.connection() as connection:
            order = await store.take_unfinished(connection)
        if order is None:
            break
        finished += await _settle(database, catalog, order, observe)
    return finished


async def _settle(database: Database, catalog: Catalog, order: Unfinished, observe: Observe) -> bool:
    try:
        with deadline(PATIENCE):
            settled = await _step(database, catalog, order, observe)
    except NoDecision as error:
        log.warning("no decision yet", order_id=str(order.id), reason=str(error.__cause__ or error))
        return False
    log.info("order finished by the reconciler", order_id=str(order.id), status=settled.status)
    return True


async def _step(database: Database, catalog: Catalog, order: Unfinished, observe: Observe) -> Order:
    if order.status != Status.PENDING:
        return await protocol.give_back(database, catalog, order.id, order.status, actor="reconciler", observe=observe)
    if order.young:
        return await protocol.drive(database, catalog, order, actor="reconciler", observe=observe)
    return await protocol.roll_back(database, catalog, order, "timed-out", actor="reconciler", observe=observe)
