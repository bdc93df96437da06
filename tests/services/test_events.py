"""Ten thousand damaged events for each service: every one is answered, in a form that the load balancer takes."""

import json
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from random import Random
from typing import Any

import pytest
from fastapi import FastAPI

from cfn.boxes.fallback import ROUND
from cfn.environments import SERVICES
from services.chassis.auth import Sessions, new_admin_key
from services.chassis.connection import Connection, WireConnection
from services.chassis.database import Database
from services.chassis.errors import Unavailable
from services.chassis.metrics import Metrics
from services.chassis.serverless import BackgroundFailed, Sandbox
from services.chassis.upstream import Answer, Upstream
from services.frontend.backends import HttpOrders, HttpProducts
from services.frontend.main import create as create_frontend
from services.frontend.shelf import Shelf
from services.order.catalog import HttpCatalog
from services.order.main import create as create_order
from services.product.main import create as create_product
from tests.services.alb_events import Event, event, flaws, header
from tests.services.mutations import mutated

EVENTS = 10_000
KEYS = json.dumps({"k": "00" * 32})
ADMIN, ADMIN_KEY = new_admin_key(
    "boss", ["catalog:write", "catalog:read", "orders:read", "orders:write", "stock:write", "orders:refund"]
)
ENV = {
    "SESSION_KEYS": KEYS,
    "SERVICE_KEYS": KEYS,
    "ADMIN_KEYS": json.dumps([{"kid": "boss", "sha256": ADMIN_KEY.sha256.hex(), "roles": sorted(ADMIN_KEY.roles)}]),
    "DATABASE_URL": "postgresql://nobody@nowhere/nothing",
    "UPSTREAM_URL": "http://nowhere",
}
PROBLEM, PAGE = "application/problem+json", "text/html; charset=utf-8"
REFUSALS = {"product": {PROBLEM}, "order": {PROBLEM}, "frontend": {PROBLEM, PAGE}}
NAMED = {"{product_id}": "7", "{order_id}": "0b9f3a52-7f0e-4a4e-9d2c-3f1f6a3a4a11", "{slug}": "tools"}
BODY = json.dumps({"lines": [{"product_id": 7, "qty": 2}], "name": "Hammer", "price_cents": 100, "delta": 1}).encode()


class Away(Database):
    """A database that does not answer."""

    def __init__(self) -> None:
        super().__init__("")

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        for wire in self._idle:
            yield WireConnection(wire)
        raise Unavailable("The database did not answer")

    read = transaction = connection


class Nobody(Upstream):
    """A backend that does not answer."""

    def __init__(self) -> None:
        super().__init__("http://nowhere")

    async def request(self, *_: Any, **__: Any) -> Answer:
        raise Unavailable("The service behind this one did not answer")


def unread(service: str) -> Metrics:
    """Thirty thousand lines are not worth writing."""
    return Metrics(service, environment="local", runtime="lambda", version="test", write=lambda _: None)


CREATE = {
    "product": partial(create_product, database=Away(), metrics=unread("product")),
    "order": partial(create_order, database=Away(), catalog=HttpCatalog(Nobody()), metrics=unread("order")),
    "frontend": partial(
        create_frontend,
        metrics=unread("frontend"),
        products=HttpProducts(Nobody(), probing=Nobody(), shelf=Shelf()),
        orders=HttpOrders(Nobody(), probing=Nobody()),
    ),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thirty thousand records are not worth keeping."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(params=CREATE)
def service(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def handler(service: str) -> Iterator[Sandbox]:
    sandbox = Sandbox(service, CREATE[service], env=ENV, metrics=unread(service), configure=lambda _: None)
    yield sandbox
    sandbox.close()


def requests(app: FastAPI) -> list[Event]:
    """A request for each operation of a service, in both header modes, from nobody, a customer and an admin."""
    session = Sessions({"k": bytes(32)}).issue().token
    callers: list[list[tuple[str, str]]] = [[], [("authorization", f"Bearer {session}")]]
    callers.append([("authorization", f"Bearer {ADMIN}"), ("if-match", '"1"')])
    found = []
    for path, operations in app.openapi()["paths"].items():
        target = re.sub(r"{\w+}", lambda name: NAMED[name[0]], path)
        for method in operations:
            body = BODY if method not in {"get", "delete"} else b""
            headers = [("content-type", "application/json"), ("idempotency-key", "a-key")] if body else []
            found += [
                event(
                    method.upper(),
                    target if body else f"{target}?limit=5&q=caf%C3%A9",
                    headers=[*headers, *caller],
                    body=body,
                    multi=multi,
                )
                for caller in callers
                for multi in (True, False)
            ]
    return found


def test_every_damaged_event_gets_an_answer_that_the_load_balancer_takes(service: str, handler: Sandbox) -> None:
    bases = requests(CREATE[service](env=ENV))
    random = Random(service)
    statuses: dict[int, int] = {}
    for number in range(EVENTS):
        given = mutated(random, bases[number % len(bases)])
        answer = handler(given, None)
        multi = not isinstance(given, dict) or "multiValueHeaders" in given or "headers" not in given
        assert flaws(answer, multi=multi) == [], given
        status = answer["statusCode"]
        assert status != 500, given
        assert header(answer, "x-served-by") == "lambda"
        assert header(answer, "x-request-id")
        if status >= 400:
            assert header(answer, "content-type") in REFUSALS[service], given
        statuses[status] = statuses.get(status, 0) + 1
    assert {400, 404, 405, 413, 414, 422, 431, 503} <= statuses.keys()
    assert statuses[400] < EVENTS * 0.8, "too few come further than the door"


def test_what_the_templates_schedule_is_a_round_of_background_work(service: str, handler: Sandbox) -> None:
    """With the database away it fails, where there is anything to do."""
    (described,) = (one for one in SERVICES if one.name == service)
    app: FastAPI = CREATE[service](env=ENV)
    steps: Mapping[str, Any] = app.state.chores.background
    assert bool(steps) == described.background
    if steps:
        with pytest.raises(BackgroundFailed, match=", ".join(steps)):
            handler(ROUND, None)
    else:
        assert handler(ROUND, None) == {"ran": {}}
