"""The whole way of an alarm, by the real programs: container dead, alarm, operations app, rule, functions, and back."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from scripts.builds.functions import Bundle
from scripts.twin.alarms.database import VARIABLE
from scripts.twin.postgres import Server, local
from services.chassis.database import Database
from tests.conftest import administer
from tests.runtime.operations import Operations, all_healthy, operating, status, until
from tests.runtime.tandem import Tandem, asked

pytestmark = pytest.mark.slow
SHARE = 2.0  # seconds that the controller may take to look after all services


@pytest.fixture
async def operations(shop: Tandem, bundle: Bundle) -> AsyncIterator[Operations]:  # noqa: ARG001 - it has to be there
    """Begins when all is well, with a function that has been asked lately, as its schedule sees to on AWS."""
    await shop.running("product", "order", "frontend")
    await until(lambda: all_healthy(shop))
    assert (await shop.work("product")).status == 200
    async with operating(shop) as running:
        yield running


@dataclass(slots=True)
class Customers:
    """Who answered, and with what, in order; `first` is when Lambda answered first (monotonic)."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    first: float = 0.0

    async def come(self, shop: Tandem, target: str) -> None:
        while True:
            reply = await shop.ask("GET", target)
            self.answers[reply.runtime, reply.status] += 1
            if reply.runtime == "lambda" and not self.first:
                self.first = time.monotonic()
            await asyncio.sleep(0.05)


@asynccontextmanager
async def load(shop: Tandem, target: str = "/products?limit=1") -> AsyncIterator[Customers]:
    customers = Customers()
    task = asyncio.create_task(customers.come(shop, target))
    try:
        yield customers
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def product_rules(shop: Tandem) -> list[dict[str, Any]]:
    return [rule for rule in (await status(shop))["rules"] if rule["service"] == "product"]


async def answered_by(shop: Tandem, runtime: str) -> bool:
    """By every rule of the product service."""
    shares = [share for rule in await product_rules(shop) for share in rule["action"]["forward"]]
    return bool(shares) and all((share["runtime"] == runtime) == (share["weight"] == 100) for share in shares)


async def test_a_dead_container_is_replaced_by_functions_and_comes_back(shop: Tandem, operations: Operations) -> None:
    await until(operations.all_well)
    assert await answered_by(shop, "fargate")

    async with load(shop) as customers:
        await asyncio.sleep(0.5)
        killed = time.monotonic()
        shop.tasks["product"].stop()  # SIGKILL, and nobody starts it again
        await until(lambda: answered_by(shop, "lambda"))
        await until(lambda: is_true(customers.first))
    (rule,) = await product_rules(shop)
    assert rule["tags"]["tandem:failover"] == "lambda"
    assert "no-healthy-host" in rule["tags"]["tandem:failover-reason"]
    runs = (await operations.status())["runs"]
    moved = next(run for run in runs if '"moved": ["arn' in run["answer"])
    looks = [run["seconds"] for run in runs if run["function"].endswith("-reconcile") and not run["failed"]]
    print(
        f"\nfrom kill to the first answer by Lambda: {customers.first - killed:.2f} s; the run that moved it"
        f" took {moved['seconds']:.2f} s ({moved['why']}), one without a move {median(looks):.2f} s"
    )
    assert median(looks) <= SHARE  # of many, so that a busy machine does not decide
    assert any("product" in post and "no-healthy-host" in post for post in await operations.posts())

    shop.tasks["product"].start()
    await until(lambda: answered_by(shop, "fargate"))
    (rule,) = await product_rules(shop)
    assert rule["tags"]["tandem:failover"] == "fargate"
    assert (await shop.ask("GET", "/products?limit=1")).status == 200


async def is_true(value: Any) -> bool:
    return bool(value)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[tuple[Server, Database]]:
    """One of our own, that may be ended, and somebody who is connected."""
    server = await asyncio.to_thread(local, tmp_path, durable=False)
    somebody = Database(server.url, size=1)
    try:
        async with somebody.connection() as connection:
            assert await connection.fetch_value("SELECT 1") == 1
        yield server, somebody
    finally:
        await somebody.close()
        server.stop()


async def test_a_dead_container_a_full_function_and_a_lost_database_are_told(
    shop: Tandem,
    bundle: Bundle,  # noqa: ARG001 - it has to be there
    database: tuple[Server, Database],
) -> None:
    server, _ = database
    await shop.running("product", "order", "frontend")
    await until(lambda: all_healthy(shop))
    async with operating(shop, {VARIABLE: server.url}) as operations:
        await until(operations.all_well)
        async with load(shop, "/"):
            await asyncio.gather(lost(operations, server), full(operations, shop), dead(operations, shop))


async def lost(operations: Operations, server: Server) -> None:
    await asyncio.to_thread(server.stop)
    await until(partial(operations.heard, "database-gone"))


async def full(operations: Operations, shop: Tandem) -> None:
    """More events at once than the order function has sandboxes reserved."""
    replies = await asyncio.gather(*(shop.work("order") for _ in range(12)))
    assert [reply.status for reply in replies].count(429) > 2
    await until(partial(operations.heard, "order-function-throttles"))


async def dead(operations: Operations, shop: Tandem) -> None:
    """The load balancer answers by itself until the service has moved: an error at the edge, and of the budget."""
    shop.tasks["frontend"].stop()
    for alarm in ("frontend-no-healthy-host", "edge-httpcode-elb-5xx-count", "shop-burn-fast"):
        await until(partial(operations.heard, alarm))


STRICTER = (
    "ALTER TABLE catalog.product DROP CONSTRAINT product_stock_check,"
    " ADD CONSTRAINT product_stock_check CHECK (stock >= {}) NOT VALID"
)
MOVED = "ALTER TABLE catalog.{} RENAME TO {}"


async def test_an_oversale_and_background_work_that_fails_are_told(
    shop: Tandem,
    operations: Operations,
    database_urls: dict[str, str],
) -> None:
    """By functions, whose metrics leave with the event. The constraint is made to want more than the statement does."""
    await until(operations.all_well)
    await shop.weigh(0, 100, ("product",))
    product = await shop.product(stock=5)
    administer(database_urls["admin"], STRICTER.format(5))
    try:
        less = {"delta": -1, "reason": "a test"}
        target, headers = f"{shop.url}/products/{product}/stock", {"Idempotency-Key": "less"}
        headers["Authorization"] = f"Bearer {shop.keys.admin}"
        assert (await asked("POST", target, headers, less)).status == 409
        await until(partial(operations.heard, "product-oversell-guard"))
    finally:
        administer(database_urls["admin"], STRICTER.format(0))
    administer(database_urls["admin"], MOVED.format("reservation", "away"))
    try:
        await until(partial(broken_again, shop, operations))
    finally:
        administer(database_urls["admin"], MOVED.format("away", "reservation"))
        await shop.weigh(100, 0, ("product",))


async def broken_again(shop: Tandem, operations: Operations) -> bool:
    """One more round of background work that fails, until somebody hears of it."""
    await shop.work("product")
    return await operations.heard("product-background")
