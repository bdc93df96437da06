"""Requests whose right answers are known, to be asked again whenever something may have upset a connection."""

import asyncio
import re
from dataclasses import dataclass
from uuid import uuid4

from services.chassis.auth import Session
from tests.services.raw_http import Reply, request, talk
from tests.services.whole_shop import Shop, admin_token, buy, stock_up

PRODUCTS = 8
ORDERS = 4
TRIES = 10
PARTIAL = re.compile(rb'"(missing|stale)":\[[^\]]')


@dataclass(frozen=True, slots=True)
class Question:
    base_url: str
    raw: bytes
    answer: Reply

    async def holds(self) -> bool:
        reply = await _answer(self.base_url, self.raw)
        return (reply.status, reply.body) == (self.answer.status, self.answer.body)


@dataclass(frozen=True, slots=True)
class Witness:
    """More questions at a time than a pool has connections, each with an answer of its own.

    Reads travel on the shared connections; repeated stock changes and shipments, which change nothing, take an
    exclusive one each; what is asked of the gateway takes its connections to the services besides.
    """

    questions: list[Question]

    async def finds_everything_right(self) -> bool:
        return all(await asyncio.gather(*(question.holds() for question in self.questions)))


async def _answer(base_url: str, raw: bytes) -> Reply:
    """A busy machine may say so, and is asked again; any other answer has to be the right one at once."""
    for _ in range(TRIES):
        reply = await ask(base_url, raw)
        if not _busy(reply):
            break
        await asyncio.sleep(0.3)
    return reply


def _busy(reply: Reply) -> bool:
    """Refused for now, or a page of the gateway that names a part it did not get in time, or has an older copy of."""
    return reply.status == 503 or bool(PARTIAL.search(reply.body))


async def ask(base_url: str, raw: bytes) -> Reply:
    return (await talk(base_url, raw, most=1))[0]


async def call_a_witness(shop: Shop, session: Session) -> Witness:
    products = await stock_up(shop, PRODUCTS, category="witness", name="Witness {}")
    orders = [await buy(shop, session, product) for product in products[:ORDERS]]
    customer, staff = (f"Authorization: Bearer {token}" for token in (session.token, admin_token()))
    asked = []
    for product in products:
        asked += [
            (shop.product, request("GET", f"/products/{product}")),
            (shop.product, _change(product, staff)),
            (shop.frontend, request("GET", f"/api/products/{product}")),
        ]
    for order in orders:
        asked += [
            (shop.order, request("GET", f"/orders/{order}", customer)),
            (shop.order, _ship(order, staff, "w1")),
            (shop.order, _ship(order, staff, "w1")),
            (shop.frontend, request("GET", f"/api/orders/{order}/events", customer)),
        ]
    for base_url, raw in asked:  # the first round makes the changes that the others repeat
        assert (await _answer(base_url, raw)).status == 200
    witness = Witness([Question(base_url, raw, await _answer(base_url, raw)) for base_url, raw in asked])
    assert await witness.finds_everything_right()
    return witness


def _change(product: int, staff: str) -> bytes:
    body = b'{"delta":%d,"reason":"counted"}' % product
    headers = (staff, f"Idempotency-Key: {uuid4().hex}", "Content-Type: application/json")
    return request("POST", f"/products/{product}/stock", *headers, body=body)


def _ship(order: str, staff: str, tracking: str) -> bytes:
    body = b'{"tracking":"%s"}' % tracking.encode()
    return request("POST", f"/orders/{order}/ship", staff, "Content-Type: application/json", body=body)
