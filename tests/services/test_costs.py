"""What a request costs beyond the service that gets it: calls to another service, and round trips to PostgreSQL."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis.auth import Session, Sessions
from services.chassis.database import Database
from services.chassis.settings import Settings
from services.order import main as order_main
from services.product import main as product_main
from services.product.model.catalogue import Draft
from services.product.service import catalogue
from tests.services.conftest import Serve

KEYS = {"k": bytes(32)}
SETTINGS = Settings(service="product", session_keys=KEYS, service_keys=KEYS, background=False)
SESSIONS = Sessions(KEYS)


@dataclass
class Calls:
    """Counts the requests that come to an app."""

    app: ASGIApp
    seen: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.append(f"{scope['method']} {scope['path'].rpartition('/')[2]}")
        await self.app(scope, receive, send)


@dataclass
class Shop:
    http: aiohttp.ClientSession
    product_url: str
    product_id: int
    calls: Calls
    databases: tuple[Database, Database]
    session: Session = field(default_factory=SESSIONS.issue)

    async def order(self, qty: int, key: str) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self.session.token}", "Idempotency-Key": key}
        body = {"lines": [{"product_id": self.product_id, "qty": qty}]}
        async with self.http.post("/orders", json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)

    async def read(self, path: str) -> int:
        async with self.http.get(f"{self.product_url}{path}") as answer:
            await answer.read()
            return answer.status

    def spent(self) -> tuple[int, int]:
        """Calls and round trips since the last time."""
        spent = len(self.calls.seen), sum(database.round_trips for database in self.databases)
        since = spent[0] - self._before[0], spent[1] - self._before[1]
        self._before = spent
        return since

    _before: tuple[int, int] = (0, 0)


@pytest.fixture
async def shop(serve: Serve, database_urls: dict[str, str]) -> AsyncIterator[Shop]:
    """Both services over HTTP, with every connection that they need open already."""
    product, order = Database(database_urls["product"]), Database(database_urls["order"])
    draft = Draft(
        sku=uuid4().hex, name="Pen", description="", category="desk", price_cents=250, active=True, image=None
    )
    await catalogue.name_category(product, "desk", "Desk")
    product_id, _ = await catalogue.create_product(product, draft, stock=100)
    calls = Calls(product_main.create(SETTINGS, database=product))
    async with serve(calls) as product_url:
        settings = replace(SETTINGS, service="order", upstream_url=product_url)
        app = order_main.create(settings, database=order)
        async with serve(app) as url, aiohttp.ClientSession(url) as http:
            shop = Shop(http, product_url, product_id, calls, (product, order))
            await shop.order(1, "first")
            await shop.order(1, "first")
            await shop.read(f"/products/{product_id}")
            shop.spent()
            yield shop
    await product.close()
    await order.close()


async def test_an_order_costs_two_calls_and_at_most_six_round_trips(shop: Shop) -> None:
    status, order = await shop.order(2, "second")
    assert (status, order["status"]) == (201, "confirmed")
    calls, round_trips = shop.spent()
    assert calls == 2
    assert shop.calls.seen[-2:] == [f"PUT {order['id']}", "POST confirm"]
    assert round_trips <= 6


async def test_a_refused_order_costs_one_call_and_at_most_six_round_trips(shop: Shop) -> None:
    status, problem = await shop.order(1000, "third")
    assert (status, problem["type"]) == (409, "/problems/insufficient-stock")
    calls, round_trips = shop.spent()
    assert calls == 1
    assert round_trips <= 6


async def test_a_repeated_order_asks_no_other_service(shop: Shop) -> None:
    assert (await shop.order(1, "first"))[0] == 201
    calls, round_trips = shop.spent()
    assert calls == 0
    assert round_trips <= 2


@pytest.mark.parametrize("path", ["/products/{id}", "/products", "/products/categories", "/products?q=pen"])
async def test_a_read_of_the_catalogue_costs_one_round_trip(shop: Shop, path: str) -> None:
    assert await shop.read(path.format(id=shop.product_id)) == 200
    assert shop.spent() == (1, 1)
