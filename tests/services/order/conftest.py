"""What every test of orders that needs PostgreSQL starts from: an empty `ordering` schema and a way to look into it."""

from collections.abc import AsyncIterator

import pytest

from services.chassis.database import Database
from tests.services.order.fakes import FakeCatalog


@pytest.fixture
async def admin(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    """The database as its administrator sees it, emptied of orders. For arranging and for looking, not for acting."""
    database = Database(database_urls["admin"], size=1)
    async with database.connection() as connection:
        await connection.execute("TRUNCATE ordering.orders CASCADE")
    yield database
    await database.close()


@pytest.fixture
async def database(
    database_urls: dict[str, str],
    admin: Database,  # noqa: ARG001 - because it empties
) -> AsyncIterator[Database]:
    """The database as the order service sees it."""
    database = Database(database_urls["order"])
    yield database
    await database.close()


@pytest.fixture
def catalog() -> FakeCatalog:
    """A product service with a hundred of each of three products."""
    return FakeCatalog(stock={1: 100, 2: 100, 3: 100}, prices={1: 250, 2: 1000, 3: 1})
