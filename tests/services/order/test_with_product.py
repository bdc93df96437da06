"""The order service and the real product service, over HTTP and on one PostgreSQL, each through its own role."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import pytest

from scripts.invariants import breaches
from services.chassis.auth import Session, Sessions, Signer, new_admin_key
from services.chassis.database import Database
from services.chassis.settings import Settings
from services.chassis.upstream import Upstream
from services.order import main as order_main
from services.order.catalog import HttpCatalog
from services.order.service import place_order, reconcile_once
from services.product import main as product_main
from tests.services.conftest import Serve
from tests.services.order.fakes import POINTS, Killed, WatchedCatalog, WatchedDatabase, failing, intent
from tests.services.order.invariants import end_leases

KEYS = {"k1": bytes(32)}
SESSIONS = Sessions({"s1": bytes(32)})
STAFF, STAFF_KEY = new_admin_key("staff", ["orders:write", "ops:read"])
PRODUCT = Settings(service="product", session_keys={"s1": bytes(32)}, service_keys=KEYS, background=False)
ORDER = Settings(
    service="order", session_keys={"s1": bytes(32)}, service_keys=KEYS, admin_keys=(STAFF_KEY,), background=False
)


@dataclass
class Shop:
    http: aiohttp.ClientSession
    product_url: str
    orders: Database
    products: Database
    admin: Database
    upstream: Upstream

    @property
    def catalog(self) -> HttpCatalog:
        return HttpCatalog(self.upstream)

    async def stocked(self, stock: int, price: int = 250) -> int:
        """A product with that much on its shelf; its id."""
        async with self.admin.connection() as connection:
            product_id: int = await connection.fetch_value(
                "INSERT INTO catalog.product (sku, name, category, price_cents, stock)"
                " VALUES ($1, 'Lamp', 'lamps', $2, $3) RETURNING id",
                uuid4().hex[:20].upper(),
                price,
                stock,
            )
            await connection.execute(
                "INSERT INTO catalog.stock_movement (product_id, delta, reason, ref) VALUES ($1, $2, 'initial', $3)",
                product_id,
                stock,
                uuid4(),
            )
        return product_id

    async def stock(self, product_id: int) -> int:
        async with self.admin.connection() as connection:
            stock: int = await connection.fetch_value("SELECT stock FROM catalog.product WHERE id = $1", product_id)
        return stock

    async def buy(self, *lines: tuple[int, int], session: Session | None = None, key: str = "") -> tuple[int, str, str]:
        """Status, code of the refusal if any, and id."""
        body = {"lines": [{"product_id": id_, "qty": qty} for id_, qty in lines]}
        headers = {
            "Authorization": f"Bearer {(session or SESSIONS.issue()).token}",
            "Idempotency-Key": key or uuid4().hex,
        }
        async with self.http.post("/orders", json=body, headers=headers) as answer:
            document = await answer.json(content_type=None)
        identifier = document.get("id") or document.get("order_id", "")
        return answer.status, document.get("type", "").removeprefix("/problems/"), identifier

    async def post(self, path: str) -> tuple[int, str]:
        async with self.http.post(path, headers={"Authorization": f"Bearer {STAFF}"}) as answer:
            return answer.status, (await answer.json(content_type=None))["status"]


@pytest.fixture
async def shop(serve: Serve, database_urls: dict[str, str], database: Database, admin: Database) -> AsyncIterator[Shop]:
    products = Database(database_urls["product"])
    async with serve(product_main.create(PRODUCT, database=products)) as product_url:
        upstream = Upstream(product_url, audience="product", signer=Signer(KEYS))
        app = order_main.create(ORDER, database=database, catalog=HttpCatalog(upstream))
        async with serve(app) as url, aiohttp.ClientSession(url) as http:
            yield Shop(http, product_url, database, products, admin, upstream)
        await upstream.close()
    await products.close()


@pytest.fixture
async def admin(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    """The administrator, with a database that has a category and neither orders nor products."""
    database = Database(database_urls["admin"], size=1)
    async with database.connection() as connection:
        await connection.script("TRUNCATE ordering.orders, catalog.product, catalog.reservation CASCADE")
        await connection.execute(
            "INSERT INTO catalog.category (slug, name) VALUES ('lamps', 'Lamps') ON CONFLICT DO NOTHING"
        )
    yield database
    await database.close()


async def test_an_order_is_placed_cancelled_and_refunded(shop: Shop) -> None:
    lamp, chair = await shop.stocked(10), await shop.stocked(5)
    session = SESSIONS.issue()
    first = await shop.buy((chair, 2), (lamp, 3), session=session, key="a")
    assert first[:2] == (201, "")
    assert await shop.buy((lamp, 3), (chair, 2), session=session, key="a") == first
    assert (await shop.stock(lamp), await shop.stock(chair)) == (7, 3)
    assert await shop.buy((lamp, 8)) == (409, "insufficient-stock", (await _last_order(shop)))
    assert (await shop.buy((lamp + chair + 1000, 1)))[:2] == (422, "unknown-product")
    assert await shop.post(f"/orders/{first[2]}/cancel") == (200, "cancelled")
    second = await shop.buy((lamp, 10))
    assert await shop.post(f"/orders/{second[2]}/ship") == (200, "shipped")
    assert await shop.post(f"/orders/{second[2]}/refund") == (200, "refunded")
    assert await shop.post(f"/orders/{second[2]}/refund") == (200, "refunded")
    assert (await shop.stock(lamp), await shop.stock(chair)) == (10, 5)
    assert await breaches(shop.admin) == []


async def _last_order(shop: Shop) -> str:
    async with shop.admin.connection() as connection:
        return str(await connection.fetch_value("SELECT id FROM ordering.orders ORDER BY created_at DESC LIMIT 1"))


async def test_an_order_costs_at_most_six_round_trips_and_two_calls(shop: Shop) -> None:
    lamp = await shop.stocked(10)
    await shop.buy((lamp, 1))
    before = shop.orders.round_trips, shop.products.round_trips
    assert (await shop.buy((lamp, 1)))[0] == 201
    assert shop.orders.round_trips - before[0] == 2
    assert shop.products.round_trips - before[1] <= 4


async def test_buyers_that_race_for_the_last_units_get_exactly_those(shop: Shop) -> None:
    lamp, chair = await shop.stocked(20), await shop.stocked(1000)
    answers = await asyncio.gather(
        *(decided(shop, *([(lamp, 1), (chair, 1)] if n % 2 else [(chair, 1), (lamp, 1)])) for n in range(30)),
        *(decided(shop, (lamp, 1)) for _ in range(2)),
    )
    assert sorted(set(answers)) == [(201, ""), (409, "insufficient-stock")]
    assert answers.count((201, "")) == 20
    assert await shop.stock(lamp) == 0
    assert await breaches(shop.admin) == []


async def decided(shop: Shop, *lines: tuple[int, int]) -> tuple[int, str]:
    """On a busy machine a buyer may be told to ask again, and does so under the same key."""
    session, key = SESSIONS.issue(), uuid4().hex
    for _ in range(50):
        status, code, _ = await shop.buy(*lines, session=session, key=key)
        if status not in {202, 503} and code != "in-progress":
            return (201, "") if status == 200 else (status, code)
        await asyncio.sleep(0.2)
    pytest.fail("nobody decided it")


PLACING = [point for point in POINTS if point.partition("-")[2] in {"T1", "S2", "S3", "T4"}]


async def test_a_crash_at_any_point_heals_and_breaks_no_invariant(
    shop: Shop, database_urls: dict[str, str], admin: Database
) -> None:
    lamp = await shop.stocked(1000)
    for age in (None, 61):
        for point in PLACING:
            reach = failing(point, Killed())
            dying = WatchedDatabase(database_urls["order"], reach, size=1)
            with pytest.raises(Killed):
                await place_order(dying, WatchedCatalog(shop.catalog, reach), intent((lamp, 2)))
            await dying.close()
        await end_leases(admin, age=age)
        # What dies before T1 leaves nothing, what dies after T4 leaves nothing to do.
        assert await reconcile_once(shop.orders, shop.catalog) == len(PLACING) - 2
        assert await breaches(shop.admin) == []
    async with shop.orders.read() as connection:
        pending = await connection.fetch_value("SELECT count(*) FROM ordering.orders WHERE status = 'pending'")
    assert pending == 0


@asynccontextmanager
async def victim(point: str, url: str, upstream_url: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A process of its own that serves orders and dies at a point."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environment = os.environ | {
        "KILL_AT": point,
        "DATABASE_URL": url,
        "UPSTREAM_URL": upstream_url,
        "PORT": str(port),
        "SESSION_KEYS": json.dumps({"s1": bytes(32).hex()}),
        "SERVICE_KEYS": json.dumps({"k1": bytes(32).hex()}),
        "BACKGROUND": "false",
    }
    program = ["-m", "services.chassis.server", "tests.services.order.victim:create", "--host", "127.0.0.1"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, env=environment, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await _listening(port)
        yield f"http://127.0.0.1:{port}", process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _listening(port: int) -> None:
    for _ in range(400):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    pytest.fail("the victim did not start")


# Two of them are reached by a cancellation, and need an order to cancel.
FAILPOINTS = [*PLACING, "before-move", "after-move", "before-return", "after-return"]


@pytest.mark.parametrize("point", FAILPOINTS)
async def test_a_process_that_is_killed_loses_no_order_and_no_stock(
    shop: Shop, database_urls: dict[str, str], admin: Database, point: str
) -> None:
    lamp = await shop.stocked(100)
    session = SESSIONS.issue()
    headers = {"Authorization": f"Bearer {session.token}", "Idempotency-Key": "k"}
    body = {"lines": [{"product_id": lamp, "qty": 7}]}
    _, _, placed = await shop.buy((lamp, 5), session=session)
    async with (
        victim(point, database_urls["order"], shop.product_url) as (url, process),
        aiohttp.ClientSession(url) as http,
    ):
        path = "/orders" if point in PLACING else f"/orders/{placed}/cancel"
        with pytest.raises(aiohttp.ClientError):
            await http.post(path, json=body, headers=headers)
        assert await process.wait() == -signal.SIGKILL
    await end_leases(admin)
    await reconcile_once(shop.orders, shop.catalog)
    assert await breaches(admin) == []
    # The client asks again with the key that it had, and gets one order, whoever made it.
    again = [await shop.buy((lamp, 7), session=session, key="k") for _ in range(2)]
    assert again[0] == again[1]
    assert again[0][0] == 201
    cancelled = point in FAILPOINTS[len(PLACING) + 1 :]
    assert await shop.stock(lamp) == (93 if cancelled else 88)
    assert await breaches(admin) == []
