"""The local load balancer over real sockets: uvicorn in front, targets of every kind behind."""

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import aiohttp
import pytest
import uvicorn
import yarl
from starlette.types import Receive, Scope, Send

from cfn.environments import SERVICES
from scripts.twin.health import HealthChecks
from scripts.twin.load_balancer import LoadBalancer, config
from scripts.twin.postgres import free_port
from scripts.twin.routing import listener

CHECKS = HealthChecks(interval=0.05, timeout=0.5, first_interval=0.05)
TRACE = r"1-[0-9a-f]{8}-[0-9a-f]{24}"
Answerer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


class Mirror:
    """A target that answers with what it was sent, and that can be told to be sick."""

    def __init__(self) -> None:
        self.healthy = True
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await answer(send, 200 if self.healthy else 500, b"")
            return
        self.requests += 1
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        seen = {
            "method": scope["method"],
            "target": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
            "size": size,
            "headers": [(name.decode(), value.decode()) for name, value in scope["headers"]],
        }
        await answer(send, 200, json.dumps(seen).encode())


async def answer(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-length", str(len(body)).encode()),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"connection", b"x-private"),
        (b"x-private", b"for one hop"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def served(app: Any, port: int | None = None) -> AsyncIterator[int]:
    port = port or free_port()
    settings = config(app, host="127.0.0.1", port=port)
    settings.lifespan = "on" if isinstance(app, LoadBalancer) else "off"
    server = uvicorn.Server(settings)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment] # pytest keeps its own
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it announces nothing
        await asyncio.sleep(0.005)
    try:
        yield port
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def raw_target(answerer: Answerer) -> AsyncIterator[int]:
    server = await asyncio.start_server(answerer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def balanced(
    ports: Iterable[int], *, idle_timeout: float = 5.0
) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """A load balancer whose product service runs on these ports; the other services have no target."""
    rules = listener(SERVICES, {"product": [f"127.0.0.1:{port}" for port in ports]})
    app = LoadBalancer(rules, port=80, idle_timeout=idle_timeout, checks=CHECKS)
    async with served(app) as port, aiohttp.ClientSession(auto_decompress=False) as session:
        yield f"http://127.0.0.1:{port}", session


async def seen_by(
    session: aiohttp.ClientSession, url: str | yarl.URL, method: str = "GET", **options: Any
) -> dict[str, Any]:
    async with session.request(method, url, **options) as response:
        assert response.status == 200, await response.text()
        seen: dict[str, Any] = await response.json(content_type=None)
        return seen


def values(seen: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in seen["headers"] if key == name]


# --- what reaches the target ----------------------------------------------------------------------------------------


async def test_path_query_method_and_host_arrive_as_they_were_sent() -> None:
    async with served(Mirror()) as port, balanced([port]) as (shop, session):
        url = yarl.URL(f"{shop}/products/a%2Fb%20c?q=%C3%A4+b&q=%zz", encoded=True)
        seen = await seen_by(session, url, "OPTIONS", headers={"Host": "shop.example"})
    assert seen["target"] == "/products/a%2Fb%20c?q=%C3%A4+b&q=%zz"
    assert seen["method"] == "OPTIONS"
    assert values(seen, "host") == ["shop.example"]


async def test_forwarded_headers_are_added_and_never_believed_except_the_list_of_addresses() -> None:
    forged = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
    async with served(Mirror()) as port, balanced([port]) as (shop, session):
        bare = await seen_by(session, f"{shop}/products")
        seen = await seen_by(session, f"{shop}/products", headers=forged)
    assert values(bare, "x-forwarded-for") == ["127.0.0.1"]
    assert values(seen, "x-forwarded-for") == ["203.0.113.7, 127.0.0.1"]
    assert values(seen, "x-forwarded-proto") == ["http"]
    assert values(seen, "x-forwarded-port") == ["80"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, f"Root={TRACE}"),
        ("Root=1-5-6;Sampled=1", f"Self={TRACE};Root=1-5-6;Sampled=1"),
        ("Self=1-2-3;Root=1-5-6", f"Self={TRACE};Root=1-5-6"),
    ],
)
async def test_a_trace_is_begun_or_marked(given: str | None, expected: str) -> None:
    async with served(Mirror()) as port, balanced([port]) as (shop, session):
        seen = await seen_by(session, f"{shop}/products", headers={"X-Amzn-Trace-Id": given} if given else {})
    (trace,) = values(seen, "x-amzn-trace-id")
    assert re.fullmatch(expected, trace)


async def test_repeated_headers_stay_repeated_and_those_of_one_hop_stop_here() -> None:
    headers = [("X-Tag", "1"), ("X-Tag", "2"), ("Connection", "x-hop"), ("X-Hop", "1"), ("TE", "trailers")]
    async with served(Mirror()) as port, balanced([port]) as (shop, session):
        seen = await seen_by(session, f"{shop}/products", headers=headers)
        async with session.get(f"{shop}/products") as response:
            returned = response.raw_headers
    assert values(seen, "x-tag") == ["1", "2"]
    assert {"x-hop", "te", "connection", "upgrade"}.isdisjoint(dict(seen["headers"]))
    assert [value for name, value in returned if name.lower() == b"set-cookie"] == [b"a=1", b"b=2"]
    assert b"x-private" not in {name.lower() for name, _ in returned}


async def test_nothing_is_added_that_the_client_did_not_send() -> None:
    skipped = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
    async with served(Mirror()) as port, balanced([port]) as (shop, session):
        seen = await seen_by(session, f"{shop}/products", "POST", data=b"x", skip_auto_headers=skipped)
    added = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id"}
    assert {name for name, _ in seen["headers"]} == added | {"host", "content-length"}


@pytest.mark.parametrize("length_known", [True, False])
async def test_a_large_body_arrives_whole(length_known: bool) -> None:
    payload = b"x" * 3_000_000

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(payload), 50_000):
            yield payload[start : start + 50_000]

    async with served(Mirror()) as port, balanced([port]) as (shop, session):
        seen = await seen_by(session, f"{shop}/products", "PUT", data=io.BytesIO(payload) if length_known else pieces())
    assert seen["size"] == len(payload)
    assert values(seen, "content-length") == ([str(len(payload))] if length_known else [])


# --- what comes back ------------------------------------------------------------------------------------------------


async def test_an_answer_streams_before_it_is_complete() -> None:
    complete = asyncio.Event()

    async def slow(scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] != "/healthz":
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            await complete.wait()
        await send({"type": "http.response.body", "body": b"last"})

    async with (
        served(slow) as port,
        balanced([port]) as (shop, session),
        asyncio.timeout(5),
        session.get(f"{shop}/products") as response,
    ):
        assert await response.content.readany() == b"first"
        complete.set()
        assert await response.content.read() == b"last"


async def test_a_body_streams_to_the_target_before_it_is_complete() -> None:
    arrived = asyncio.Event()

    async def listening(scope: Scope, receive: Receive, send: Send) -> None:
        more = scope["path"] != "/healthz"
        while more:
            message = await receive()
            if message.get("body"):
                arrived.set()
            more = message.get("more_body", False)
        await answer(send, 200, b"")

    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await arrived.wait()
        yield b"last"

    async with (
        served(listening) as port,
        balanced([port]) as (shop, session),
        asyncio.timeout(5),
        session.post(f"{shop}/products", data=pieces()) as response,
    ):
        assert response.status == 200


async def test_head_has_the_length_and_no_body() -> None:
    async with (
        served(Mirror()) as port,
        balanced([port]) as (shop, session),
        session.head(f"{shop}/products") as response,
    ):
        assert int(response.headers["Content-Length"]) > 100
        assert await response.read() == b""


async def test_an_answer_that_breaks_off_is_broken_off_for_the_client_too() -> None:
    async def breaking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await writer.drain()
        writer.close()

    async with raw_target(breaking) as port, balanced([port]) as (shop, session):
        with pytest.raises(aiohttp.ClientPayloadError):
            async with session.get(f"{shop}/products") as response:
                await response.read()


# --- its own answers ------------------------------------------------------------------------------------------------


def answering(text: bytes) -> Answerer:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        writer.close()

    return serve


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("closes", b""),
        ("garbage", b"what do you want?\r\n\r\n"),
        ("cut headers", b"HTTP/1.1 200 OK\r\nContent-"),
        ("cut body", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("headers above 32 K", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 40_000 + b"\r\n\r\n"),
    ],
)
async def test_a_target_that_does_not_answer_properly_is_a_bad_gateway(what: str, text: bytes) -> None:
    async with (
        raw_target(answering(text)) as port,
        balanced([port]) as (shop, session),
        session.get(f"{shop}/products") as response,
    ):
        assert (response.status, what) == (502, what)
        assert response.headers["Server"] == "awselb/2.0"
        assert response.content_type == "text/html"
        assert "<center><h1>502 Bad Gateway</h1></center>" in await response.text()


async def test_a_target_that_refuses_connections_is_a_bad_gateway() -> None:
    async with balanced([free_port()]) as (shop, session), session.get(f"{shop}/products") as response:
        assert response.status == 502


async def test_a_service_without_targets_is_unavailable() -> None:
    async with balanced([]) as (shop, session):
        for path in ("/products", "/orders/x", "/"):
            async with session.get(shop + path) as response:
                assert response.status == 503
        async with session.head(shop) as response:
            assert (response.status, await response.read()) == (503, b"")


async def test_a_target_that_stays_silent_is_a_gateway_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        writer.close()

    async with (
        raw_target(silent) as port,
        balanced([port], idle_timeout=0.2) as (shop, session),
        session.get(f"{shop}/products") as response,
    ):
        assert response.status == 504


async def test_a_client_whose_body_stops_coming_is_told_so() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(1)
        yield b"too late"

    async with (
        served(Mirror()) as port,
        balanced([port], idle_timeout=0.2) as (shop, session),
        session.post(f"{shop}/products", data=pieces()) as response,
    ):
        assert response.status == 408


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (b"TRACE /products HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET /products?" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /products HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 400),
        (b"GET /products HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\r\n\r\n", 400),
        (b"GET /products HTTP/1.1\r\nHost: a\r\n" + b"X: %s\r\n" % (b"y" * 10_000) * 7 + b"\r\n", 400),
    ],
)
async def test_what_the_load_balancer_refuses_never_reaches_a_target(request_text: bytes, status: int) -> None:
    mirror = Mirror()
    async with served(mirror) as port, balanced([port]) as (shop, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(shop.rpartition(":")[2]))
        writer.write(request_text)
        assert (await reader.readline()).split()[1] == str(status).encode()
        writer.close()
    assert mirror.requests == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
async def test_a_request_is_sent_once_even_when_a_kept_connection_turns_out_to_be_dead(method: str) -> None:
    """RFC 9110 9.2.2 would allow some to be repeated; whoever counts attempts must be able to rely on one."""
    requests: list[bytes] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                line = (await reader.readuntil(b"\r\n\r\n")).partition(b" HTTP")[0]
                if b"/healthz" not in line:
                    requests.append(line)
                if b"/products/2" in line:
                    break
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with raw_target(once) as port, balanced([port]) as (shop, session):
        async with session.get(f"{shop}/products/1") as response:
            assert response.status == 200
        async with session.request(method, f"{shop}/products/2") as response:
            assert response.status == 502
    assert requests == [b"GET /products/1", f"{method} /products/2".encode()]


# --- health ---------------------------------------------------------------------------------------------------------


async def test_a_sick_target_is_left_out_until_it_has_recovered() -> None:
    first, second = Mirror(), Mirror()
    async with served(first) as one, served(second) as two, balanced([one, two]) as (shop, session):

        async def shares() -> tuple[int, int]:
            first.requests = second.requests = 0
            for _ in range(6):
                await seen_by(session, f"{shop}/products")
            return first.requests, second.requests

        await asyncio.sleep(0.3)
        assert await shares() == (3, 3)
        first.healthy = False
        await asyncio.sleep(0.4)
        assert await shares() == (0, 6)
        second.healthy = False
        await asyncio.sleep(0.4)
        assert await shares() == (3, 3), "the group fails open"
        first.healthy = True
        await asyncio.sleep(0.4)
        assert await shares() == (6, 0)
