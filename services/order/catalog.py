"""The product service as orders need it: four calls, and what counts as an answer to them.

Only one of our own well-formed answers is a decision. Anything else (no answer, a gateway's page, a text, an answer
about something else) is NoDecision: the order waits, and somebody asks again.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol
from uuid import UUID

from services.chassis.errors import Unavailable
from services.chassis.upstream import Answer, Upstream
from services.order.model import REFUSALS, Decision, Line, PricedLine, Refusal, Reservation

TIMEOUT = 2.0  # seconds for one try
TRIES = 3


class NoDecision(Unavailable):
    """The product service may or may not have done it. Never treat it as a no."""


class Catalog(Protocol):
    """Every call may be repeated by anyone. Each raises NoDecision when the outcome is not known."""

    @property
    def open(self) -> bool:
        """Whether calls are refused at the moment because too many failed."""

    async def reserve(self, order_id: UUID, lines: Sequence[Line]) -> Decision:
        """Hold the stock, or learn what was decided for this id before."""

    async def confirm(self, order_id: UUID, lines: Sequence[Line]) -> Decision:
        """Make a held reservation permanent; `lines` are what its answer must be about."""

    async def release(self, order_id: UUID, reason: str) -> str:
        """Give up what is held, and refuse what comes late. Answer: released, committed or returned."""

    async def give_back(self, order_id: UUID, reason: str) -> None:
        """Return the stock of a committed reservation, once."""


class HttpCatalog:
    """Signed calls through the load balancer."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    @property
    def open(self) -> bool:
        return self._upstream.open

    async def reserve(self, order_id: UUID, lines: Sequence[Line]) -> Decision:
        body = {"lines": [line._asdict() for line in lines]}
        answer = await self._ask("PUT", f"/products/reservations/{order_id}", body)
        return _decision(answer, order_id, lines, agreed={200, 201})

    async def confirm(self, order_id: UUID, lines: Sequence[Line]) -> Decision:
        answer = await self._ask("POST", f"/products/reservations/{order_id}/confirm")
        decision = _decision(answer, order_id, lines, agreed={200})
        if isinstance(decision, Reservation) and not decision.committed:
            _not_ours("a confirmed reservation is not committed")
        return decision

    async def release(self, order_id: UUID, reason: str) -> str:
        answer = await self._ask("POST", f"/products/reservations/{order_id}/release", {"reason": reason})
        return _state(answer, order_id, {"released", "committed", "returned"})

    async def give_back(self, order_id: UUID, reason: str) -> None:
        answer = await self._ask("POST", f"/products/reservations/{order_id}/return", {"reason": reason})
        _state(answer, order_id, {"returned"})

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        try:
            return await self._upstream.request(method, path, json=body, timeout=TIMEOUT, tries=TRIES)
        except NoDecision:
            raise
        except Unavailable as error:
            raise NoDecision("The product service did not answer") from error


def _decision(answer: Answer, order_id: UUID, lines: Sequence[Line], *, agreed: set[int]) -> Decision:
    if answer.status in agreed:
        return _reservation(_document(answer, "application/json"), order_id, lines)
    if answer.status not in {409, 422}:
        _not_ours(f"status {answer.status}")
    kind = _document(answer, "application/problem+json").get("type")
    code = kind.removeprefix("/problems/") if isinstance(kind, str) else ""
    if kind != f"/problems/{code}" or code not in REFUSALS or REFUSALS[code].status != answer.status:
        _not_ours("a problem of an unknown type")
    return Refusal(code)


def _reservation(document: Mapping[str, Any], order_id: UUID, lines: Sequence[Line]) -> Reservation:
    try:
        priced = tuple(_priced_line(line) for line in document["lines"])
        state, total = _text(document["state"]), _integer(document["total_cents"])
    except (KeyError, TypeError, ValueError):
        _not_ours("a reservation with a part missing")
    if document.get("id") != str(order_id) or state not in {"held", "committed"}:
        _not_ours("another reservation, or one without effect")
    if sorted((line.product_id, line.qty) for line in priced) != sorted(lines):
        _not_ours("other lines than were asked for")
    if total != sum(line.qty * line.unit_price_cents for line in priced):
        _not_ours("a total that is not that of its lines")
    return Reservation(state == "committed", priced, total)


def _priced_line(line: Mapping[str, Any]) -> PricedLine:
    return PricedLine(
        product_id=_integer(line["product_id"]),
        qty=_integer(line["qty"]),
        unit_price_cents=_integer(line["unit_price_cents"]),
        sku=_text(line["sku"]),
        name=_text(line["name"]),
    )


def _state(answer: Answer, order_id: UUID, known: set[str]) -> str:
    if answer.status != 200:
        _not_ours(f"status {answer.status}")
    document = _document(answer, "application/json")
    state = document.get("state")
    if document.get("id") != str(order_id) or not isinstance(state, str) or state not in known:
        _not_ours("another reservation, or an unknown state")
    return state


def _document(answer: Answer, media_type: str) -> Mapping[str, Any]:
    if answer.media_type != media_type:
        _not_ours("another media type")
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        _not_ours("broken JSON")
    if not isinstance(document, dict):
        _not_ours("JSON of another shape")
    return document


def _integer(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("not a count")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a text that can be stored")
    value.encode()  # half of a surrogate pair cannot be stored either: UnicodeEncodeError is a ValueError
    return value


def _not_ours(what: str) -> NoReturn:
    # The detail stays in the log: what a peer answers is nothing for the client to read.
    raise NoDecision("The product service gave no decision") from ValueError(what)
