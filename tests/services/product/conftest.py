"""A shop of its own for every test, whose books are checked when the test is over."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.product.model.catalogue import Draft
from services.product.model.reservations import Line
from services.product.service import reservations
from services.product.store import catalogue

TABLES = "stock_movement, stock_change, reservation_line, reservation, product, category"


@dataclass(frozen=True, slots=True)
class Shop:
    """The database of a test, and what tests ask it."""

    database: Database

    async def add(self, sku: str = "DSK-1", *, stock: int = 10, **fields: Any) -> int:
        """A product; gives its id."""
        values: dict[str, Any] = {
            "sku": sku,
            "name": f"Notebook {sku}",
            "description": "",
            "category": "desk",
            "price_cents": 1200,
            "active": True,
            "image": None,
        }
        async with self.database.connection() as connection:
            identifier, _ = await catalogue.insert_product(connection, Draft(**(values | fields)), stock)
        return identifier

    async def value(self, sql: str, *parameters: Any) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetch_value(sql, *parameters)

    async def execute(self, sql: str, *parameters: Any) -> int:
        async with self.database.connection() as connection:
            return await connection.execute(sql, *parameters)

    async def stock(self, product_id: int) -> int:
        stock: int = await self.value("SELECT stock FROM product WHERE id = $1::bigint", product_id)
        return stock

    async def state(self, reservation_id: Any) -> str | None:
        state: str | None = await self.value("SELECT state FROM reservation WHERE id = $1::uuid", reservation_id)
        return state

    async def held(self, *, stock: int = 10, qty: int = 4, seconds: float = 120) -> tuple[int, UUID]:
        """A product and a reservation of some of it."""
        product_id, order = await self.add(stock=stock), uuid4()
        await reservations.reserve(self.database, order, [Line(product_id, qty)], seconds=seconds)
        return product_id, order

    async def crossed(self) -> tuple[int, int]:
        """Two products that PostgreSQL meets in the wrong order when it reads the table from its beginning."""
        low, high = await self.add("LOW", stock=100), await self.add("HIGH", stock=100)
        await self.execute("UPDATE product SET version = version + 1 WHERE id = $1::bigint", low)
        await self.execute("ANALYZE product")  # knowing how small it is, PostgreSQL does read it so
        return low, high

    async def is_free(self, product_id: int) -> bool:
        """Whether nobody has locked the product."""
        sql = "SELECT FROM product WHERE id = $1::bigint FOR UPDATE NOWAIT"
        return await self.outcome(self.execute(sql, product_id)) == "done"

    async def outcome(self, work: Awaitable[Any]) -> str:
        """The code that work is refused with, or "done"."""
        try:
            await work
        except DomainError as error:
            return error.code
        return "done"

    async def blocked(self, task: asyncio.Future[Any]) -> None:
        """Return when the task waits for a lock in PostgreSQL; fail when it ends instead."""
        for _ in range(400):
            assert not task.done(), "it should have waited"
            if await self.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                return
            await asyncio.sleep(0.005)
        pytest.fail("it never waited for a lock")

    async def unbalanced(self) -> list[tuple[Any, ...]]:
        """Products whose stock is not what their ledger adds up to, or is negative."""
        async with self.database.connection() as connection:
            return await connection.fetch(
                """
                SELECT p.id, p.stock, coalesce(sum(m.delta), 0)::bigint
                  FROM product p LEFT JOIN stock_movement m ON m.product_id = p.id
                 GROUP BY p.id
                HAVING p.stock <> coalesce(sum(m.delta), 0) OR p.stock < 0
                """
            )


@pytest.fixture
async def shop(database_urls: dict[str, str]) -> AsyncIterator[Shop]:
    shop = Shop(Database(database_urls["product"], size=24))
    async with shop.database.connection() as connection:
        await connection.script(f"TRUNCATE {TABLES} RESTART IDENTITY")
        await catalogue.upsert_category(connection, "desk", "Desk & Paper")
        await catalogue.upsert_category(connection, "audio", "Audio")
    yield shop
    books = await shop.unbalanced()
    await shop.database.close()
    assert books == []
