"""A shop to look at: six categories, and the forty products of demo.csv, which is also an example for the import.

`python -m services.product.demo` puts them into the database of the service's settings.
"""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from services.chassis import logs
from services.chassis.database import Database, retried
from services.chassis.errors import DomainError
from services.chassis.settings import SettingsError, database_url
from services.product.model.sheet import Row, read_rows
from services.product.store import demo as store

CATEGORIES = {
    "kitchen": "Kitchen & Table",
    "audio": "Audio",
    "lighting": "Lighting",
    "desk": "Desk & Paper",
    "travel": "Bags & Travel",
    "garden": "Garden & Balcony",
}


@cache
def products() -> Sequence[Row]:
    return read_rows((Path(__file__).parent / "demo.csv").read_bytes())


@retried
async def seed(database: Database) -> int:
    """Put in what is not there yet; how many products that were. What a shop has changed stays changed."""
    async with database.transaction() as connection:
        await store.insert_categories(connection, CATEGORIES)
        return await store.insert_products(connection, products())


async def fill(env: Mapping[str, str]) -> int:
    """Raises SettingsError or Unavailable."""
    url = database_url(env)
    if not url:
        raise SettingsError("DATABASE_URL is missing")
    database = Database(url, size=1)
    try:
        return await seed(database)
    finally:
        await database.close()


def main() -> None:
    logs.configure("demo")
    try:
        added = asyncio.run(fill(os.environ))
    except (SettingsError, DomainError) as error:
        sys.exit(f"No demo products: {error}")
    logs.logger("demo").info("seeded", added=added)


if __name__ == "__main__":
    main()
