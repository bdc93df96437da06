"""More buyers than units, in real processes and over real HTTP: as many are confirmed as there are units."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scripts.benches.buyers import compete
from scripts.invariants import breaches
from services.chassis.database import Database
from tests.chaos.customers import SESSIONS
from tests.chaos.processes import platform
from tests.chaos.product import Product

STOCK, BUYERS, CONNECTIONS = 10, 100, 32


@pytest.fixture
async def admin(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    database = Database(database_urls["admin"], size=1)
    yield database
    await database.close()


@pytest.fixture
async def product_id(database_urls: dict[str, str], admin: Database) -> AsyncIterator[int]:
    """The only product of the shop."""
    database = Database(database_urls["product"], size=1)
    product = Product(database, admin)
    await product.empty()
    yield await product.add(STOCK, 250)
    await database.close()


@pytest.mark.slow
async def test_a_hundred_buyers_get_the_ten_units_there_are(
    tmp_path: Path, database_urls: dict[str, str], admin: Database, product_id: int
) -> None:
    """Two order tasks share the work through the load balancer, as in the deployment."""
    with platform(
        tmp_path,
        database_urls,
        product="services.product.main:create",
        order="services.order.main:create",
    ) as shop:
        await asyncio.gather(*(process.ready() for process in shop.all))
        tokens = [SESSIONS.issue().token for _ in range(BUYERS)]
        outcome = await compete(shop.balancer.url, product_id, tokens, connections=CONNECTIONS)
    async with admin.connection() as connection:
        stored = await connection.fetch("SELECT id::text FROM ordering.orders WHERE status = 'confirmed'")
        left = await connection.fetch_value("SELECT stock FROM catalog.product WHERE id = $1", product_id)
    assert outcome.ends == {"confirmed": STOCK, "insufficient-stock": BUYERS - STOCK}
    assert outcome.order_ids == {order_id for (order_id,) in stored}
    assert left == 0
    assert await breaches(admin) == []
