"""Reading orders. With an owner, another customer's order does not exist."""

from uuid import UUID

from services.chassis.database import Database
from services.chassis.errors import NotFound
from services.order import store
from services.order.model import Cursor, Order, Status, existing


async def read_order(database: Database, order_id: UUID, owner: UUID | None) -> Order:
    async with database.read() as connection:
        return existing(await store.select_order(connection, order_id, owner))


async def read_events(database: Database, order_id: UUID, owner: UUID | None) -> bytes:
    async with database.read() as connection:
        events = await store.select_events(connection, order_id, owner)
    if events is None:
        raise NotFound
    return events


async def list_orders(
    database: Database,
    *,
    customer_id: UUID | None,
    status: Status | None,
    after: Cursor | None,
    limit: int,
) -> bytes:
    async with database.read() as connection:
        return await store.select_orders(connection, customer_id=customer_id, status=status, after=after, limit=limit)


async def read_report(database: Database, *, hours: int) -> bytes:
    async with database.read() as connection:
        return await store.select_report(connection, hours) or b""
