"""What pages and searches cost in a shop of two hundred thousand products, counted in blocks that PostgreSQL reads."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.chassis.database import Database
from services.product.model.listing import Position, Query, Sort
from services.product.store.listing import select_page

pytestmark = pytest.mark.slow

MANY = 200_000
STEP = 5_000  # rows in one statement
FILL = """
    INSERT INTO catalog.product (sku, name, category, price_cents, description)
    SELECT 'SKU-' || n, (ARRAY['Lamp', 'Desk', 'Chair', 'Cup', 'Bag'])[1 + n % 5] || ' '
           || (ARRAY['red', 'green', 'blue', 'oak', 'wool', 'steel', 'glass'])[1 + n % 7] || ' ' || n,
           'kind-' || n % 20, (n * 7919) % 50000, 'Made with care'
      FROM generate_series($1::int, $2::int) n
    """


async def fill(url: str) -> None:
    admin = Database(url, size=1)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(admin.close)
        connection = await stack.enter_async_context(admin.connection())
        await connection.script("SET search_path = catalog, public; SET statement_timeout = 0")
        await connection.script("INSERT INTO category SELECT 'kind-' || n, 'Kind' FROM generate_series(0, 19) n")
        # Building these two once is ten times as fast as keeping them up to date.
        slow = await connection.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE indexdef LIKE '%USING gin%'")
        await connection.script(";".join(f"DROP INDEX {name}" for name, _ in slow))
        for start in range(0, MANY, STEP):
            await connection.execute(FILL, start + 1, start + STEP)
        for _, definition in slow:
            await connection.script(definition)
        await connection.script("VACUUM ANALYZE product")


@pytest.fixture(scope="module")
def crowd(database_urls: dict[str, str]) -> str:
    """The URL of a full shop that has been analysed, as autovacuum would."""
    with ThreadPoolExecutor(1) as thread:  # a loop of its own: the fixture outlives the loops of the tests
        thread.submit(asyncio.run, fill(database_urls["admin"])).result()
    return database_urls["product"]


@pytest.fixture
async def database(crowd: str) -> AsyncIterator[Database]:
    database = Database(crowd, size=1)
    yield database
    await database.close()


SORTS: tuple[Sort, ...] = ("name", "price", "-price", "newest")


class Explained:
    """A connection that asks PostgreSQL what the statement costs instead of what it answers."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.buffers = 0

    async def fetch_row(self, sql: str, *parameters: Any) -> Any:
        row = await self.connection.fetch_row(sql, *parameters)
        plan = await self.connection.fetch_row(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", *parameters)
        top = plan[0][0]["Plan"]
        self.buffers = top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        return row


async def cost(
    database: Database, query: Query, after: Position | None, limit: int = 20
) -> tuple[int, Position | None]:
    async with database.connection() as connection:
        explained = Explained(connection)
        _, following = await select_page(explained, query, after, limit)  # type: ignore[arg-type]
        return explained.buffers, following


DEEP = {
    "name": Position("chair oak 8", 100_000),
    "price": Position(25_000, 100_000),
    "-price": Position(25_000, 100_000),
    "newest": Position(100_000, 100_000),
}


@pytest.mark.parametrize("category", [None, "kind-7"])
@pytest.mark.parametrize("sort", SORTS)
async def test_page_costs_the_same_wherever_it_begins(database: Database, sort: Sort, category: str | None) -> None:
    query = Query(sort=sort, category=category)
    first, _ = await cost(database, query, None)
    deep, following = await cost(database, query, DEEP[sort])
    assert following is not None
    assert max(first, deep) < 150  # a page of 20 and the look-ahead, of 200,000 products in thousands of blocks


@pytest.mark.parametrize(
    ("asked", "most"),
    [("lamp", 3000), ("lamp oak", 3000), ("sku 77777", 1000), ("lapm oak", 9000), ("%", 1500), ("a", 3000)],
)
async def test_search_does_bounded_work(database: Database, asked: str, most: int) -> None:
    """The table alone has more than 10,000 blocks; ranking all 40,000 lamps would read it several times."""
    buffers, _ = await cost(database, Query(q=asked, sort="relevance"), None)
    assert buffers < most


async def test_deep_page_of_a_search_costs_what_the_first_does(database: Database) -> None:
    query = Query(q="lamp", sort="relevance")
    first, after = await cost(database, query, None)
    for _ in range(5):
        deep, after = await cost(database, query, after, 100)
        assert deep < first * 1.5 + 1000
