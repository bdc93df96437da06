"""The database as a service sees it: reads, exclusive connections and transactions over a bounded pool of wires.

A connection goes back to the pool only after a clean outcome; after anything else its socket is closed.
"""

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, ParamSpec, TypeVar

from services.chassis.connection import CANCELLED, READ_ONLY, Connection, Statement, WireConnection, translated
from services.chassis.errors import Contention, OutcomeUnknown, Unavailable
from services.chassis.metrics import POOL_IN_USE, POOL_WAIT, Observe, unheard
from services.chassis.session import ConnectionLost, ServerError
from services.chassis.tracing import span
from services.chassis.wire import Traffic, Wire

P = ParamSpec("P")
T = TypeVar("T")

CHECKOUT_TIMEOUT = 1.0  # seconds to wait for a free connection before saying 503
WORTH_A_SPAN = 0.001  # seconds of that waiting
PROBE_AFTER = 5.0  # seconds idle after which a connection is asked whether it lives before it gets work
MAX_AGE = 1800.0  # seconds; a reconnect now and then finds the new primary after a failover
ATTEMPTS = 3  # of work that was rolled back because of another transaction

_SPOILING = {READ_ONLY, "0A000", "26000", "25P02"}
_SPOILING_CLASSES = {"08", "53", "57", "58", "XX"}


class Database:
    """A bounded pool that opens nothing until it is used and belongs to one event loop.

    `size` connections in all. From four on, a quarter of them is shared: independent reads travel on them
    pipelined, and a slow one delays its neighbours, so nothing that waits for a row lock goes there.
    """

    def __init__(self, url: str, *, size: int = 8, observe: Observe = unheard) -> None:
        self._url = url
        self._observe = observe
        self._lent = 0
        self._traffic = Traffic()
        self._shared: list[Wire | None] = [None] * (size // 4)
        self._idle: list[Wire] = []
        self._free = asyncio.Semaphore(size - len(self._shared))
        self._opening = asyncio.Lock()
        self._closed = False

    @property
    def round_trips(self) -> int:
        """Packets sent that wait for an answer, since the beginning."""
        return self._traffic.round_trips

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """A shared connection for reads that stand alone."""
        if not self._shared:
            async with self.connection() as connection:
                yield connection
            return
        wire = await self._shared_wire()
        try:
            yield WireConnection(wire)
        finally:
            if _spoilt(wire):
                wire.close("it refused in a way that may repeat")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection of one's own, each statement its own transaction."""
        async with self._checkout() as wire:
            yield WireConnection(wire)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection of one's own inside BEGIN … COMMIT; any exception rolls back.

        BEGIN travels with the first statement. A COMMIT without an answer raises OutcomeUnknown.
        """
        async with self._checkout() as wire:
            with translated:
                wire.script("BEGIN")
            try:
                yield WireConnection(wire)
            except Exception:
                await _roll_back(wire)
                raise
            await _commit(wire)

    async def ping(self) -> None:
        """Raise Unavailable unless PostgreSQL answers."""
        async with self.connection() as connection:
            await connection.fetch_value("SELECT 1")

    async def answers(self) -> bool:
        """Whether PostgreSQL answers, for a readiness check."""
        try:
            await self.ping()
        except Unavailable:
            return False
        return True

    async def close(self) -> None:
        """Close every connection; a later use raises Unavailable."""
        self._closed = True
        for wire in [*self._idle, *(wire for wire in self._shared if wire)]:
            wire.close()
        self._idle.clear()

    @asynccontextmanager
    async def _checkout(self) -> AsyncIterator[Wire]:
        await self._place()
        self._lent += 1
        self._observe(POOL_IN_USE, self._lent)
        wire: Wire | None = None
        try:
            wire = await self._live_wire()
            yield wire
        finally:
            self._lent -= 1
            self._free.release()
            if wire is not None:
                self._give_back(wire)

    async def _place(self) -> None:
        """Wait until another connection may be used."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(CHECKOUT_TIMEOUT):
                await self._free.acquire()
        except TimeoutError:
            with span("pool", ago=loop.time() - began):
                raise Unavailable("Every database connection is busy") from None
        finally:
            waited = loop.time() - began
            self._observe(POOL_WAIT, round(waited * 1000, 3))
        if waited > WORTH_A_SPAN:
            with span("pool", ago=waited):
                pass

    def _give_back(self, wire: Wire) -> None:
        if wire.idle and not self._closed and not _spoilt(wire):
            self._idle.append(wire)
            return
        wire.close()
        if wire.refused == READ_ONLY:  # and so it is for every other connection
            self._drop_all()

    async def _live_wire(self) -> Wire:
        while self._idle:
            wire = self._idle.pop()
            if await _lives(wire):
                wire.refused = ""
                return wire
            wire.close()
        return await self._open()

    async def _shared_wire(self) -> Wire:
        position = min(range(len(self._shared)), key=self._load)
        wire = self._shared[position]
        if wire is None or wire.closed:
            async with self._opening:  # one of many waiting readers opens it for all
                wire = self._shared[position]
                if wire is None or wire.closed:
                    wire = self._shared[position] = await self._open()
        return wire

    def _load(self, position: int) -> int:
        wire = self._shared[position]
        return 0 if wire is None else wire.load

    def _drop_all(self) -> None:
        for wire in [*self._idle, *(wire for wire in self._shared if wire)]:
            wire.close("the server changed its role")
        self._idle.clear()

    async def _open(self) -> Wire:
        if self._closed:
            raise Unavailable("The database is closed")
        with translated, Statement("connect"):
            return await Wire.connect(self._url, self._traffic)


def _spoilt(wire: Wire) -> bool:
    if wire.refused == CANCELLED:
        return False
    return wire.refused in _SPOILING or wire.refused[:2] in _SPOILING_CLASSES


async def _lives(wire: Wire) -> bool:
    now = asyncio.get_running_loop().time()
    if wire.closed or now - wire.opened_at > MAX_AGE:
        return False
    if now - wire.used_at < PROBE_AFTER:
        return True
    try:
        await wire.script("SELECT 1")
    except (ConnectionLost, ServerError):
        return False
    return True


async def _roll_back(wire: Wire) -> None:
    with suppress(ConnectionLost, ServerError), Statement("ROLLBACK"):
        await wire.script("ROLLBACK")


async def _commit(wire: Wire) -> None:
    try:
        with translated, Statement("COMMIT"):
            await wire.script("COMMIT")
    except Unavailable as error:
        if isinstance(error.__cause__, ConnectionLost):
            raise OutcomeUnknown("The answer to COMMIT was lost") from error
        raise


def retried(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Run a use case again, at most twice, when another transaction was in its way: nothing of it has happened."""

    @functools.wraps(work)
    async def attempt(*args: P.args, **kwargs: P.kwargs) -> T:
        for number in range(1, ATTEMPTS):
            try:
                return await work(*args, **kwargs)
            except Contention:
                await asyncio.sleep(random.uniform(0, 0.02 * number))
        return await work(*args, **kwargs)

    return attempt
