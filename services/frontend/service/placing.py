"""Buying and cancelling: calls that change something, and what their answers mean to a person."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.chassis.errors import NotFound, TooManyRequests, Unauthenticated
from services.chassis.upstream import Answer, deadline, remaining
from services.frontend.backends import Orders
from services.frontend.calls import WRITE_SECONDS, Call, NoAnswer, document_of
from services.frontend.model.offer import Offer

PATIENCE = 12.0  # seconds within which a purchase that is under way already is asked about again
PAUSE = 0.4

_PLACED = frozenset({201, 202, 401, 409, 422, 429, 503})
_CHANGED = frozenset({200, 202, 401, 403, 404, 409, 503})


@dataclass(frozen=True, slots=True)
class Outcome:
    """`refused` is the order service's code for a final no, empty otherwise; `order` is empty when nobody knows it."""

    order: Mapping[str, Any]
    refused: str = ""

    @property
    def waiting(self) -> bool:
        return not self.refused and self.order.get("status") in {None, "pending", "cancelling"}


async def place_order(orders: Orders, offer: Offer, authorization: str) -> Outcome:
    """Buy what was offered, once, however often this is called.

    Raises NoAnswer when it is unknown whether it was bought, TooManyRequests, and Unauthenticated.
    """
    document = {
        "lines": [{"product_id": product_id, "qty": qty} for product_id, qty in offer.lines],
        "expected_total_cents": offer.total_cents,
    }
    call = Call(
        method="POST",
        path="/orders",
        statuses=_PLACED,
        headers={
            "Authorization": authorization,
            "Content-Type": "application/json",
            "Idempotency-Key": offer.key,
        },
        body=json.dumps(document).encode(),
        seconds=WRITE_SECONDS,
    )
    with deadline(PATIENCE):
        while True:
            answer, said = await _ask(orders, call)
            if _code(said) != "in-progress":
                break
            if (remaining() or 0) < PAUSE + 1:
                return Outcome({})
            await asyncio.sleep(PAUSE)  # a click before this one is being worked on
    if answer.status < 400:
        return Outcome(said)
    return Outcome({}, _code(said))


async def cancel_order(orders: Orders, order_id: UUID, authorization: str) -> Outcome:
    """Raises NoAnswer, NotFound for what is absent or somebody else's, and Unauthenticated."""
    call = Call(
        method="POST",
        path=f"/orders/{order_id}/cancel",
        statuses=_CHANGED,
        headers={"Authorization": authorization},
        seconds=WRITE_SECONDS,
    )
    with deadline(WRITE_SECONDS):
        answer, said = await _ask(orders, call)
    return Outcome(said) if answer.status < 400 else Outcome({}, _code(said))


async def _ask(orders: Orders, call: Call) -> tuple[Answer, Mapping[str, Any]]:
    answer = await orders.forward(call)
    said = document_of(answer, call)
    if answer.status == 401:
        raise Unauthenticated
    if answer.status in {403, 404}:
        raise NotFound
    if answer.status == 429:
        raise TooManyRequests(retry_after=_after(answer, 5))
    if answer.status == 503:
        raise NoAnswer(retry_after=_after(answer, 1))
    return answer, said


def _after(answer: Answer, otherwise: int) -> int:
    text = answer.headers.get("Retry-After", "")
    return int(text) if text.isdecimal() else otherwise


def _code(said: Mapping[str, Any]) -> str:
    return str(said.get("type", "")).removeprefix("/problems/")
