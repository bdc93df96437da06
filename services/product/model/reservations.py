"""What can become of a reservation, and the lasting reasons why one is refused.

held ──confirm──▶ committed ──return──▶ returned
  └──release, expiry──▶ released ◀── refusal, or release of an id never seen (a tombstone)
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from services.chassis.errors import Conflict, DomainError, Invalid

RESERVATION_SECONDS = 120  # permits the sweeper to act; decides nothing by itself
SWEEP_SECONDS = 5
SWEEP_AT_MOST = 100  # reservations in one round, so that a backlog does not starve buyers
MAX_LINES = 50
MAX_QUANTITY = 1000

State = Literal["held", "committed", "released", "returned"]
EXPIRED = "reservation-expired"


class InsufficientStock(Conflict):
    code = "insufficient-stock"
    title = "There is not enough in stock"


class UnknownProduct(Invalid):
    code = "unknown-product"
    title = "A product is not for sale"


class ReservationExpired(Conflict):
    code = EXPIRED
    title = "The reservation ran out before it was confirmed"


class TimedOut(Conflict):
    code = "timed-out"
    title = "The order could not be completed in time"


class PriceChanged(Conflict):
    code = "price-changed"
    title = "A price has changed since it was shown"


class Cancelled(Conflict):
    code = "cancelled"
    title = "The order was cancelled"


class Returned(Conflict):
    code = "returned"
    title = "The goods have been given back"


class NotCommitted(Conflict):
    code = "not-committed"
    title = "Only goods of a confirmed order can be given back"


class KeyReuse(Invalid):
    code = "key-reuse"
    title = "This key was used for something else"


# THE TABLE: the reason stored with a released reservation is the code of the problem it is answered with, ever after.
REASONS: Mapping[str, type[DomainError]] = {
    kind.code: kind
    for kind in (InsufficientStock, UnknownProduct, ReservationExpired, TimedOut, PriceChanged, Cancelled)
}


@dataclass(frozen=True, slots=True)
class Line:
    product_id: int
    qty: int


@dataclass(frozen=True, slots=True)
class Known:
    """A reservation as stored. `body` is its public JSON; a tombstone has no fingerprint."""

    state: State
    reason: str | None
    product_ids: Sequence[int] | None
    fingerprint: bytes | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """What trying to reserve did: `made` is False when the id was known; `refused` lists (reason, product id)."""

    made: bool
    refused: Sequence[tuple[str, int]]
    body: bytes


def fingerprint(lines: Sequence[Line]) -> bytes:
    """The same for the same lines, in whatever order they come."""
    pairs = sorted((line.product_id, line.qty) for line in lines)
    return hashlib.sha256(repr(pairs).encode()).digest()


def decide_refusal(refused: Sequence[tuple[str, int]]) -> tuple[str, list[int]]:
    """One reason for all lines, with the products it concerns: what can never succeed comes before what is short."""
    reasons = {reason for reason, _ in refused}
    reason = UnknownProduct.code if UnknownProduct.code in reasons else InsufficientStock.code
    return reason, [product_id for why, product_id in refused if why == reason]


def refusal(reason: str | None, product_ids: Sequence[int] | None = None) -> DomainError:
    """The problem for a stored reason."""
    kind = REASONS[reason or Cancelled.code]
    return kind(product_ids=list(product_ids)) if product_ids else kind()


def standing(known: Known) -> bytes:
    """The JSON of a reservation that stands, held or committed. Raises the problem of one that does not."""
    if known.state == "released":
        raise refusal(known.reason, known.product_ids)
    if known.state == "returned":
        raise Returned
    return known.body


def same_lines(known: Known, wanted: bytes) -> None:
    """Raise KeyReuse unless the stored reservation was for these lines; a tombstone was for none."""
    if known.fingerprint is not None and known.fingerprint != wanted:
        raise KeyReuse
