"""SIGKILL at every named point of a placement, in real processes on real clocks: every order ends, once and for all.

Twice through the points. First the customer asks again, as soon as the lease of the dead process is over (which the
test makes to be so, by SQL). Then nobody asks and nothing is helped along: the reconciler has to find what is left.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from itertools import count

import aiohttp
import pytest

from scripts.invariants import breaches
from services.chassis.database import Database
from tests.chaos.customers import Customer
from tests.chaos.doomed import ORDER_POINTS, PRODUCT_POINTS
from tests.chaos.processes import Platform, Process, platform
from tests.chaos.product import EMPTY, Product
from tests.chaos.profiles import NIGHT

pytestmark = pytest.mark.slow
POINTS = (*ORDER_POINTS, *PRODUCT_POINTS)
ENDS = ["confirmed", "confirmed", "confirmed", "insufficient-stock"]  # of the four who ask each time
REPEATS = 25 if NIGHT else 1
FINAL_WITHIN = 75.0  # seconds from the death of a process to the end of the order that it was at
NUMBERS = count(1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, database_urls: dict[str, str]) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("processes")
    with platform(
        folder, database_urls, product="tests.chaos.doomed:product", order="tests.chaos.doomed:order"
    ) as running:
        yield running


@pytest.fixture
async def admin(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    database = Database(database_urls["admin"], size=1)
    yield database
    await database.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    # A connection of its own for every request, so that no answer is lost to a connection that a dead process had.
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=15)) as session:
        yield session


@pytest.fixture
async def shelf(database_urls: dict[str, str], admin: Database) -> AsyncIterator[list[int]]:
    """Three products; of the last one there is little."""
    database = Database(database_urls["product"], size=1)
    product = Product(database, admin)
    async with admin.connection() as connection:
        await connection.script(EMPTY)
    yield [await product.add(stock, 250) for stock in (10_000, 10_000, 1)]
    await database.close()


async def die_at(
    shop: Platform, http: aiohttp.ClientSession, point: str, shelf: list[int], number: int
) -> tuple[Process, list[Customer]]:
    """Somebody whose process dies at a point, together with what it did for three others; it is starting again."""
    task = shop.orders[number % len(shop.orders)]
    victim = shop.product if point in PRODUCT_POINTS else task
    await asyncio.gather(*(process.ready() for process in (shop.product, task, shop.balancer)))
    wide, narrow, scarce = shelf
    customers = [Customer({wide: 2, narrow: 1}), Customer({narrow: 1}), Customer({wide: 1}), Customer({scarce: 2})]
    doomed, *others = customers
    asking = [asyncio.create_task(customer.ask(http, task.url)) for customer in others]
    await asyncio.sleep(number % 3 * 0.004)
    await doomed.ask(http, task.url, request_id=f"kill.{point}.{number}")
    while victim.alive and not doomed.decided:  # a breaker that the last death has opened may keep it from the point
        await asyncio.sleep(0.5)
        await doomed.ask(http, task.url, request_id=f"kill.{point}.{number}")
    await asyncio.gather(*asking)
    await victim.killed()
    victim.start()
    return victim, customers


async def check_promises(shop: Platform, http: aiohttp.ClientSession, admin: Database, asked: list[Customer]) -> None:
    """What every customer was ever told is true, is what they are told again, and the books balance."""
    for customer in asked:
        await customer.insist(http, shop.balancer.url)
        await customer.ask(http, shop.balancer.url)
        assert customer.surprises() == []
    async with admin.connection() as connection:
        rows = await connection.fetch("SELECT id::text, status, reject_code FROM ordering.orders")
    stored = {order_id: code or status for order_id, status, code in rows}
    for customer in asked:
        (decision,) = customer.decisions
        assert stored.pop(decision[0]) == decision[1], customer
    assert stored == {}, "orders that nobody asked for"
    assert await breaches(admin) == []


@pytest.mark.parametrize("point", POINTS)
async def test_a_repeated_request_finishes_what_a_killed_process_began(
    shop: Platform, http: aiohttp.ClientSession, admin: Database, shelf: list[int], point: str
) -> None:
    asked: list[Customer] = []
    for _ in range(REPEATS):
        victim, customers = await die_at(shop, http, point, shelf, next(NUMBERS))
        async with admin.connection() as connection:
            await connection.execute("UPDATE ordering.orders SET lease_until = now() WHERE status = 'pending'")
        if victim is shop.product:
            await victim.ready()
        await asyncio.gather(*(customer.insist(http, shop.balancer.url) for customer in customers))
        asked += customers
    await check_promises(shop, http, admin, asked)
    assert [told for customer in asked for _, told in customer.decisions] == ENDS * REPEATS


async def test_the_reconciler_finishes_alone_what_killed_processes_began(
    shop: Platform, http: aiohttp.ClientSession, admin: Database, shelf: list[int]
) -> None:
    asked: list[Customer] = []
    for point in POINTS:
        _, customers = await die_at(shop, http, point, shelf, next(NUMBERS))
        asked += customers
    end = time.monotonic() + FINAL_WITHIN
    async with admin.connection() as connection:
        left = await connection.fetch_value("SELECT count(*) FROM ordering.orders WHERE status = 'pending'")
        assert left, "somebody was quicker: this run has proved nothing"
        while await connection.fetch_value("SELECT count(*) FROM ordering.orders WHERE status = 'pending'"):
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
        slowest = await connection.fetch_value("SELECT max(decided_at - created_at) FROM ordering.orders")
    assert slowest.total_seconds() < FINAL_WITHIN, "from the beginning of an order to its end, the death in between"
    await check_promises(shop, http, admin, asked)
    assert [told for customer in asked for _, told in customer.decisions] == ENDS * len(POINTS)
