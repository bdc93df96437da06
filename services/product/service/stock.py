"""The stock: changing it by hand, where every unit went, and what there is of everything."""

import asyncio

from services.chassis.database import Database, retried
from services.chassis.errors import NotFound
from services.product.model.catalogue import MAX_STOCK
from services.product.model.stock import Change, answer
from services.product.store import stock as store


@retried
async def change_stock(database: Database, product_id: int, change: Change) -> tuple[int, bool]:
    """What is in stock after the change, and whether this key had been answered before.

    Repeating it changes nothing and gives the same answer, be it a refusal.
    """
    async with database.connection() as connection:
        made, recorded = await asyncio.gather(
            store.insert_stock_change(connection, product_id, change, MAX_STOCK),
            store.select_stock_change(connection, product_id, change.key),
        )
    if recorded is None:
        raise NotFound
    return answer(recorded, change), not made


async def read_ledger(database: Database, product_id: int, *, after: int | None, limit: int) -> bytes:
    async with database.read() as connection:
        page = await store.select_ledger(connection, product_id, after, limit)
    if page is None:
        raise NotFound
    return page


async def read_inventory(database: Database, *, below: int, limit: int) -> bytes:
    async with database.read() as connection:
        return await store.select_inventory(connection, below, limit) or b""
