"""Substitutes for the order service's collaborators, and the points at which a test can stop or break it.

The points are reached in substitutes alone: `WatchedCatalog` and `WatchedDatabase` go into `main.create` (or any use
case) by keyword, and production code knows nothing of them.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from services.chassis.connection import Connection
from services.chassis.database import Database
from services.chassis.session import Parameter
from services.order.catalog import Catalog, NoDecision
from services.order.model import Decision, Intent, Line, PricedLine, Refusal, Reservation
from services.order.store import changes

T = TypeVar("T")
Reach = Callable[[str], Awaitable[None]]

# Where an order can be when a process dies. "before" means that nothing was sent, "after" that the answer was lost.
POINTS = tuple(
    f"{side}-{step}"
    for step in ("T1", "S2", "S3", "T4", "release", "return", "move", "take")
    for side in ("before", "after")
)
_STEPS = {
    changes.INSERT_ORDER: "T1",
    changes.CONFIRM_ORDER: "T4",
    changes.REJECT_ORDER: "T4",
    changes.MOVE_ORDER: "move",
    changes.TAKE_UNFINISHED: "take",
}


class Killed(BaseException):
    """The process is gone: nothing that catches exceptions may see it."""


@dataclass
class _Stored:
    state: str
    reason: str = ""
    lines: tuple[PricedLine, ...] = ()


@dataclass
class FakeCatalog:
    """The product service in memory: one decision per id, tombstones, stock that can be counted afterwards."""

    stock: dict[int, int] = field(default_factory=dict)
    prices: dict[int, int] = field(default_factory=dict)
    reservations: dict[UUID, _Stored] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    open: bool = False

    async def reserve(self, order_id: UUID, lines: Sequence[Line]) -> Decision:
        self.calls.append("reserve")
        assert list(lines) == sorted(lines), "stock is locked in ascending order"
        if order_id not in self.reservations:
            self.reservations[order_id] = self._reserved(tuple(lines))
        return self._decision(order_id)

    async def confirm(self, order_id: UUID, lines: Sequence[Line]) -> Decision:
        self.calls.append("confirm")
        if order_id not in self.reservations:
            raise NoDecision
        held = self.reservations[order_id].lines
        assert not held or [(line.product_id, line.qty) for line in held] == list(lines)
        if self.reservations[order_id].state == "held":
            self.reservations[order_id].state = "committed"
        return self._decision(order_id)

    async def release(self, order_id: UUID, reason: str) -> str:
        self.calls.append("release")
        stored = self.reservations.setdefault(order_id, _Stored("released", reason))
        if stored.state == "held":
            self._end(stored, "released", reason)
        return stored.state

    async def give_back(self, order_id: UUID, reason: str) -> None:
        self.calls.append("return")
        stored = self.reservations.get(order_id)
        if stored is None or stored.state not in {"committed", "returned"}:
            raise NoDecision
        if stored.state == "committed":
            self._end(stored, "returned", reason)

    def expire(self, order_id: UUID) -> None:
        """What the sweeper does to a held reservation."""
        self._end(self.reservations[order_id], "released", "reservation-expired")

    def state(self, order_id: UUID) -> str:
        return self.reservations[order_id].state if order_id in self.reservations else "absent"

    def _reserved(self, lines: tuple[Line, ...]) -> _Stored:
        if any(line.product_id not in self.stock for line in lines):
            return _Stored("released", "unknown-product")
        if any(self.stock[line.product_id] < line.qty for line in lines):
            return _Stored("released", "insufficient-stock")
        for line in lines:
            self.stock[line.product_id] -= line.qty
        return _Stored("held", lines=tuple(self._priced(line) for line in lines))

    def _end(self, stored: _Stored, state: str, reason: str) -> None:
        stored.state, stored.reason = state, reason
        for line in stored.lines:
            self.stock[line.product_id] += line.qty

    def _decision(self, order_id: UUID) -> Decision:
        stored = self.reservations[order_id]
        if stored.state == "returned":
            raise NoDecision
        if stored.state == "released":
            return Refusal(stored.reason)
        total = sum(line.qty * line.unit_price_cents for line in stored.lines)
        return Reservation(stored.state == "committed", stored.lines, total)

    def _priced(self, line: Line) -> PricedLine:
        return PricedLine(
            product_id=line.product_id,
            qty=line.qty,
            unit_price_cents=self.prices.get(line.product_id, 250),
            sku=f"SKU-{line.product_id}",
            name=f"Product {line.product_id}",
        )


class WatchedCatalog:
    """A catalog that tells when a call is about to leave and when its answer has come."""

    def __init__(self, catalog: Catalog, reach: Reach) -> None:
        self._catalog = catalog
        self._reach = reach

    @property
    def open(self) -> bool:
        return self._catalog.open

    async def reserve(self, order_id: UUID, lines: Sequence[Line]) -> Decision:
        await self._reach("before-S2")
        decision = await self._catalog.reserve(order_id, lines)
        await self._reach("after-S2")
        return decision

    async def confirm(self, order_id: UUID, lines: Sequence[Line]) -> Decision:
        await self._reach("before-S3")
        decision = await self._catalog.confirm(order_id, lines)
        await self._reach("after-S3")
        return decision

    async def release(self, order_id: UUID, reason: str) -> str:
        await self._reach("before-release")
        state = await self._catalog.release(order_id, reason)
        await self._reach("after-release")
        return state

    async def give_back(self, order_id: UUID, reason: str) -> None:
        await self._reach("before-return")
        await self._catalog.give_back(order_id, reason)
        await self._reach("after-return")


class WatchedDatabase(Database):
    """A database that tells when a statement that changes an order is about to leave and when its answer has come."""

    def __init__(self, url: str, reach: Reach, *, size: int = 8) -> None:
        super().__init__(url, size=size)
        self._reach = reach

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with super().connection() as connection:
            yield _WatchedConnection(connection, self._reach)


class _WatchedConnection:
    """One statement after another: whoever stops before one holds those behind it, as a pipeline does."""

    def __init__(self, connection: Connection, reach: Reach) -> None:
        self._connection = connection
        self._reach = reach
        self._turn = asyncio.Lock()

    async def fetch(self, sql: str, *parameters: Parameter) -> list[tuple[Any, ...]]:
        return await self._watched(sql, self._connection.fetch, parameters)

    async def fetch_row(self, sql: str, *parameters: Parameter) -> tuple[Any, ...] | None:
        return await self._watched(sql, self._connection.fetch_row, parameters)

    async def fetch_value(self, sql: str, *parameters: Parameter) -> Any:
        return await self._watched(sql, self._connection.fetch_value, parameters)

    async def fetch_json(self, sql: str, *parameters: Parameter) -> bytes | None:
        return await self._watched(sql, self._connection.fetch_json, parameters)

    async def execute(self, sql: str, *parameters: Parameter) -> int:
        return await self._watched(sql, self._connection.execute, parameters)

    async def script(self, sql: str) -> None:
        await self._connection.script(sql)

    async def _watched(self, sql: str, call: Callable[..., Awaitable[T]], parameters: tuple[Any, ...]) -> T:
        step = _STEPS.get(sql)
        async with self._turn:
            if step is not None:
                await self._reach(f"before-{step}")
            result = await call(sql, *parameters)
        if step is not None:
            await self._reach(f"after-{step}")
        return result


async def nothing(_: str) -> None:
    """A reach that only passes."""


class Gate:
    """Stops whoever comes to a point first, until it is opened; later comers pass."""

    def __init__(self, point: str) -> None:
        assert point in POINTS
        self._point = point
        self._reached = asyncio.Event()
        self._opened = asyncio.Event()

    async def __call__(self, point: str) -> None:
        if point == self._point and not self._reached.is_set():
            self._reached.set()
            await self._opened.wait()

    async def reached(self) -> None:
        async with asyncio.timeout(5):
            await self._reached.wait()

    def open(self) -> None:
        self._opened.set()


def failing(point: str, error: BaseException) -> Reach:
    """A reach that raises at every visit of a point."""
    assert point in POINTS

    async def reach(reached: str) -> None:
        if reached == point:
            raise error

    return reach


def intent(*lines: tuple[int, int], customer: UUID | None = None, key: str = "", expected: int | None = None) -> Intent:
    """A wish for `(product, quantity)` pairs, of a new customer and under a new key unless told."""
    return Intent(
        id=uuid.uuid4(),
        customer_id=customer or uuid.uuid4(),
        key=key or uuid.uuid4().hex,
        lines=tuple(Line(*line) for line in (lines or [(1, 1)])),
        expected_total_cents=expected,
    )
