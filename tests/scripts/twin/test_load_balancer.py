"""The local load balancer over real sockets: uvicorn in front, targets of every kind behind."""

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
import yarl
from starlette.types import Receive, Scope, Send

from scripts.twin.postgres import free_port
from tests.scripts.twin.balancing import (
    Answerer,
    Mirror,
    answer,
    balanced,
    balancer_of,
    opened,
    raw_target,
    seen_by,
    served,
    until,
    values,
)
from tests.scripts.twin.deployments import SECRET

TRACE = r"1-[0-9a-f]{8}-[0-9a-f]{24}"


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
        ("anything", f"Self={TRACE};anything"),
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
    added = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id", "x-origin-verify"}
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
    """ "HTTP 502" in "Troubleshoot …": closed with RST or FIN, or a malformed response."""
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
    """ "HTTP 502": a TCP RST from the target when attempting to establish a connection."""
    async with balanced([free_port()]) as (shop, session), session.get(f"{shop}/products") as response:
        assert response.status == 502


async def test_a_service_without_targets_is_unavailable() -> None:
    """ "HTTP 503": the target groups for the load balancer have no registered targets."""
    async with balanced([]) as (shop, session):
        for path in ("/products", "/orders/x", "/"):
            async with session.get(shop + path) as response:
                assert response.status == 503
        async with session.head(shop) as response:
            assert (response.status, await response.read()) == (503, b"")


async def test_a_target_that_stays_silent_is_a_gateway_timeout() -> None:
    """ "HTTP 504": the target did not respond before the idle timeout period elapsed."""

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
    """ "HTTP 408": the client did not send data before the idle timeout period expired."""

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
        (b"GET /products HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: " + b", ".join([b"10.0.0.1"] * 31) + b"\r\n\r\n", 463),
    ],
)
async def test_what_the_load_balancer_refuses_never_reaches_a_target(request_text: bytes, status: int) -> None:
    """ "Troubleshoot your Application Load Balancers": HTTP 400, 405, 414 and 463."""
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


# --- the origin secret ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{}, {"X-Origin-Verify": "guessed"}])
async def test_who_does_not_come_through_the_front_door_gets_the_default_action(headers: dict[str, str]) -> None:
    mirror = Mirror()
    async with served(mirror) as target, served(balancer_of([target])) as port, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/products", headers=headers) as response:
            assert (response.status, await response.text()) == (403, "Come through the front door.")
        async with session.get(f"http://127.0.0.1:{port}/products", headers={"x-origin-verify": SECRET}) as response:
            assert response.status == 200
    assert mirror.requests == 1


async def test_the_front_door_replaces_what_a_client_sends_under_its_header() -> None:
    """CloudFront, "Add custom headers to origin requests": it overrides the value that the viewer sent."""
    async with served(Mirror()) as port, balanced([port]) as (shop, session):
        seen = await seen_by(session, f"{shop}/products", headers=[("X-Origin-Verify", "a"), ("x-origin-verify", "b")])
    assert values(seen, "x-origin-verify") == [SECRET]


async def test_headers_with_odd_names_are_dropped_before_the_rules_see_them() -> None:
    """ "Application Load Balancer attributes": routing.http.drop_invalid_header_fields.enabled."""
    async with served(Mirror()) as port, balanced([port]) as (shop, session):
        seen = await seen_by(session, f"{shop}/products", headers={"X_Under": "1", "X-Fine": "2"})
    assert values(seen, "x_under") == []
    assert values(seen, "x-fine") == ["2"]


# --- targets that come and go ---------------------------------------------------------------------------------------


async def test_a_sick_target_is_left_out_until_it_has_recovered() -> None:
    """ "Health checks for Application Load Balancer target groups": healthy targets only; none healthy, all of them."""
    first, second = Mirror(), Mirror()
    async with served(first) as one, served(second) as two:
        balancer = balancer_of([one, two])
        (group,) = [group for group in balancer.groups.values() if group.targets and group.value.kind == "ip"]

        async def shares(*, healthy: tuple[bool, bool]) -> tuple[int, int]:
            first.healthy, second.healthy = healthy
            await until(lambda: [target.healthy for target in group.targets] == list(healthy))
            first.requests = second.requests = 0
            for _ in range(6):
                await seen_by(session, f"{shop}/products")
            return first.requests, second.requests

        async with opened(balancer) as (shop, session):
            assert await shares(healthy=(True, True)) == (3, 3)
            assert await shares(healthy=(False, True)) == (0, 6)
            assert await shares(healthy=(False, False)) == (3, 3), "the group fails open"
            assert await shares(healthy=(True, False)) == (6, 0)


async def test_a_target_that_leaves_gets_no_new_requests_and_may_answer_those_it_has() -> None:
    """ "Deregistration delay" in "Edit target group attributes for your Application Load Balancer"."""
    asked, answering = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] != "/healthz":
            asked.set()
            await answering.wait()
        await answer(send, 200, b"at last")

    async with served(slow) as port:
        balancer = balancer_of([port])
        group = balancer.account.deployment.task("product").group
        async with opened(balancer) as (shop, session):
            running = asyncio.create_task(session.get(f"{shop}/products"))
            await asked.wait()
            balancer.deregister(group, f"127.0.0.1:{port}")
            async with session.get(f"{shop}/products") as refused:
                assert refused.status == 503
            answering.set()
            async with await running as response:
                assert (response.status, await response.read()) == (200, b"at last")


async def test_a_request_that_outlives_the_deregistration_delay_is_a_bad_gateway() -> None:
    """ "HTTP 502": "The deregistration delay period elapsed for a request being handled by a target …"."""
    asked, tested = asyncio.Event(), asyncio.Event()

    async def silent(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"] != "/healthz":
            asked.set()
            await tested.wait()
        await answer(send, 200, b"")

    async with served(silent) as port:
        balancer = balancer_of([port])
        arn = balancer.account.deployment.task("product").group
        attributes = {"deregistration_delay.timeout_seconds": "0"}
        balancer.groups[arn].value = replace(balancer.groups[arn].value, attributes=attributes)
        async with opened(balancer) as (shop, session):
            running = asyncio.create_task(session.get(f"{shop}/products"))
            await asked.wait()
            balancer.deregister(arn, f"127.0.0.1:{port}")
            async with await running as response:
                assert response.status == 502
            assert balancer.groups[arn].targets == []
        tested.set()


async def test_the_target_with_the_fewest_requests_outstanding_is_next() -> None:
    """ "Routing algorithms" in "Target groups for your Application Load Balancers": least outstanding requests."""
    waiting, answering = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["path"].endswith("/slow"):
            waiting.set()
            await answering.wait()
        await answer(send, 200, b"slow")

    async def quick(scope: Scope, _receive: Receive, send: Send) -> None:
        await answer(send, 200, b"slow" if scope["path"].endswith("/slow") else b"quick")

    async with served(slow) as one, served(quick) as two, opened(balancer_of([one, two])) as (shop, session):
        running = [asyncio.create_task(session.get(f"{shop}/products/slow")) for _ in range(2)]
        await waiting.wait()
        for _ in range(4):
            async with session.get(f"{shop}/products") as response:
                assert await response.read() == b"quick"
        answering.set()
        for each in running:
            async with await each as response:
                assert response.status == 200
