"""Who waits for whom: what the protocol's statements lock, and what they pass by."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from uuid import uuid4

import pytest

from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.order import store
from services.product.model.reservations import Line
from services.product.service import reservations
from tests.chaos.product import Product
from tests.services.order.fakes import intent

# Rows are then met as they lie in their tables, whichever of them the planner reads first.
NO_SHORT_CUTS = ("enable_indexscan", "enable_bitmapscan", "enable_indexonlyscan", "enable_hashjoin", "enable_mergejoin")
REVERSED = """
    UPDATE catalog.product SET version = version + 1 WHERE id = (SELECT min(id) FROM catalog.product);
    UPDATE catalog.reservation_line SET name = name || '.' WHERE product_id = (SELECT min(id) FROM catalog.product);
"""


@pytest.fixture
async def orders(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    database, admin = Database(database_urls["order"]), Database(database_urls["admin"], size=1)
    async with admin.connection() as connection:
        await connection.script("TRUNCATE ordering.orders CASCADE")
    yield database
    await database.close()
    await admin.close()


async def test_a_reconciler_passes_by_an_order_that_somebody_is_deciding(orders: Database) -> None:
    busy, free = intent(), intent()
    async with orders.connection() as connection:
        for wish in (busy, free):
            await store.insert_order(connection, wish)
            await store.yield_lease(connection, wish.id)
            await asyncio.sleep(0.002)
    async with orders.transaction() as deciding, orders.connection() as reconciling:
        await store.reject_order(deciding, busy.id, "timed-out", "test")
        taken = await asyncio.wait_for(store.take_unfinished(reconciling), 1)
        assert taken is not None
        assert taken.id == free.id
        assert await asyncio.wait_for(store.take_unfinished(reconciling), 1) is None


@pytest.fixture
async def admin(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    database = Database(database_urls["admin"], size=2)
    async with database.connection() as connection:
        name = await connection.fetch_value("SELECT quote_ident(current_database())")
        for setting in NO_SHORT_CUTS:
            await connection.script(f"ALTER DATABASE {name} SET {setting} = off")
        yield database
        for setting in NO_SHORT_CUTS:
            await connection.script(f"ALTER DATABASE {name} RESET {setting}")
    await database.close()


@pytest.mark.parametrize("ending", ["release", "return", "sweep"])
async def test_stock_is_given_back_in_the_order_of_the_products(
    admin: Database, database_urls: dict[str, str], ending: str
) -> None:
    """Whatever the plan of the statement: two that give back the same products can never wait for each other."""
    database, order_id = Database(database_urls["product"]), uuid4()
    product = Product(database, admin)
    await product.empty()
    low, high = await product.add(10, 250), await product.add(10, 250)
    await reservations.reserve(database, order_id, [Line(low, 1), Line(high, 1)], seconds=-1)
    if ending == "return":
        await reservations.confirm(database, order_id)
    async with admin.connection() as connection:
        await connection.script(REVERSED)
    endings: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "release": lambda: reservations.release(database, order_id, "timed-out"),
        "return": lambda: reservations.give_back(database, order_id, "cancel"),
        "sweep": lambda: reservations.sweep(database),
    }
    async with database.transaction() as busy:
        await busy.execute("SELECT FROM product WHERE id = $1::bigint FOR UPDATE", low)
        giving = asyncio.create_task(endings[ending]())
        await blocked(admin, giving)
        assert await is_free(database, high)
    await giving
    assert (await product.state())["products"] == {low: (10, 250, True), high: (10, 250, True)}
    await database.close()


async def blocked(admin: Database, task: asyncio.Task[object]) -> None:
    """Return when the task waits for a lock."""
    async with asyncio.timeout(5), admin.connection() as connection:
        while not await connection.fetch_value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not task.done(), "it should have waited"
            await asyncio.sleep(0.005)


async def is_free(database: Database, product_id: int) -> bool:
    try:
        async with database.connection() as connection:
            await connection.execute("SELECT FROM product WHERE id = $1::bigint FOR UPDATE NOWAIT", product_id)
    except DomainError:
        return False
    return True
