"""What an order is and how it may change: plain values, and the facts that end a request.

    pending ─┬─► rejected
             └─► confirmed ─┬─► cancelling ─► cancelled
                            ├─► shipped ────┐
                            └───────────────┴─► refunding ─► refunded

A pending order waits for the decision of the reservation with the same id. Cancelling and refunding orders wait for
their stock to be back. Everything to the right is reached once and never left backwards.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Self
from uuid import UUID

from services.chassis.errors import Conflict, DomainError, Invalid, NotFound, TooManyRequests


class Status(StrEnum):
    """The state of an order, as in the database and on the wire."""

    PENDING = "pending"
    REJECTED = "rejected"
    CONFIRMED = "confirmed"
    SHIPPED = "shipped"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    REFUNDING = "refunding"
    REFUNDED = "refunded"


class Line(NamedTuple):
    """What a customer asks for."""

    product_id: int
    qty: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedLine:
    """What a reservation holds: name and price are those of the moment it was made."""

    product_id: int
    qty: int
    unit_price_cents: int
    sku: str
    name: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """The product service said yes. Held can still expire, committed cannot."""

    committed: bool
    lines: tuple[PricedLine, ...]
    total_cents: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """The product service said no, for good."""

    code: str


Decision = Reservation | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A customer's wish, before anything has happened. Its id becomes the order's and the reservation's."""

    id: UUID
    customer_id: UUID
    key: str
    lines: tuple[Line, ...]
    expected_total_cents: int | None = None

    @property
    def fingerprint(self) -> bytes:
        """Equal for requests that mean the same, whatever the order of their lines."""
        meaning = [self.expected_total_cents, sorted(self.lines)]
        return hashlib.sha256(json.dumps(meaning).encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """An order that somebody has to drive on, as its lease hands it out."""

    id: UUID
    status: Status
    lines: tuple[Line, ...]
    expected_total_cents: int | None
    young: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order as it is read: what decides about the next step, and the JSON for the client as PostgreSQL wrote it."""

    id: UUID
    status: Status
    reject_code: str | None
    tracking: str | None
    total_cents: int | None
    fingerprint: bytes
    body: bytes


# Microseconds since 1970 (sixteen digits: from 2001 to 2286) and the id of an order.
CURSOR = "[0-9]{16}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a listing, newest first: the last order of the page before."""

    created_at: datetime
    id: UUID

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a listing gave as `next`."""
        if not re.fullmatch(CURSOR, text):
            raise Invalid(errors=[{"field": "cursor", "message": "is not one of ours"}])
        microseconds, _, order_id = text.partition("-")
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(microseconds))
        return cls(moment, UUID(order_id))


class InsufficientStock(Conflict):
    code = "insufficient-stock"
    title = "There is not enough in stock"


class UnknownProduct(Invalid):
    code = "unknown-product"
    title = "A product is not for sale"


class PriceChanged(Conflict):
    code = "price-changed"
    title = "The total is not what you expected"


class ReservationExpired(Conflict):
    code = "reservation-expired"
    title = "The stock could not be held long enough"


class TimedOut(Conflict):
    code = "timed-out"
    title = "The order could not be decided in time"


# The whole vocabulary of final refusals: an answer with another code is not a decision.
REFUSALS: Mapping[str, type[DomainError]] = {
    kind.code: kind for kind in (InsufficientStock, UnknownProduct, PriceChanged, ReservationExpired, TimedOut)
}


class KeyReuse(Invalid):
    code = "key-reuse"
    title = "This Idempotency-Key belongs to another request"


class InProgress(Conflict):
    code = "in-progress"
    title = "This order is being decided"

    def __init__(self) -> None:
        super().__init__(retry_after=1)


class TooManyPending(TooManyRequests):
    code = "too-many-pending"
    title = "Too many orders are waiting for a decision"


class NotCancellable(Conflict):
    code = "not-cancellable"
    title = "The order can no longer be cancelled"


class NotShippable(Conflict):
    code = "not-shippable"
    title = "The order cannot be shipped"


class NotRefundable(Conflict):
    code = "not-refundable"
    title = "The order cannot be refunded"


def canonical(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Ascending by product: the order in which stock is locked."""
    return tuple(sorted(lines))


def existing(order: Order | None) -> Order:
    """Raise NotFound for what is absent, or somebody else's."""
    if order is None:
        raise NotFound
    return order
