"""Two runtimes, one shop: the twin with the real load balancer, both kinds of targets, and PostgreSQL behind them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from scripts.benches import parity
from scripts.benches.buyers import compete
from scripts.benches.platform import Own
from scripts.invariants import breaches
from services.chassis.auth import Session
from services.chassis.connection import Parameter
from services.chassis.database import Database
from tests.runtime.tandem import Reply, Tandem
from tests.services.order.invariants import end_leases

pytestmark = pytest.mark.slow
STOCK, BUYERS, CONNECTIONS = 10, 200, 8


@pytest.fixture
async def admin(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    """The books of the shop, which have to be right after each test."""
    database = Database(database_urls["admin"], size=1)
    yield database
    broken = await breaches(database)
    await database.close()
    assert broken == []


async def decided(shop: Tandem, customer: Session, product_id: int) -> Reply:
    """The order of the key "one", asked for until there is a decision."""
    for _ in range(240):
        reply = await shop.order(customer, "one", product_id)
        if reply.status == 201:
            return reply
        await asyncio.sleep(0.25)
    raise AssertionError(f"undecided for a minute: {reply}")


async def value(admin: Database, sql: str, *parameters: Parameter) -> Any:
    async with admin.connection() as connection:
        return await connection.fetch_value(sql, *parameters)


async def test_with_all_weight_on_lambda_the_shop_sells_without_a_container(shop: Tandem, admin: Database) -> None:
    await shop.running()
    await shop.weigh(0, 100, ("product", "order", "frontend"))
    product_id, customer = await shop.product(STOCK), shop.sessions.issue()
    placed = await shop.order(customer, "one", product_id)
    again = await shop.order(customer, "one", product_id)
    other = await shop.order(customer, "two", product_id)
    page = await shop.ask("GET", f"/api/orders/{placed.json()['id']}", token=customer.token)
    assert [reply.runtime for reply in (placed, again, other, page)] == ["lambda"] * 4
    assert [reply.status for reply in (placed, again, other, page)] == [201, 201, 201, 200]
    assert again.body == placed.body
    assert again.headers["Idempotent-Replayed"] == "true"
    assert page.json()["order"] == placed.json()
    assert page.json()["products"][0]["stock"] == STOCK - 2
    assert await value(admin, "SELECT count(*) FROM ordering.orders") == 2


async def test_an_order_cut_off_after_its_commit_on_uvicorn_is_the_same_order_on_lambda(
    shop: Tandem, admin: Database
) -> None:
    await shop.running("product", "order")
    await shop.weigh(100, 0)
    product_id, customer = await shop.product(STOCK), shop.sessions.issue()
    async with shop.doomed("after-T4") as victim:
        cut_off = await shop.order(customer, "cut", product_id, url=victim.url)
        await victim.killed()
    assert cut_off.status == 0
    await shop.weigh(0, 100)
    on_lambda = await shop.order(customer, "cut", product_id)
    await shop.weigh(100, 0)
    on_uvicorn = await shop.order(customer, "cut", product_id)
    read = await shop.ask("GET", on_lambda.headers["Location"], token=customer.token)
    assert [reply.runtime for reply in (on_lambda, on_uvicorn, read)] == ["lambda", "local", "local"]
    assert [reply.status for reply in (on_lambda, on_uvicorn, read)] == [201, 201, 200]
    assert on_lambda.body == on_uvicorn.body == read.body
    assert on_lambda.headers["Idempotent-Replayed"] == "true"
    stored = "SELECT array_agg(id::text || ' ' || status) FROM ordering.orders WHERE customer_id = $1::uuid"
    assert await value(admin, stored, customer.customer_id) == [f"{on_lambda.json()['id']} confirmed"]
    assert await value(admin, "SELECT stock FROM catalog.product WHERE id = $1", product_id) == STOCK - 1


async def test_two_hundred_buyers_of_both_runtimes_get_the_ten_units_there_are(shop: Tandem, admin: Database) -> None:
    await shop.running("product", "order")
    await shop.weigh(50, 50)
    product_id = await shop.product(STOCK)
    before = await shop.answers()
    tokens = [shop.sessions.issue().token for _ in range(BUYERS)]
    outcome = await compete(shop.url, product_id, tokens, connections=CONNECTIONS)
    after = await shop.answers()
    assert outcome.ends == {"confirmed": STOCK, "insufficient-stock": BUYERS - STOCK}
    stored = (
        "SELECT array_agg(o.id::text) FROM ordering.orders o JOIN ordering.order_line l ON l.order_id = o.id"
        " WHERE l.product_id = $1 AND o.status = 'confirmed'"
    )
    assert set(await value(admin, stored, product_id)) == outcome.order_ids
    assert await value(admin, "SELECT stock FROM catalog.product WHERE id = $1", product_id) == 0
    for service in ("product", "order"):
        for runtime in ("fargate", "lambda"):
            answered = Counter(after[service][runtime]) - Counter(before[service].get(runtime, {}))
            assert answered["2xx"] + answered["4xx"] > BUYERS // 4, (service, runtime, answered)


async def test_on_a_schedule_lambda_frees_what_was_held_for_too_long(shop: Tandem, admin: Database) -> None:
    await shop.running()
    await shop.weigh(0, 100)
    product_id = await shop.product(STOCK)
    await shop.hold(product_id, 3)
    async with admin.connection() as connection:
        await connection.execute("UPDATE catalog.reservation SET expires_at = now() WHERE state = 'held'")
    assert await value(admin, "SELECT stock FROM catalog.product WHERE id = $1", product_id) == STOCK - 3
    done = await shop.work("product")
    assert (done.status, done.json()) == (200, {"ran": {"sweeper": "ok"}})
    assert await value(admin, "SELECT stock FROM catalog.product WHERE id = $1", product_id) == STOCK


async def test_on_a_schedule_lambda_finishes_an_order_that_nobody_drives(shop: Tandem, admin: Database) -> None:
    await shop.running()
    await shop.weigh(0, 100)
    product_id, customer = await shop.product(STOCK), shop.sessions.issue()
    async with shop.doomed("after-S2") as victim:
        await shop.order(customer, "undecided", product_id, url=victim.url)
        await victim.killed()
    status = "SELECT status FROM ordering.orders WHERE customer_id = $1::uuid"
    assert await value(admin, status, customer.customer_id) == "pending"
    await end_leases(admin)
    done = await shop.work("order")
    assert (done.status, done.json()) == (200, {"ran": {"reconciler": "ok"}})
    assert await value(admin, status, customer.customer_id) == "confirmed"
    placed = await shop.order(customer, "undecided", product_id)
    assert (placed.status, placed.runtime) == (201, "lambda")


async def test_without_a_container_customers_get_a_bad_gateway_until_the_weights_are_moved(
    shop: Tandem, admin: Database
) -> None:
    await shop.running("product", "order")
    await shop.weigh(100, 0)
    product_id, customer = await shop.product(STOCK), shop.sessions.issue()
    shop.tasks["product"].stop()
    refused = await shop.ask("GET", f"/products/{product_id}")
    # "Troubleshoot your Application Load Balancers": the target refuses the connection.
    answer = (refused.status, refused.headers["Server"], refused.headers["Content-Type"], refused.runtime)
    assert answer == (502, "awselb/2.0", "text/html", "")
    undecided = await shop.order(customer, "one", product_id)
    assert undecided.status in {202, 503}, undecided
    await shop.weigh(0, 100, ["product"])
    seen = await shop.ask("GET", f"/products/{product_id}")
    assert (seen.status, seen.runtime) == (200, "lambda")
    placed = await decided(shop, customer, product_id)
    assert (placed.status, placed.runtime) == (201, "local")
    assert await value(admin, "SELECT stock FROM catalog.product WHERE id = $1", product_id) == STOCK - 1


async def test_the_bench_of_parity_gets_the_same_answers_from_both(shop: Tandem, admin: Database) -> None:
    await shop.running("product", "order")
    await shop.weigh(100, 0)
    here = Own(shop.url, "", shop.keys, shop.ports, shop.deployment)
    async with aiohttp.ClientSession() as http:
        doors = {"container": parity.container(here, http), "function": parity.function(here, http)}
        product_id = await parity.stocked(here, http, 100)
        for requests in (parity.reads(product_id), parity.orders(here, product_id)):
            measured, different = await parity.measure(doors, requests, 2)
            assert different == 0
            assert [len(measured[runtime].times) for runtime in parity.RUNTIMES] == [2, 2]
    sold = 2 * (2 + parity.WARMING)
    assert await value(admin, "SELECT stock FROM catalog.product WHERE id = $1", product_id) == 100 - sold
