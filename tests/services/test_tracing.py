"""The whole shop seen by an agent: one purchase is one trace, many at once do not mix, and no trace holds a value."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from services.chassis.auth import Session
from tests.services.traces import Agent, Seen, agent
from tests.services.whole_shop import SESSIONS, Shop, stock_up, whole_shop

FRONTEND, ORDER, PRODUCT = (f"tandem-local-{service}" for service in ("frontend", "order", "product"))
AT_ONCE = 64


@pytest.fixture(scope="module")
def listening() -> Iterator[Agent]:
    with agent() as found:
        yield found


@dataclass
class Visit:
    """A shop with an agent beside it, and a client that says in which trace it asks."""

    shop: Shop
    listening: Agent
    http: aiohttp.ClientSession
    products: list[int]
    session: Session = field(default_factory=SESSIONS.issue)

    async def ask(self, method: str, path: str, body: Any = None, *, session: Session | None = None) -> "Trace":
        root, caller = f"1-67891233-{os.urandom(12).hex()}", os.urandom(8).hex()
        headers = {
            "X-Amzn-Trace-Id": f"Root={root};Parent={caller};Sampled=1",
            "Authorization": f"Bearer {(session or self.session).token}",
            "Idempotency-Key": uuid4().hex,
        }
        async with self.http.request(method, path, json=body, headers=headers) as answer:
            content = await answer.json(content_type=None)
            assert "X-Amzn-Trace-Id" not in answer.headers
        return Trace(self.listening, root, caller, content)

    async def buy(self, session: Session | None = None) -> "Trace":
        body = {"lines": [{"product_id": self.products[0], "qty": 1}]}
        return await self.ask("POST", "/api/orders", body, session=session or SESSIONS.issue())


@dataclass(frozen=True, slots=True)
class Trace:
    listening: Agent
    root: str
    caller: str
    answer: Any

    @property
    def spans(self) -> list[Seen]:
        return sorted(self._found(), key=lambda seen: seen.facts.get("statement", ""))

    def _found(self) -> list[Seen]:
        """Without what depends on the moment: waiting for a connection, and opening one."""
        mine = [seen for seen in self.listening.seen if seen.trace_id == self.root]
        return [seen for seen in mine if seen.name != "pool" and seen.facts.get("statement") != "connect"]

    @property
    def smooth(self) -> bool:
        """On a machine with much to do a call may come too late, or a row be taken, and something is done again."""
        again = Counter((seen.parent, seen.facts.get("statement", seen.id)) for seen in self.spans)
        return max(again.values()) == 1 and not any("fault" in seen.facts for seen in self.spans)

    @property
    def shape(self) -> Any:
        """What is within what, from the caller on; each span by its name and what it asks for."""
        return self._below(self.caller)

    def _below(self, parent: str) -> Any:
        mine = [seen for seen in self.spans if seen.parent == parent]
        return sorted([[said(seen), *self._below(seen.id)] for seen in mine], key=repr)


def said(seen: Seen) -> str:
    if seen.remote:
        return f"{seen.name} {seen.facts.get('statement') or seen.facts['method']}"
    return f"{seen.name} {seen.facts['method']} {seen.facts['route']}"


@pytest.fixture
async def visit(database_urls: dict[str, str], listening: Agent) -> AsyncIterator[Visit]:
    settings: dict[str, Any] = {"trace_address": listening.address, "background": False}
    async with whole_shop(database_urls, **settings) as shop, aiohttp.ClientSession(shop.url) as http:
        products = await stock_up(shop, 2)
        yield Visit(shop, listening, http, products)


async def test_a_purchase_is_one_trace_with_every_hop_and_every_statement(visit: Visit) -> None:
    await visit.buy()  # opens what is opened once
    bought = await visit.buy()
    (gateway,) = bought.shape
    assert gateway[0] == f"{FRONTEND} POST /api/orders"
    (call,) = gateway[1:]
    assert call[0] == f"{ORDER} POST"
    (order,) = call[1:]
    assert order[0] == f"{ORDER} POST /orders"
    assert [span[0] for span in order[1:]] == [
        "PostgreSQL confirm_order",
        "PostgreSQL insert_order",
        "PostgreSQL select_decided",
        f"{PRODUCT} POST",
        f"{PRODUCT} PUT",
    ]
    within = [span[1] for span in order[1:] if span[0].startswith(PRODUCT)]
    assert [product[0] for product in within] == [
        f"{PRODUCT} POST /products/reservations/{{order_id}}/confirm",
        f"{PRODUCT} PUT /products/reservations/{{order_id}}",
    ]
    assert [[span[0].removeprefix("PostgreSQL ") for span in product[1:]] for product in within] == [
        ["select_reservation", "update_reservation_committed"],
        ["COMMIT", "insert_reservation"],
    ]
    assert len(bought.spans) == len(bought._found()) == count(bought.shape), "nothing is beside the tree"


def count(shape: list[Any]) -> int:
    return sum(1 + count(span[1:]) for span in shape)


async def test_every_span_of_a_request_says_what_it_should(visit: Visit) -> None:
    bought = await visit.buy()
    order = next(seen for seen in bought.spans if seen.name == ORDER and not seen.remote).facts
    assert (order["method"], order["url"], order["status"]) == ("POST", "/orders", 201)
    assert (order["route"], order["runtime"], order["version"]) == ("/orders", "local", "dev")
    call = next(seen for seen in bought.spans if seen.name == ORDER and seen.remote)
    assert call.facts == {"method": "POST", "url": f"{visit.shop.url}/orders", "status": 201, "attempt": 1}
    inserted = next(seen for seen in bought.spans if seen.facts.get("rows"))
    assert inserted.remote
    ids = {seen.facts["request_id"] for seen in bought.spans if "request_id" in seen.facts}
    assert len(ids) == 1, "the request's id travels with the trace"


async def test_sixty_four_requests_at_once_keep_their_own_spans(visit: Visit) -> None:
    """Each is compared with one of its kind that was alone: same spans, same parents."""

    async def aggregate() -> Trace:
        return await visit.ask("GET", f"/api/orders/{bought.answer['id']}")

    async def read() -> Trace:
        return await visit.ask("GET", f"/products/{visit.products[1]}")

    bought = await visit.buy(visit.session)
    kinds = (visit.buy, aggregate, read)
    for kind in kinds:
        await kind()  # what is kept for a while is there from now on
    alone = [(await kind()).shape for kind in kinds]
    mixed = await asyncio.gather(*(kinds[number % 3]() for number in range(AT_ONCE)))
    visit.listening.drain()
    for number, trace in enumerate(mixed):
        assert count(trace.shape) == len(trace.spans) > 0
        if trace.smooth:
            assert trace.shape == alone[number % 3]
    assert sum(trace.smooth for trace in mixed) >= AT_ONCE // 3
    ids = Counter(seen.id for seen in visit.listening.seen)
    assert max(ids.values()) == 1


async def test_health_checks_leave_no_trace(visit: Visit) -> None:
    before = len(visit.listening.seen)
    for door in visit.shop.doors.values():
        for path in ("/healthz", "/readyz"):
            async with visit.http.get(door + path) as answer:
                assert answer.status == 200
    assert len(visit.listening.seen) == before


async def test_no_span_holds_a_value_that_somebody_sent(visit: Visit) -> None:
    """Secrets in every place a request has but its path, whatever becomes of it."""
    secrets = [f"s3cr3t{number}{uuid4().hex}" for number in range(7)]
    query, note, header, key, name, agent_, cookie = secrets
    admin = {"X-Custom": header, "User-Agent": agent_, "Cookie": f"cart={cookie}", "X-Forwarded-For": header}
    authorized = admin | {"Authorization": f"Bearer {visit.session.token}"}
    attempts = [
        ("GET", f"/products?q={query}", None, admin),
        ("GET", f"/products?cursor={query}", None, admin),
        ("GET", f"/?q={query}", None, admin),
        ("GET", f"/search?q={query}", None, admin),
        ("POST", "/orders", {"lines": [{"product_id": name, "qty": note}]}, authorized | {"Idempotency-Key": key}),
        ("POST", "/api/orders", {"lines": [{"product_id": 2**40, "qty": 1}]}, authorized | {"Idempotency-Key": key}),
        ("POST", "/products", {"name": name}, admin | {"Authorization": f"Bearer {key}"}),
        ("GET", f"/orders?after={query}", None, authorized),
    ]
    before = len(visit.listening.documents)
    for method, path, body, headers in attempts:
        async with visit.http.request(method, path, json=body, headers=headers) as answer:
            await answer.read()
    text = json.dumps(visit.listening.documents[before:])
    assert text.count('"url"') > len(attempts)
    assert [secret for secret in [*secrets, visit.session.token] if secret in text] == []
    assert not {"SELECT", "INSERT", "UPDATE"} & set(text.split())
