"""Calls to another service: what travels with them, when they are repeated, and when they are not made at all."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from services.chassis.auth import InternalRequest, Signer, Verifier
from services.chassis.errors import Unavailable
from services.chassis.logs import request_id
from services.chassis.sampling import Sampler
from services.chassis.tracing import Tracing
from services.chassis.upstream import Breaker, RetryBudget, Upstream, deadline, remaining

Handler = Callable[[web.Request], Any]
KEYS = {"k": b"k" * 32}
TRACE = "Root=1-67891233-abcdef012345678912345678;Parent=0123456789abcdef"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    sockets = getattr(site._server, "sockets")  # noqa: B009 - AbstractServer does not declare it
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        await runner.cleanup()


class Statuses:
    """Answers with each status in turn, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        self.requests.append(request)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.json_response({"status": status}, status=status)


async def test_context_travels_with_the_call() -> None:
    handler = Statuses()
    request_id.set("abcdefgh")
    async with serving(handler.answer) as url:
        upstream = Upstream(url, origin_secret="inside")
        with Tracing("x", None, sampler=Sampler(()), facts={}).start_request(TRACE, "GET", "/"), deadline(5):
            answer = await upstream.request("GET", "/a b".replace(" ", "%20"), query={"q": "ü&"})
        await upstream.close()
    (request,) = handler.requests
    assert answer.json() == {"status": 200}
    assert request.raw_path == "/a%20b?q=%C3%BC%26"
    assert request.headers["X-Request-Id"] == "abcdefgh"
    assert request.headers["X-Origin-Verify"] == "inside"
    assert request.headers["X-Amzn-Trace-Id"] == f"{TRACE};Sampled=0"
    assert 4000 < int(request.headers["X-Deadline-Ms"]) <= 5000


async def test_a_call_is_signed_anew_each_time() -> None:
    seen = []
    verifier = Verifier(KEYS)

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        signed = InternalRequest(request.method, request.raw_path, body, "things")
        seen.append(verifier.verify(request.headers["Authorization"], signed).name)
        return web.Response(status=503 if len(seen) == 1 else 200)

    async with serving(handler) as url:
        upstream = Upstream(url, audience="things", signer=Signer(KEYS))
        answer = await upstream.request("PUT", "/x", query="a=1", json={"n": 1}, tries=2)
        await upstream.close()
    assert (answer.status, seen) == (200, ["k", "k"])


@pytest.mark.parametrize(("statuses", "tries", "final", "calls"), [
    ((500,), 1, 500, 1),
    ((500,), 3, 200, 2),
    ((503, 502), 3, 200, 3),
    ((503, 502, 500), 3, 500, 3),
    ((429,), 2, 200, 2),
    ((409,), 3, 409, 1),
    ((400,), 3, 400, 1),
])  # fmt: skip
async def test_only_answers_that_may_change_are_asked_for_again(
    statuses: tuple[int, ...], tries: int, final: int, calls: int
) -> None:
    handler = Statuses(*statuses)
    async with serving(handler.answer) as url:
        upstream = Upstream(url)
        assert (await upstream.request("GET", "/", tries=tries)).status == final
        await upstream.close()
    assert len(handler.requests) == calls


async def test_the_budget_ends_retries_before_the_tries_do() -> None:
    handler = Statuses(*[500] * 100)
    async with serving(handler.answer) as url:
        upstream = Upstream(url, breaker=Breaker(clock=lambda: float(len(handler.requests) * 100)))
        for _ in range(20):
            await upstream.request("GET", "/", tries=3)
        await upstream.close()
    assert 30 <= len(handler.requests) <= 33


async def test_a_timeout_and_a_refusal_are_unavailable(unused_tcp_port: int) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async with serving(slow) as url:
        upstream = Upstream(url)
        with pytest.raises(Unavailable):
            await upstream.request("GET", "/", timeout=0.05)
        await upstream.close()
    refused = Upstream(f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(Unavailable):
        await refused.request("GET", "/", tries=2)
    await refused.close()


async def test_a_disconnect_is_not_answered_by_sending_the_same_signature_again() -> None:
    """aiohttp would repeat an idempotent method on a connection that it used before."""
    calls = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        if calls == 2:
            assert request.transport is not None
            request.transport.close()
        return web.Response()

    async with serving(handler) as url:
        upstream = Upstream(url)
        assert (await upstream.request("PUT", "/")).status == 200
        with pytest.raises(Unavailable):
            await upstream.request("PUT", "/")
        await upstream.close()
    assert calls == 2


async def test_an_answer_that_is_no_http_says_nothing_about_the_request() -> None:
    """aiohttp's own exception has the request in its text, credentials and all; it would end in the log."""

    async def garble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 garbled\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(garble, "127.0.0.1", 0)
    upstream = Upstream(
        f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}",
        audience="product",
        signer=Signer(KEYS),
        origin_secret="inside",
    )
    with pytest.raises(Unavailable) as caught:
        await upstream.request("GET", "/", query={"name": "ann"})
    await upstream.close()
    server.close()
    told = "".join(traceback.format_exception(caught.value))
    assert "ConnectionError: ClientResponseError" in told
    assert [secret for secret in ("Tandem k.", "inside", "name=ann") if secret in told] == []


async def test_after_the_deadline_nothing_is_asked() -> None:
    handler = Statuses()
    async with serving(handler.answer) as url:
        upstream = Upstream(url)
        with deadline(0), pytest.raises(Unavailable):
            await upstream.request("GET", "/")
        await upstream.close()
    assert handler.requests == []


def test_a_nearer_outer_deadline_holds() -> None:
    with deadline(1), deadline(60):
        left = remaining()
    assert left is not None
    assert left <= 1
    assert remaining() is None


async def test_a_caller_that_gives_up_does_not_count_against_the_peer() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async with serving(slow) as url:
        upstream = Upstream(url)
        for _ in range(25):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await upstream.request("GET", "/")
        assert not upstream.open
        await upstream.close()


def test_a_budget_earns_a_tenth_of_a_retry_a_call() -> None:
    budget = RetryBudget(0.0)
    for _ in range(10):
        assert not budget.spend()
        budget.earn()
    budget.earn()
    assert budget.spend()
    assert not budget.spend()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.record(failed=True, probe=breaker.admit())


def is_open(breaker: Breaker) -> bool:
    """A call, so that the type checker does not take the property for a constant."""
    return breaker.open


def test_a_breaker_opens_at_half_of_twenty_and_lets_one_probe_through_after_five_seconds() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(10):
        breaker.record(failed=False, probe=breaker.admit())
    fail(breaker, 9)
    assert not is_open(breaker)
    fail(breaker, 1)
    assert is_open(breaker)
    with pytest.raises(Unavailable):
        breaker.admit()
    clock.now += 5.1
    assert breaker.admit() is True
    with pytest.raises(Unavailable):
        breaker.admit()
    breaker.record(failed=True, probe=True)
    with pytest.raises(Unavailable):
        breaker.admit()
    clock.now += 5.1
    breaker.record(failed=False, probe=breaker.admit())
    assert breaker.admit() is False


def test_failures_older_than_ten_seconds_are_forgotten() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    fail(breaker, 19)
    clock.now += 10.1
    fail(breaker, 5)
    assert not breaker.open


def test_a_late_answer_from_before_does_not_close_an_open_breaker() -> None:
    breaker = Breaker(Clock())
    fail(breaker, 20)
    breaker.record(failed=False, probe=False)
    assert breaker.open
