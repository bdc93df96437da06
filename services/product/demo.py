"""A shop to look at: six categories, and the forty products of demo.csv, which is also an example for the import."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from services.chassis.database import Database, retried
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
