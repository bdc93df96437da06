"""What counts as an answer of the product service, and what the order service sends it, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from services.chassis.auth import InternalRequest, Signer, Verifier
from services.chassis.errors import Unavailable
from services.chassis.upstream import Answer, Upstream, deadline
from services.order.catalog import HttpCatalog, NoDecision
from services.order.model import Line, PricedLine, Refusal, Reservation

ORDER = UUID("6d8ec1f3-0c5a-4f5e-9d7e-0a4a4f2f9b11")
OTHER = UUID("7d8ec1f3-0c5a-4f5e-9d7e-0a4a4f2f9b11")
LINES = (Line(1, 2), Line(7, 1))
KEYS = {"k1": bytes(32)}


def reservation(**changes: Any) -> dict[str, Any]:
    return {
        "id": str(ORDER),
        "state": "held",
        "expires_at": "2026-01-01T00:02:00Z",
        "lines": [
            {"product_id": 1, "qty": 2, "unit_price_cents": 250, "name": "Apple", "sku": "A-1"},
            {"product_id": 7, "qty": 1, "unit_price_cents": 99, "name": "Pear", "sku": "P-1"},
        ],
        "total_cents": 599,
    } | changes


def changed_line(**changes: Any) -> list[dict[str, Any]]:
    first, second = reservation()["lines"]
    return [first | changes, second]


def answer(status: int, body: object, media_type: str = "application/json") -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {"Content-Type": media_type}, content)


def refusal(status: int, code: str) -> Answer:
    document = {"type": f"/problems/{code}", "title": "No", "status": status, "request_id": "r"}
    return answer(status, document, "application/problem+json")


class Canned(Upstream):
    """An upstream that always answers the same."""

    def __init__(self, outcome: Answer | Exception) -> None:
        super().__init__("http://unused")
        self._outcome = outcome
        self.asked: list[tuple[str, str, Any]] = []

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        self.asked.append((method, path, options.get("json")))
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome


EXPECTED = Reservation(
    committed=False,
    lines=(
        PricedLine(product_id=1, qty=2, unit_price_cents=250, sku="A-1", name="Apple"),
        PricedLine(product_id=7, qty=1, unit_price_cents=99, sku="P-1", name="Pear"),
    ),
    total_cents=599,
)


@pytest.mark.parametrize("status", [200, 201])
async def test_a_well_formed_reservation_is_a_yes(status: int) -> None:
    upstream = Canned(answer(status, reservation()))
    assert await HttpCatalog(upstream).reserve(ORDER, LINES) == EXPECTED
    assert upstream.asked == [
        (
            "PUT",
            f"/products/reservations/{ORDER}",
            {"lines": [{"product_id": 1, "qty": 2}, {"product_id": 7, "qty": 1}]},
        )
    ]


async def test_a_media_type_may_have_parameters() -> None:
    upstream = Canned(answer(200, reservation(), "application/json; charset=utf-8"))
    assert await HttpCatalog(upstream).reserve(ORDER, LINES) == EXPECTED


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "insufficient-stock"),
        (409, "reservation-expired"),
        (409, "timed-out"),
        (409, "price-changed"),
        (422, "unknown-product"),
    ],
)
async def test_a_refusal_of_ours_is_a_no(status: int, code: str) -> None:
    catalog = HttpCatalog(Canned(refusal(status, code)))
    assert await catalog.reserve(ORDER, LINES) == Refusal(code)
    assert await catalog.confirm(ORDER, LINES) == Refusal(code)


NOT_DECISIONS: dict[str, Answer | Exception] = {
    "no answer": Unavailable("timeout"),
    "500": answer(500, {"type": "/problems/internal"}, "application/problem+json"),
    "502 with a page": answer(502, b"<html>Bad gateway</html>", "text/html"),
    "503 of ours": refusal(503, "unavailable"),
    "429 of ours": refusal(429, "too-many-requests"),
    "429 with our refusal inside": refusal(429, "insufficient-stock"),
    "400 as text": answer(400, b"Invalid HTTP request received.", "text/plain"),
    "400 of ours": refusal(400, "malformed-request"),
    "401 of ours": refusal(401, "unauthenticated"),
    "404 of ours": refusal(404, "not-found"),
    "404 with a page": answer(404, b"<html>", "text/html"),
    "204": answer(204, b""),
    "302": answer(302, reservation()),
    "no media type": Answer(200, {}, json.dumps(reservation()).encode()),
    "yes as a page": answer(200, reservation(), "text/html"),
    "yes as a problem": answer(200, reservation(), "application/problem+json"),
    "no as plain JSON": Answer(409, {"Content-Type": "application/json"}, refusal(409, "insufficient-stock").body),
    "no of an unknown type": refusal(409, "out-of-luck"),
    "no about the key": refusal(422, "key-reuse"),
    "no about the form": refusal(422, "validation"),
    "no with another status": refusal(422, "insufficient-stock"),
    "unknown product with another status": refusal(409, "unknown-product"),
    "no with a foreign type": answer(
        409, {"type": "https://example.org/insufficient-stock"}, "application/problem+json"
    ),
    "no without its prefix": answer(409, {"type": "insufficient-stock"}, "application/problem+json"),
    "no without a type": answer(409, {"title": "Conflict"}, "application/problem+json"),
    "no with a number as type": answer(409, {"type": 4}, "application/problem+json"),
    "broken JSON": answer(200, b'{"id":'),
    "empty": answer(200, b""),
    "deep JSON": answer(200, b"[" * 100_000),
    "not UTF-8": answer(200, b'{"id": "\xff\xfe"}'),
    "a list": answer(200, [reservation()]),
    "null": answer(200, None),
    "another id": answer(200, reservation(id=str(OTHER))),
    "no id": answer(200, {"state": "held"}),
    "an unknown state": answer(200, reservation(state="maybe")),
    "a state of another kind": answer(200, reservation(state=["held"])),
    "a line missing": answer(200, reservation(lines=changed_line()[:1], total_cents=500)),
    "a line too many": answer(
        200, reservation(lines=[*changed_line(), changed_line(product_id=9)[0]], total_cents=1099)
    ),
    "another quantity": answer(200, reservation(lines=changed_line(qty=1), total_cents=349)),
    "another product": answer(200, reservation(lines=changed_line(product_id=8))),
    "no price": answer(200, reservation(lines=changed_line(unit_price_cents=None))),
    "a price as text": answer(200, reservation(lines=changed_line(unit_price_cents="250"))),
    "a price as float": answer(200, reservation(lines=changed_line(unit_price_cents=250.0))),
    "a negative price": answer(200, reservation(lines=changed_line(unit_price_cents=-250), total_cents=-401)),
    "a price beyond bigint": answer(
        200, reservation(lines=changed_line(unit_price_cents=2**63), total_cents=2**64 + 99)
    ),
    "a truth as quantity": answer(200, reservation(lines=changed_line(qty=True))),
    "a name missing": answer(200, reservation(lines=[{"product_id": 1, "qty": 2, "unit_price_cents": 250}])),
    "a name with NUL": answer(200, reservation(lines=changed_line(name="A\0"))),
    "half a character": answer(200, reservation(lines=changed_line(name="\ud800"))),
    "a line of another kind": answer(200, reservation(lines=[1, 2])),
    "lines of another kind": answer(200, reservation(lines=5)),
    "a wrong total": answer(200, reservation(total_cents=598)),
    "a total missing": answer(200, {key: value for key, value in reservation().items() if key != "total_cents"}),
}


@pytest.mark.parametrize("outcome", NOT_DECISIONS.values(), ids=NOT_DECISIONS.keys())
async def test_anything_else_decides_nothing(outcome: Answer | Exception) -> None:
    catalog = HttpCatalog(Canned(outcome))
    with pytest.raises(NoDecision):
        await catalog.reserve(ORDER, LINES)
    with pytest.raises(NoDecision):
        await catalog.confirm(ORDER, LINES)
    with pytest.raises(NoDecision):
        await catalog.release(ORDER, "timed-out")
    with pytest.raises(NoDecision):
        await catalog.give_back(ORDER, "cancel")


async def test_a_reservation_without_effect_is_not_a_yes() -> None:
    for state in ("released", "returned"):
        with pytest.raises(NoDecision):
            await HttpCatalog(Canned(answer(200, reservation(state=state)))).reserve(ORDER, LINES)


async def test_a_reservation_that_is_still_held_does_not_confirm() -> None:
    with pytest.raises(NoDecision):
        await HttpCatalog(Canned(answer(200, reservation(state="held")))).confirm(ORDER, LINES)


async def test_a_committed_reservation_confirms() -> None:
    upstream = Canned(answer(200, reservation(state="committed")))
    decision = await HttpCatalog(upstream).confirm(ORDER, LINES)
    assert isinstance(decision, Reservation)
    assert decision.committed
    assert upstream.asked == [("POST", f"/products/reservations/{ORDER}/confirm", None)]


async def test_a_confirmation_is_never_201() -> None:
    with pytest.raises(NoDecision):
        await HttpCatalog(Canned(answer(201, reservation(state="committed")))).confirm(ORDER, LINES)


@pytest.mark.parametrize("state", ["released", "committed", "returned"])
async def test_a_release_tells_the_state(state: str) -> None:
    upstream = Canned(answer(200, {"id": str(ORDER), "state": state}))
    assert await HttpCatalog(upstream).release(ORDER, "timed-out") == state
    assert upstream.asked == [("POST", f"/products/reservations/{ORDER}/release", {"reason": "timed-out"})]


async def test_a_release_that_leaves_it_held_decides_nothing() -> None:
    with pytest.raises(NoDecision):
        await HttpCatalog(Canned(answer(200, {"id": str(ORDER), "state": "held"}))).release(ORDER, "timed-out")


async def test_a_return_is_done_when_the_answer_says_so() -> None:
    upstream = Canned(answer(200, {"id": str(ORDER), "state": "returned"}))
    await HttpCatalog(upstream).give_back(ORDER, "refund")
    assert upstream.asked == [("POST", f"/products/reservations/{ORDER}/return", {"reason": "refund"})]


@pytest.mark.parametrize(("identifier", "state"), [(ORDER, "committed"), (OTHER, "returned")])
async def test_a_return_is_not_done_by_another_answer(identifier: UUID, state: str) -> None:
    with pytest.raises(NoDecision):
        await HttpCatalog(Canned(answer(200, {"id": str(identifier), "state": state}))).give_back(ORDER, "cancel")


# Over a real socket: what leaves, and what a peer that misbehaves does to us.

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def peer(handle: Handler) -> AsyncIterator[HttpCatalog]:
    """A product service that is a few bytes; each request it got is handed to `handle` whole."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(_headers(head).get("content-length", "0"))
                await handle(head + await reader.readexactly(length), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    upstream = Upstream(f"http://127.0.0.1:{port}", audience="product", signer=Signer(KEYS))
    try:
        yield HttpCatalog(upstream)
    finally:
        await upstream.close()
        server.close()
        await server.wait_closed()


def _headers(request: bytes) -> Mapping[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _response(status: str, body: bytes, media_type: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_calls_are_signed_and_carry_what_is_left_of_the_deadline() -> None:
    requests: list[bytes] = []

    async def handle(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        writer.write(_response("201 Created", json.dumps(reservation()).encode()))

    async with peer(handle) as catalog:
        with deadline(5):
            assert await catalog.reserve(ORDER, LINES) == EXPECTED
    (request,) = requests
    headers = _headers(request)
    body = request.partition(b"\r\n\r\n")[2]
    assert 4000 < int(headers["x-deadline-ms"]) <= 5000
    signed = InternalRequest("PUT", f"/products/reservations/{ORDER}", body, "product")
    assert Verifier(KEYS).verify(headers["authorization"], signed).kind == "service"


async def test_a_peer_that_hangs_up_is_asked_three_times_and_decides_nothing() -> None:
    requests: list[bytes] = []

    async def handle(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        writer.close()

    async with peer(handle) as catalog:
        with deadline(5), pytest.raises(NoDecision):
            await catalog.reserve(ORDER, LINES)
    # The client library may repeat a PUT of its own accord: a try is what has a signature of its own.
    assert len({_headers(request)["authorization"] for request in requests}) == 3


async def test_a_peer_that_says_nothing_decides_nothing_and_the_deadline_holds() -> None:
    async def handle(_: bytes, __: asyncio.StreamWriter) -> None:
        return

    started = asyncio.get_running_loop().time()
    async with peer(handle) as catalog:
        with deadline(0.5), pytest.raises(NoDecision):
            await catalog.reserve(ORDER, LINES)
    assert asyncio.get_running_loop().time() - started < 1.5


async def test_an_answer_after_a_reset_is_a_decision() -> None:
    requests: list[bytes] = []

    async def handle(request: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(request)
        if len(requests) == 1:
            writer.close()
            return
        writer.write(_response("409 Conflict", refusal(409, "insufficient-stock").body, "application/problem+json"))

    async with peer(handle) as catalog:
        with deadline(5):
            assert await catalog.reserve(ORDER, LINES) == Refusal("insufficient-stock")


async def test_nobody_listening_decides_nothing() -> None:
    upstream = Upstream("http://127.0.0.1:1", audience="product", signer=Signer(KEYS))
    with deadline(2), pytest.raises(NoDecision):
        await HttpCatalog(upstream).reserve(ORDER, LINES)
    await upstream.close()


async def test_the_catalogue_is_open_when_the_breaker_is() -> None:
    upstream = Upstream("http://127.0.0.1:1")
    catalog = HttpCatalog(upstream)
    open_after: list[bool] = []
    for _ in range(20):
        with pytest.raises(NoDecision):
            await catalog.confirm(ORDER, LINES)
        open_after.append(catalog.open)
    assert not open_after[0]
    assert open_after[-1]
    await upstream.close()
