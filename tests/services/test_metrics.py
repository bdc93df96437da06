"""What the real services say in metrics about traffic that is known, in containers' place and on Lambda."""

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.auth import Sessions
from services.chassis.database import Database
from services.chassis.metrics import Metrics
from services.chassis.serverless import Sandbox
from services.order.main import create as create_order
from services.product.main import create as create_product
from tests.conftest import administer
from tests.services.alb_events import event, health_check
from tests.services.emf import CloudWatch
from tests.services.order.fakes import FakeCatalog
from tests.services.whole_shop import SESSIONS, STOCKED, admin_token, hold, stock_up, whole_shop

KEYS = json.dumps({"k": "00" * 32})
SESSION = Sessions({"k": bytes(32)}).issue().token
STAFF = {"Authorization": f"Bearer {admin_token()}"}
ROUTES = {
    r"/products": "/products",
    r"/products/\d+": "/products/{product_id}",
    r"/products/categories": "/products/categories",
    r"/products/categories/\w+": "/products/categories/{slug}",
    r"/products/reservations/[^/]+": "/products/reservations/{order_id}",
    r"/products/reservations/[^/]+/confirm": "/products/reservations/{order_id}/confirm",
    r"/orders": "/orders",
    r"/orders/[0-9a-f-]{36}": "/orders/{order_id}",
    r"/api/products/\d+": "/api/products/{product_id}",
    r"/cart": "/cart",
}
"""What is asked for below, and the routes that answer; anything else is `unmatched`."""


def route(path: str) -> str:
    return next((route for pattern, route in ROUTES.items() if re.fullmatch(pattern, path)), "unmatched")


@dataclass
class Counting:
    """Stands before a service and keeps the status of every answer, by route."""

    app: ASGIApp
    statuses: dict[str, list[int]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and not scope["path"].endswith("healthz"):
                self.statuses[route(scope["path"])].append(message["status"])
            await send(message)

        await self.app(scope, receive, counted)


@dataclass
class Buyer:
    """A customer of the order service."""

    http: aiohttp.ClientSession
    token: str = field(default_factory=lambda: SESSIONS.issue().token)

    async def order(self, product: int, *, qty: int = 1, key: str = "", **members: int) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key or uuid4().hex}
        body = {"lines": [{"product_id": product, "qty": qty}], **members}
        async with self.http.post("/orders", headers=headers, json=body) as answer:
            return answer.status, await answer.json(content_type=None)


async def orders_in(url: str) -> Mapping[str, tuple[int, int]]:
    """How many orders there are in each state, and their cents."""
    database = Database(url, size=1)
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT status, count(*), coalesce(sum(total_cents), 0)::bigint FROM ordering.orders GROUP BY status"
        )
    await database.close()
    return defaultdict(lambda: (0, 0), {status: (count, cents) for status, count, cents in rows})


async def test_four_hundred_mixed_requests_at_once_are_counted_each_under_its_route(
    database_urls: dict[str, str],
) -> None:
    """Also those that services make to each other, and whatever a busy machine refuses."""
    cloudwatch = CloudWatch()
    seen: dict[str, dict[str, list[int]]] = {name: defaultdict(list) for name in ("product", "order", "frontend")}

    async def read(url: str) -> None:
        async with http.get(url) as answer:
            await answer.read()

    async with (
        whole_shop(database_urls, wrap=lambda name, app: Counting(app, seen[name]), write=cloudwatch.hear) as shop,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        aiohttp.ClientSession(shop.order, connector=aiohttp.TCPConnector(limit=0)) as orders,
    ):
        (product,) = await stock_up(shop, 1)
        paths = [
            *(shop.product + path for path in ("/products?limit=2", "/products/categories", f"/products/{product}")),
            *(shop.product + path for path in ("/products/99999999", "/nothing/here")),
            *(shop.order + path for path in (f"/orders/{uuid4()}", "/nothing/there")),
            *(shop.frontend + path for path in (f"/api/products/{product}", "/cart")),
        ]
        await asyncio.gather(
            *(read(path) for path in paths for _ in range(40)), *(Buyer(orders).order(product) for _ in range(40))
        )
    for service, by_route in seen.items():
        timed, faults = (cloudwatch.by(metric, service, "route") for metric in ("Duration", "Faults"))
        assert {name: len(values) for name, values in timed.items()} == {
            name: len(statuses) for name, statuses in by_route.items()
        }
        assert {name: sum(values) for name, values in faults.items()} == {
            name: sum(status >= 500 for status in statuses) for name, statuses in by_route.items()
        }
        assert len(cloudwatch.values("Duration", service)) == sum(map(len, by_route.values()))
    count, cents = (await orders_in(database_urls["admin"]))["confirmed"]
    assert cloudwatch.total("OrdersPlaced", "order") == count
    assert cloudwatch.total("Revenue", "order") == cents
    assert len(cloudwatch.values("PoolWait", "order")) >= len(cloudwatch.values("PoolInUse", "order")) > 0
    assert set(cloudwatch.values("OversellGuardHits", "product")) == {0}


async def test_orders_are_counted_once_however_often_they_are_asked_for(database_urls: dict[str, str]) -> None:
    cloudwatch = CloudWatch()
    async with whole_shop(database_urls, write=cloudwatch.hear) as shop, aiohttp.ClientSession(shop.order) as http:
        (product,) = await stock_up(shop, 1)  # at 100 cents
        buyer = Buyer(http)
        placed = []
        for _ in range(2):
            for qty in (1, 2, 3, 4):
                status, order = await buyer.order(product, qty=qty, key=f"good-{qty}")
                placed.append(order["id"])
                assert status == 201
            for key, wish in (("dear", {"expected_total_cents": 1}), ("unknown", dict[str, int]())):
                unknown = 99_999_999 if key == "unknown" else product
                status, _ = await buyer.order(unknown, key=key, **wish)
                assert status in {409, 422}
            for order_id, path in ((placed[0], "cancel"), (placed[1], "refund"), (placed[2], "refund")):
                async with http.post(f"/orders/{order_id}/{path}", headers=STAFF) as answer:
                    assert answer.status == 200
    assert cloudwatch.values("OrdersPlaced", "order") == [4]
    assert sorted(cloudwatch.values("Revenue", "order")) == [100, 200, 300, 400]
    assert cloudwatch.by("OrdersRefused", "order", "reason") == {"price-changed": [1], "unknown-product": [1]}
    assert cloudwatch.by("OrdersReturned", "order", "reason") == {"cancel": [1], "refund": [2]}
    returned = cloudwatch.by("Returned", "order", "reason")
    assert {reason: sorted(values) for reason, values in returned.items()} == {"cancel": [100], "refund": [200, 300]}
    assert cloudwatch.total("OrdersRefused", "order") == 2
    assert (cloudwatch.total("OrdersReturned", "order"), cloudwatch.total("Returned", "order")) == (3, 600)


async def test_an_oversale_that_only_the_constraint_prevents_is_counted(database_urls: dict[str, str]) -> None:
    """The statement is not broken here: the constraint is made to want more than the statement looks after."""
    cloudwatch = CloudWatch()
    stricter = (
        "ALTER TABLE catalog.product DROP CONSTRAINT product_stock_check,"
        " ADD CONSTRAINT product_stock_check CHECK (stock >= {}) NOT VALID"
    )
    less, staff = {"delta": -1, "reason": "a test"}, {**STAFF, "Idempotency-Key": "one-less"}
    async with whole_shop(database_urls, write=cloudwatch.hear) as shop, aiohttp.ClientSession(shop.product) as http:
        (product,) = await stock_up(shop, 1)
        administer(database_urls["admin"], stricter.format(STOCKED))
        async with http.post(f"/products/{product}/stock", json=less, headers=staff) as answer:
            assert answer.status == 409
        with pytest.raises(aiohttp.ClientResponseError, match="409"):
            await hold(shop, product)
        administer(database_urls["admin"], stricter.format(0))
    assert cloudwatch.values("OversellGuardHits", "product") == [2]


@pytest.fixture
def cloudwatch() -> CloudWatch:
    return CloudWatch()


def on_lambda(service: str, cloudwatch: CloudWatch, create: Callable[..., Any], url: str) -> Sandbox:
    def metrics() -> Metrics:
        return Metrics(service, environment="local", runtime="lambda", version="test", write=cloudwatch.hear)

    env = {"SESSION_KEYS": KEYS, "SERVICE_KEYS": KEYS, "DATABASE_POOL": "1", "DATABASE_URL": url}
    env["UPSTREAM_URL"] = "http://127.0.0.1:9"
    return Sandbox(service, partial(create, metrics=metrics()), env=env, metrics=metrics(), configure=lambda _: None)


@pytest.fixture
def product(database_urls: dict[str, str], cloudwatch: CloudWatch) -> Iterator[Sandbox]:
    sandbox = on_lambda("product", cloudwatch, create_product, database_urls["product"])
    yield sandbox
    sandbox.close()


@pytest.fixture
def orders(database_urls: dict[str, str], cloudwatch: CloudWatch) -> Iterator[Sandbox]:
    catalog = FakeCatalog(stock={1: 2}, prices={1: 250})
    sandbox = on_lambda("order", cloudwatch, partial(create_order, catalog=catalog), database_urls["order"])
    yield sandbox
    sandbox.close()


def test_on_lambda_metrics_leave_with_the_event_that_they_are_about(product: Sandbox, cloudwatch: CloudWatch) -> None:
    product(health_check(), None)
    assert cloudwatch.values("ColdStarts", "product") == [1]
    assert cloudwatch.by("Duration", "product", "route") == {}
    for number in range(1, 4):
        assert product(event("GET", "/products?limit=1"), None)["statusCode"] == 200
        assert len(cloudwatch.values("Duration", "product", route="/products")) == number
        assert len(cloudwatch.values("PoolWait", "product")) == number
    assert product({"no": "event"}, None)["statusCode"] == 400
    assert product(event("GET", "/nothing"), None)["statusCode"] == 404
    assert len(cloudwatch.values("Duration", "product", route="unmatched")) == 2
    assert product({"run": "background"}, None) == {"ran": {"sweeper": "ok"}}
    assert cloudwatch.values("ColdStarts", "product") == [1]
    assert cloudwatch.total("Faults", "product") == 0
    assert all(json.loads(line)["runtime"] == "lambda" for line in cloudwatch.lines)


def test_an_app_that_cannot_be_built_is_a_fault_that_is_seen(cloudwatch: CloudWatch) -> None:
    def create(**_: Any) -> None:
        raise RuntimeError

    handler = on_lambda("product", cloudwatch, create, "")
    assert [handler(event("GET", "/products"), None)["statusCode"] for _ in range(2)] == [503, 503]
    handler.close()
    assert cloudwatch.values("Faults", "product", route="unmatched") == [1, 1]
    assert len(cloudwatch.values("Duration", "product")) == 2


def test_on_lambda_an_order_is_counted_once_too(orders: Sandbox, cloudwatch: CloudWatch) -> None:
    def place(qty: int, key: str) -> int:
        headers = [
            ("authorization", f"Bearer {SESSION}"),
            ("idempotency-key", key),
            ("content-type", "application/json"),
        ]
        body = json.dumps({"lines": [{"product_id": 1, "qty": qty}]}).encode()
        status: int = orders(event("POST", "/orders", headers=headers, body=body), None)["statusCode"]
        return status

    assert [place(2, "first"), place(2, "first"), place(1, "second"), place(1, "second")] == [201, 201, 409, 409]
    assert (cloudwatch.values("OrdersPlaced", "order"), cloudwatch.values("Revenue", "order")) == ([1], [500])
    assert cloudwatch.by("OrdersRefused", "order", "reason") == {"insufficient-stock": [1]}
    assert len(cloudwatch.values("Duration", "order", route="/orders")) == 4
