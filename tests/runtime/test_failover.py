"""The whole way of an alarm, by the real programs: container dead, alarm, operations app, rule, functions, and back."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import pytest

from scripts.builds.functions import Bundle
from scripts.places import ROOT
from scripts.twin.postgres import free_port
from scripts.twin.processes import Program
from scripts.twin.programs import inherited, python
from tests.chaos.processes import Process
from tests.runtime.tandem import Tandem, asked
from tests.scripts.needs import operations_bundle

pytestmark = pytest.mark.slow
HURRY = 60.0  # a minute lasts a second
PATIENCE = 30.0  # seconds for what takes a few
SHARE = 2.0  # seconds that the controller may take to look after all services


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """Built here, so that the program does not have to while somebody waits for it."""
    return operations_bundle()


@pytest.fixture
async def operations(shop: Tandem, bundle: Bundle) -> AsyncIterator["Operations"]:  # noqa: ARG001 - it has to be there
    """Begins when all is well, with a function that has been asked lately, as its schedule sees to on AWS."""
    await shop.running("product", "order", "frontend")
    await until(lambda: all_healthy(shop))
    assert (await shop.work("product")).status == 200
    port = free_port()
    control, functions = f"http://127.0.0.1:{shop.ports.control}", shop.ports.lambda_url
    command = python(
        "scripts.twin.alarms", f"--port={port}", f"--control={control}", f"--functions={functions}", f"--hurry={HURRY}"
    )
    program = Program(name="alarms", command=command, environment=inherited(), folder=ROOT, port=port)
    process = Process(program, shop.folder / "alarms.log")
    process.start()
    try:
        await process.ready()
        yield Operations(f"http://127.0.0.1:{port}")
    finally:
        process.stop()


@dataclass(frozen=True, slots=True)
class Operations:
    url: str

    async def status(self) -> Any:
        return (await asked("GET", f"{self.url}/status", {})).json()

    async def posts(self) -> list[str]:
        return [json.dumps(post["body"]) for post in (await asked("GET", f"{self.url}/slack", {})).json()]

    async def all_well(self) -> bool:
        """Whatever the twin can know is OK."""
        known = [one["state"] for one in (await self.status())["alarms"].values() if one["known"]]
        return bool(known) and set(known) == {"OK"}


@dataclass(slots=True)
class Customers:
    """Who answered, and with what, in order; `first` is when Lambda answered first (monotonic)."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    first: float = 0.0

    async def come(self, shop: Tandem) -> None:
        while True:
            reply = await shop.ask("GET", "/products?limit=1")
            self.answers[reply.runtime, reply.status] += 1
            if reply.runtime == "lambda" and not self.first:
                self.first = time.monotonic()
            await asyncio.sleep(0.05)


@asynccontextmanager
async def load(shop: Tandem) -> AsyncIterator[Customers]:
    customers = Customers()
    task = asyncio.create_task(customers.come(shop))
    try:
        yield customers
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(what: Any, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < deadline, f"{what} did not come true"
        await asyncio.sleep(0.1)


async def status(shop: Tandem) -> Any:
    return (await asked("GET", shop.ports.status_url, {"Accept": "application/json"})).json()


async def all_healthy(shop: Tandem) -> bool:
    groups = [group for group in (await status(shop))["groups"] if group["runtime"] == "fargate"]
    return all(target["state"] == "healthy" for group in groups for target in group["targets"])


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
