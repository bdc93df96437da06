"""What goes wrong with PostgreSQL, as it reaches a client: 503 in time, and everything right again when it is over.

The chassis has the map of errors, with a test for each; here they happen to running services, on a server of their own.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from scripts.databases import OWNERS, migrate_all, service_url
from scripts.twin import postgres
from services.chassis import session, wire
from services.chassis.auth import Session
from services.chassis.connection import Connection
from services.chassis.database import Database
from tests.conftest import PASSWORDS
from tests.services.raw_http import Reply, request
from tests.services.whole_shop import SESSIONS, Shop, admin_token, stock_up, whole_shop
from tests.services.witness import Witness, ask, call_a_witness

OF_PRODUCT = "SELECT pid FROM pg_stat_activity WHERE usename = 'product_svc'"


@dataclass(slots=True)
class OwnServer:
    """A PostgreSQL that may be stopped: started again, it has its old address."""

    root: Path
    server: postgres.Server

    @property
    def urls(self) -> dict[str, str]:
        services = {name: service_url(self.server.url, name, PASSWORDS) for name in OWNERS}
        return {**services, "admin": self.server.url}

    def stop(self) -> None:
        self.server.stop()

    def start(self) -> None:
        port = int(self.server.address.rpartition(":")[2])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(postgres, "free_port", lambda: port)
            self.server = postgres.local(self.root, durable=False)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A shop whose database is about to get into trouble, and a witness of how it should be."""

    shop: Shop
    witness: Witness
    product: int
    customer: Session
    database: OwnServer

    async def take_one(self, key: str) -> Reply:
        """A write that takes an exclusive connection and a row lock; the key makes a repetition harmless."""
        headers = (
            f"Authorization: Bearer {admin_token()}",
            f"Idempotency-Key: {key}",
            "Content-Type: application/json",
        )
        target, body = f"/products/{self.product}/stock", b'{"delta":-1,"reason":"broken"}'
        return await ask(self.shop.product, request("POST", target, *headers, body=body))

    async def look(self) -> Reply:
        return await ask(self.shop.product, request("GET", f"/products/{self.product}"))

    async def order(self, key: str) -> Reply:
        headers = (
            f"Authorization: Bearer {self.customer.token}",
            f"Idempotency-Key: {key}",
            "Content-Type: application/json",
        )
        body = b'{"lines":[{"product_id":%d,"qty":1}]}' % self.product
        return await ask(self.shop.order, request("POST", "/orders", *headers, body=body))

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[Connection]:
        """Inside, what is asked is one transaction."""
        database = Database(self.database.server.url, size=1)
        try:
            async with database.transaction() as connection:
                yield connection
        finally:
            await database.close()

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Somebody holds the product's row."""
        async with self.admin() as connection:
            await connection.fetch("SELECT FROM catalog.product WHERE id = $1::bigint FOR UPDATE", self.product)
            yield

    async def command(self, *statements: str) -> None:
        async with self.admin() as connection:
            for statement in statements:
                await connection.script(statement)

    async def backends(self) -> set[int]:
        async with self.admin() as connection:
            return {pid for (pid,) in await connection.fetch(OF_PRODUCT)}

    async def hang_up(self) -> None:
        """The service's connections end, and it has had the time to see it."""
        ended = await self.backends()
        await self.command("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'product_svc'")
        async with asyncio.timeout(5):
            while ended & await self.backends():  # noqa: ASYNC110 - PostgreSQL tells nobody
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.1)

    async def recovers(self, within: float = 8.0) -> None:
        """Longer than the five seconds for which a breaker stays open."""
        async with asyncio.timeout(within):
            while not await self.witness.finds_everything_right():  # noqa: ASYNC110 - a server comes back by itself
                await asyncio.sleep(0.2)


def unavailable(reply: Reply) -> None:
    assert (reply.status, reply.code) == (503, "unavailable"), reply.body
    assert reply.headers["retry-after"] == "1"


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnServer]:
    root = tmp_path_factory.mktemp("outages")
    own = OwnServer(root, postgres.local(root, durable=False))
    asyncio.run(migrate_all(own.server.url, PASSWORDS))
    yield own
    own.stop()


@pytest.fixture
async def trouble(own_server: OwnServer) -> AsyncIterator[Trouble]:
    async with whole_shop(own_server.urls, background=False) as shop:
        (product,) = await stock_up(shop, 1)
        customer = SESSIONS.issue()
        witness = await call_a_witness(shop, customer)
        yield Trouble(shop, witness, product, customer, own_server)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Shorter limits, for connections that are opened from now on."""
    monkeypatch.setitem(session.SERVER_LIMITS, "statement_timeout", "400")
    monkeypatch.setitem(session.SERVER_LIMITS, "lock_timeout", "200")
    return monkeypatch


async def test_a_statement_over_its_time_is_503_and_the_next_is_right(
    hurried: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    hurried.setitem(session.SERVER_LIMITS, "lock_timeout", "0")
    await trouble.hang_up()
    async with trouble.locked():
        started = time.monotonic()
        unavailable(await trouble.take_one("slow"))
        assert 0.3 < time.monotonic() - started < 1.5
        assert await trouble.witness.finds_everything_right()
    reply = await trouble.take_one("slow")
    assert (reply.status, "idempotent-replayed" in reply.headers) == (200, False)


async def test_a_lock_that_stays_is_503_after_three_tries(hurried: pytest.MonkeyPatch, trouble: Trouble) -> None:  # noqa: ARG001 - for its effect
    await trouble.hang_up()
    async with trouble.locked():
        started = time.monotonic()
        unavailable(await trouble.take_one("locked"))
        assert 0.55 < time.monotonic() - started < 2.0
    assert (await trouble.take_one("locked")).status == 200
    assert await trouble.witness.finds_everything_right()


async def test_a_lock_that_goes_is_waited_for(hurried: pytest.MonkeyPatch, trouble: Trouble) -> None:  # noqa: ARG001 - for its effect
    await trouble.hang_up()
    async with trouble.locked():
        waiting = asyncio.create_task(trouble.take_one("patient"))
        await asyncio.sleep(0.3)  # the first try is over
    assert (await waiting).status == 200


async def test_a_backend_that_dies_at_work_is_503_and_one_that_dies_idle_is_not_noticed(trouble: Trouble) -> None:
    async with trouble.locked():
        waiting = asyncio.create_task(trouble.take_one("dying"))
        await asyncio.sleep(0.3)
        await trouble.hang_up()
        unavailable(await waiting)
    assert (await trouble.take_one("dying")).status == 200
    assert await trouble.witness.finds_everything_right()
    await trouble.hang_up()
    assert await trouble.witness.finds_everything_right()


SPOILT = {
    "53300 too many connections": ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1"),
    "28P01 a wrong password": ("PASSWORD 'other'", f"PASSWORD '{PASSWORDS['product']}'"),
    "25006 a server that only reads": ("SET default_transaction_read_only = on", "RESET default_transaction_read_only"),
}


@pytest.mark.parametrize("name", SPOILT)
async def test_a_server_that_refuses_is_503_until_it_does_not(trouble: Trouble, name: str) -> None:
    spoil, heal = (f"ALTER ROLE product_svc {change}" for change in SPOILT[name])
    only_reads = name.startswith("25006")
    await trouble.command(spoil)
    try:
        await trouble.hang_up()
        # Where it can be read from, the pool is filled with connections that have not been refused anything yet.
        pings = (ask(trouble.shop.product, request("GET", "/readyz")) for _ in range(6))
        assert {reply.status for reply in await asyncio.gather(*pings)} == {200 if only_reads else 503}
        started = time.monotonic()
        unavailable(await trouble.take_one("first"))
        assert time.monotonic() - started < 1.5
        assert (await trouble.look()).status == (200 if only_reads else 503)
    finally:
        await trouble.command(heal)
    writes = (trouble.take_one(f"after-{number}") for number in range(6))
    assert {reply.status for reply in await asyncio.gather(*writes)} == {200}
    await trouble.recovers()


async def test_a_server_that_falls_silent_is_503_and_its_late_answers_are_nobodys(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "ANSWER_TIMEOUT", 0.5)
    backends = await trouble.backends()
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        replies = await asyncio.gather(trouble.take_one("silent"), *(trouble.look() for _ in range(4)))
        assert 0.4 < time.monotonic() - started < 2.0
    finally:
        for pid in backends:
            os.kill(pid, signal.SIGCONT)
    for reply in replies:
        unavailable(reply)
    await trouble.recovers()
    assert (await trouble.take_one("silent")).status == 200


async def test_a_stopped_database_is_503_everywhere_and_forgotten_when_it_is_back(trouble: Trouble) -> None:
    key = uuid4().hex
    await asyncio.to_thread(trouble.database.stop)
    try:
        await _is_down(trouble, key)
    finally:
        trouble.database.start()  # in this thread: the server's life is tied to it
    await trouble.recovers()
    order = await trouble.order(key)
    assert (order.status, "idempotent-replayed" in order.headers) == (201, False)
    assert (await trouble.take_one(key)).status == 200


async def _is_down(trouble: Trouble, key: str) -> None:
    customer = f"Authorization: Bearer {trouble.customer.token}"
    shop = trouble.shop
    started = time.monotonic()
    for reply in await asyncio.gather(
        trouble.look(),
        trouble.take_one(key),
        trouble.order(key),
        ask(shop.order, request("GET", "/orders", customer)),
        ask(shop.frontend, request("GET", f"/api/products/{trouble.product}")),
        ask(shop.frontend, request("GET", "/api/orders", customer)),
    ):
        unavailable(reply)
    assert time.monotonic() - started < 1.5
    seen = await ask(shop.frontend, request("GET", f"/api/products/{trouble.product + 1}"))
    assert (seen.status, seen.json()["stale"]) == (200, ["product", "related"])  # copies of what the witness has seen
    for door in (shop.product, shop.order):
        assert (await ask(door, request("GET", "/healthz"))).status == 200
        assert (await ask(door, request("GET", "/readyz"))).status == 503
    for door in shop.doors.values():
        assert (await ask(door, request("GET", "/healthz"))).status == 200
