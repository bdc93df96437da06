"""Who may do what: every operation of the three services, asked by nine callers, with the status each of them gets.

An operation that is not in the table fails a test, so nobody can add one without saying who may use it.
"""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from yarl import URL

from services.chassis.auth import Session
from tests.services.whole_shop import (
    SESSIONS,
    Shop,
    admin_token,
    buy,
    session_of,
    signature,
    stock_up,
    whole_shop_apart,
)

CATALOG, ORDERS, OPS = "catalog:write", "orders:write", "ops:read"
DRAFT = '{"sku":"@sku","name":"Pen","category":"desk","price_cents":100}'
LINES = '{"lines":[{"product_id":@product,"qty":1}]}'
KEY = {"Idempotency-Key": "@key"}
ANY_VERSION = {"If-Match": "*"}
CSV = {"Content-Type": "text/csv"}
SHEET = "sku,name,category,price_cents\n@sku,Pen,desk,100\n"

# The callers. An admin's key has exactly the role of the operation, or every role but that one.
CALLERS = ("nobody", "owner", "other", "admin", "admin without", "service", "expired", "forged", "audience")
# A credential that is not valid is refused even where none is needed: it is a mistake of whoever sent it.
ANYBODY = (200, 200, 200, 200, 200, 401, 401, 401, 401)
IGNORED = (200,) * 9  # where credentials are not read at all
OWNER_OR_STAFF = (401, 200, 404, 200, 403, 401, 401, 401, 401)
OWN_OR_STAFF = (401, 200, 200, 200, 403, 401, 401, 401, 401)
CUSTOMERS = (401, 201, 201, 403, 403, 401, 401, 401, 401)
A_SERVICE = (401, 401, 401, 401, 401, 200, 401, 401, 401)


def staff(status: int = 200) -> tuple[int, ...]:
    return (401, 403, 403, status, 403, 401, 401, 401, 401)


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` as in the OpenAPI document; `@name` in query, body and headers stands for something that exists.

    Parameters of the path are always something that exists and that nobody has touched.
    """

    service: str
    method: str
    path: str
    expected: tuple[int, ...]
    role: str = CATALOG
    query: str = ""
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.service}: {self.method} {self.path}" + (f"?{self.query}" if self.query else "")


def reservation(method: str, step: str, body: str, expected: tuple[int, ...]) -> Operation:
    return Operation("product", method, "/products/reservations/{order_id}" + step, expected, body=body)


def both(
    method: str,
    path: str,
    expected: tuple[int, ...],
    role: str = CATALOG,
    query: str = "",
    body: str = "",
    **headers: str,
) -> list[Operation]:
    """An operation of a service that the gateway passes on unchanged."""
    service = "order" if path.startswith("/orders") else "product"
    at_the_gateway = "/api" + path.replace("/products/categories", "/categories")
    return [
        Operation(service, method, path, expected, role, query, body, headers),
        Operation("frontend", method, at_the_gateway, expected, role, query, body, headers),
    ]


TABLE = [
    *both("GET", "/products", ANYBODY),
    *both("GET", "/products", staff(), query="archived=true"),
    *both("GET", "/products/{product_id}", ANYBODY),
    *both("GET", "/products/categories", IGNORED),
    Operation("product", "GET", "/products/{product_id}/image.svg", IGNORED),
    *both("POST", "/products", staff(201), body=DRAFT),
    *both("PUT", "/products/{product_id}", staff(), body=DRAFT, **ANY_VERSION),
    *both("PATCH", "/products/{product_id}", staff(), body='{"name":"Pencil"}', **ANY_VERSION),
    *both("DELETE", "/products/{product_id}", staff(204)),
    *both("POST", "/products/{product_id}/stock", staff(), body='{"delta":1,"reason":"found"}', **KEY),
    *both("GET", "/products/{product_id}/stock", staff()),
    *both("GET", "/products/inventory", staff()),
    *both("PUT", "/products/categories/{slug}", staff(204), body='{"name":"Desk"}'),
    *both("POST", "/products/import", staff(), body=SHEET, **CSV),
    *both("GET", "/products/export", staff()),
    reservation("PUT", "", LINES, (401, 401, 401, 401, 401, 201, 401, 401, 401)),
    reservation("POST", "/confirm", "", A_SERVICE),
    reservation("POST", "/release", '{"reason":"cancelled"}', A_SERVICE),
    reservation("POST", "/return", '{"reason":"refund"}', A_SERVICE),
    *both("POST", "/orders", CUSTOMERS, body=LINES, **KEY),
    *both("GET", "/orders", OWN_OR_STAFF, OPS),
    *both("GET", "/orders", (401, 200, 403, 200, 403, 401, 401, 401, 401), OPS, query="customer_id=@owner"),
    *both("GET", "/orders/report", staff(), OPS),
    *both("GET", "/orders/{order_id}", OWNER_OR_STAFF, OPS),
    *both("GET", "/orders/{order_id}/events", OWNER_OR_STAFF, OPS),
    *both("POST", "/orders/{order_id}/cancel", OWNER_OR_STAFF, ORDERS),
    *both("POST", "/orders/{order_id}/ship", staff(), ORDERS),
    *both("POST", "/orders/{order_id}/refund", staff(), ORDERS),
    Operation("frontend", "POST", "/api/sessions", (201,) * 9),
    Operation("frontend", "GET", "/api/home", IGNORED),
    Operation("frontend", "GET", "/api/status", IGNORED),
]


@dataclass(frozen=True, slots=True)
class House:
    """The shop and who is in it: an owner of orders and somebody else, and a product."""

    shop: Shop
    owner: Session
    other: Session
    product: int

    async def ask(self, http: aiohttp.ClientSession, operation: Operation, caller: str) -> aiohttp.ClientResponse:
        named = await self._named(http, operation)
        target = operation.path.format(**named) + (f"?{fill(operation.query, named)}" if operation.query else "")
        body = fill(operation.body, named).encode()
        headers = {name: fill(value, named) for name, value in operation.headers.items()}
        if body:
            headers.setdefault("Content-Type", "application/json")
        if credential := self.credential(operation, caller, target, body):
            headers["Authorization"] = credential
        url = URL(self.shop.doors[operation.service] + target, encoded=True)
        async with http.request(operation.method, url, data=body or None, headers=headers) as answer:
            await answer.read()
        return answer

    def credential(self, operation: Operation, caller: str, target: str, body: bytes) -> str:
        if caller == "service" or (caller == "audience" and operation.expected[5] < 300):
            audience = "product" if caller == "service" else "order"
            return signature(operation.method, target, body, audience=audience)
        tokens = {
            "nobody": "",
            "owner": self.owner.token,
            "other": self.other.token,
            "admin": admin_token(f"only {operation.role}"),
            "admin without": admin_token(f"all but {operation.role}"),
            "expired": session_of(seconds=-1),
            "forged": session_of(key=b"x" * 32),
            "audience": session_of("admin"),
        }
        return f"Bearer {tokens[caller]}" if tokens[caller] else ""

    async def _named(self, http: aiohttp.ClientSession, operation: Operation) -> dict[str, Any]:
        named: dict[str, Any] = {
            "product": self.product,
            "slug": "desk",
            "owner": self.owner.customer_id,
            "sku": uuid4().hex,
            "key": uuid4().hex,
        }
        if "{product_id}" in operation.path:
            (named["product_id"],) = await stock_up(self.shop, 1)
        if "reservations" in operation.path:
            named["order_id"] = await self._reservation(http, operation)
        elif "{order_id}" in operation.path:
            named["order_id"] = await buy(self.shop, self.owner, self.product)
        return named

    async def _reservation(self, http: aiohttp.ClientSession, operation: Operation) -> str:
        """One on which the step can be taken."""
        path = f"/products/reservations/{(identifier := str(uuid4()))}"
        steps = {"PUT": [], "/confirm": ["PUT"], "/release": ["PUT"], "/return": ["PUT", "POST"]}
        before = next(done for step, done in steps.items() if operation.path.endswith(step) or operation.method == step)
        for method in before:
            target, body = (path, LINES) if method == "PUT" else (f"{path}/confirm", "")
            data = fill(body, {"product": self.product}).encode()
            headers = {"Authorization": signature(method, target, data), "Content-Type": "application/json"}
            async with http.request(method, self.shop.product + target, data=data or None, headers=headers) as answer:
                assert answer.status in {200, 201}
        return identifier


def fill(text: str, named: Mapping[str, Any]) -> str:
    for name, value in named.items():
        text = text.replace(f"@{name}", str(value))
    return text


@pytest.fixture(scope="module")
def shop(database_urls: dict[str, str]) -> Iterator[Shop]:
    with whole_shop_apart(database_urls) as shop:
        yield shop


@pytest.fixture(scope="module")
def house(shop: Shop) -> House:
    (product,) = asyncio.run(stock_up(shop, 1))
    return House(shop, SESSIONS.issue(), SESSIONS.issue(), product)


@pytest.mark.parametrize("operation", TABLE, ids=[operation.name for operation in TABLE])
async def test_each_caller_gets_the_status_of_the_table(house: House, operation: Operation) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        answers = {caller: await house.ask(http, operation, caller) for caller in CALLERS}
    expected = dict(zip(CALLERS, operation.expected, strict=True))
    assert {caller: answer.status for caller, answer in answers.items()} == expected
    for answer in answers.values():
        assert ("WWW-Authenticate" in answer.headers) == (answer.status == 401)


async def test_every_operation_is_in_the_table(shop: Shop) -> None:
    listed = {(operation.service, operation.method, operation.path) for operation in TABLE}
    documents = {"product": "/products/openapi.json", "order": "/orders/openapi.json", "frontend": "/api/openapi.json"}
    existing = set()
    async with aiohttp.ClientSession() as http:
        for service, path in documents.items():
            async with http.get(shop.doors[service] + path) as answer:
                paths = (await answer.json())["paths"]
            existing |= {(service, method.upper(), path) for path, methods in paths.items() for method in methods}
    assert listed == existing
