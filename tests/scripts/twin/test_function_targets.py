"""Functions as targets, over real sockets, with a Lambda service that does what a test tells it."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from starlette.types import Receive, Scope, Send

from scripts.twin.deployment.values import Deployment, HealthCheck
from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.balancer import LoadBalancer
from scripts.twin.load_balancer.journal import Entry
from scripts.twin.postgres import free_port
from tests.scripts.twin.balancing import Mirror, opened, served, until
from tests.scripts.twin.deployments import group_of, local, weighted, with_group

Members = dict[str, Any]
MEGABYTE = 1024 * 1024


class Lambda:
    """The Invoke API: remembers what it was asked, and answers what it was given."""

    def __init__(self, answer: Members | bytes | None = None, status: int = 200, error: str = "") -> None:
        self.answer: Members | bytes = {"statusCode": 200, "body": "from a function"} if answer is None else answer
        self.status = status
        self.error = error
        self.asked: list[tuple[str, Members]] = []
        self.traces: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.asked.append((f"{scope['method']} {scope['path']}", json.loads(body)))
        self.traces += [value.decode() for name, value in scope["headers"] if name == b"x-amzn-trace-id"]
        payload = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
        headers = [(b"x-amz-function-error", self.error.encode())] if self.error else []
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": payload})

    @property
    def events(self) -> list[Members]:
        return [event for _, event in self.asked]


def only_functions(deployment: Deployment | None = None) -> Deployment:
    return weighted(deployment or local(), "product", {"fargate": 0, "lambda": 100})


@contextlib.asynccontextmanager
async def backed(
    service: Callable[..., Any] | None = None, deployment: Deployment | None = None
) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """A load balancer whose product service is a function."""
    balancer = LoadBalancer(Account(deployment or only_functions()), hurry=100)
    async with served(service or Lambda()) as port:
        balancer.use_functions(f"http://127.0.0.1:{port}")
        async with opened(balancer) as shop:
            yield shop


async def status_of(session: aiohttp.ClientSession, url: str, method: str = "GET", **options: Any) -> int:
    async with session.request(method, url, **options) as response:
        assert response.status == 200 or "<center>" in await response.text()
        return response.status


async def test_a_request_reaches_the_function_of_the_group_and_its_answer_the_client() -> None:
    cookies = {"Set-Cookie": ["a=1", "b=2"], "Content-Type": ["application/json"], "Connection": ["close"]}
    function = Lambda({"statusCode": 201, "multiValueHeaders": cookies, "body": '{"made": true}'})
    async with backed(function) as (shop, session):
        headers = {"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.7", "TE": "trailers"}
        async with session.post(f"{shop}/products?dry=1", data=b'{"a":1}', headers=headers) as response:
            assert (response.status, await response.json()) == (201, {"made": True})
            assert response.headers.getall("Set-Cookie") == ["a=1", "b=2"]
            assert response.headers["Content-Length"] == "14"
            assert response.headers["Server"] == "awselb/2.0"
            assert "Date" in response.headers
            assert "Connection" not in response.headers
    ((path, event),) = function.asked
    assert path == "POST /2015-03-31/functions/tandem-local-product/invocations"
    assert event["requestContext"]["elb"]["targetGroupArn"] == group_of(local(), "product", "lambda").arn
    assert (event["path"], event["body"], event["isBase64Encoded"]) == ("/products", '{"a":1}', False)
    assert event["multiValueQueryStringParameters"] == {"dry": ["1"]}
    assert event["multiValueHeaders"]["x-forwarded-for"] == ["203.0.113.7, 127.0.0.1"]
    assert event["multiValueHeaders"]["x-forwarded-proto"] == ["http"]
    assert event["multiValueHeaders"]["x-forwarded-port"] == ["80"]
    assert event["multiValueHeaders"]["x-amzn-trace-id"][0].startswith("Root=1-")
    assert "te" not in event["multiValueHeaders"]


@pytest.mark.parametrize(("sampled", "told"), [("", "1"), (";Sampled=1", "1"), (";Sampled=0", "0")])
async def test_an_event_is_part_of_its_requests_trace_below_what_the_load_balancer_did(sampled: str, told: str) -> None:
    function, entries = Lambda(), list[Entry]()
    balancer = LoadBalancer(Account(only_functions()), hurry=100, ended=entries.append)
    root, parent = "1-6b49d200-0123456789abcdef01234567", "0123456789abcdef"
    async with served(function) as port, opened(balancer) as (shop, session):
        balancer.use_functions(f"http://127.0.0.1:{port}")
        headers = {"X-Amzn-Trace-Id": f"Root={root};Parent={parent}{sampled}"}
        assert await status_of(session, f"{shop}/products", headers=headers) == 200
    (entry,) = entries
    assert (entry.trace_id, entry.parent_id) == (root, parent)
    assert function.traces == [f"Root={root};Parent={entry.span_id};Sampled={told}"]


async def test_without_the_attribute_event_and_answer_have_single_values() -> None:
    deployment = only_functions(with_group(local(), "product", "lambda", {}))
    function = Lambda({"statusCode": 200, "headers": {"X-One": "1"}, "body": ""})
    async with backed(function, deployment) as (shop, session), session.get(f"{shop}/products?a=1&a=2") as response:
        assert (response.status, response.headers["X-One"]) == (200, "1")
    (event,) = function.events
    assert event["queryStringParameters"] == {"a": "2"}
    assert event["headers"]["host"].startswith("127.0.0.1")
    assert "multiValueHeaders" not in event


@pytest.mark.parametrize(("method", "status", "length"), [("HEAD", 200, "3"), ("GET", 204, None), ("GET", 304, None)])
async def test_head_and_statuses_without_a_body_send_none(method: str, status: int, length: str | None) -> None:
    async with (
        backed(Lambda({"statusCode": status, "body": "abc"})) as (shop, session),
        session.request(method, f"{shop}/products") as response,
    ):
        assert (response.status, await response.read()) == (status, b"")
        assert response.headers.get("Content-Length") == length


async def test_the_length_that_a_function_gives_for_head_stays() -> None:
    headers = {"Content-Length": ["462"]}
    async with (
        backed(Lambda({"statusCode": 200, "multiValueHeaders": headers, "body": ""})) as (shop, session),
        session.head(f"{shop}/products") as response,
    ):
        assert response.headers["Content-Length"] == "462"


# --- failures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [True, False])
async def test_a_request_body_above_one_megabyte_is_too_large(announced: bool) -> None:
    """ "HTTP 413: Payload too large": the target is a Lambda function and the request body exceeds 1 MB."""

    async def pieces(size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, 65_536):
            yield b"x" * min(65_536, size - start)

    function = Lambda()
    async with backed(function) as (shop, session):
        for size, expected in ((MEGABYTE, 200), (MEGABYTE + 1, 413)):
            body = io.BytesIO(b"x" * size) if announced else pieces(size)
            assert await status_of(session, f"{shop}/products", "POST", data=body) == expected
    assert len(function.asked) == 1


async def test_a_body_that_is_announced_as_too_large_is_not_waited_for() -> None:
    async with backed() as (shop, _), asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(shop.rpartition(":")[2]))
        writer.write(b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"413"
        writer.close()


async def test_an_answer_above_one_megabyte_is_a_bad_gateway() -> None:
    """ "HTTP 502": the target is a Lambda function and the response body exceeds 1 MB."""
    async with backed(Lambda({"statusCode": 200, "body": "x" * MEGABYTE})) as (shop, session):
        assert await status_of(session, f"{shop}/products") == 502


@pytest.mark.parametrize(
    ("what", "service"),
    [
        ("function error", Lambda({"errorMessage": "broken"}, error="Unhandled")),
        ("timeout of the function", Lambda({"errorMessage": "Task timed out"}, error="Unhandled")),
        ("an error that looks like an answer", Lambda({"statusCode": 200}, error="Unhandled")),
        ("throttled", Lambda({"statusCode": 200}, status=429)),
        ("Lambda service error", Lambda({"statusCode": 200}, status=500)),
        ("malformed", Lambda(b"hello")),
        ("headers against the attribute", Lambda({"statusCode": 200, "headers": {"a": "b"}})),
    ],
)
async def test_whatever_else_goes_wrong_with_a_function_is_a_bad_gateway(what: str, service: Lambda) -> None:
    """ "HTTP 502", and LambdaUserError and LambdaInternalError in "CloudWatch metrics …"."""
    async with backed(service) as (shop, session):
        assert (await status_of(session, f"{shop}/products"), what) == (502, what)


async def test_a_lambda_service_that_hangs_up_is_a_bad_gateway() -> None:
    async def rude(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    balancer = LoadBalancer(Account(only_functions()))
    balancer.use_functions(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    async with opened(balancer) as (shop, session):
        assert await status_of(session, f"{shop}/products") == 502
    server.close()


@pytest.mark.parametrize("endpoint", [None, f"http://127.0.0.1:{free_port()}"])
async def test_a_lambda_service_that_cannot_be_reached_is_a_gateway_timeout(endpoint: str | None) -> None:
    """ "HTTP 504": the Lambda service did not respond before the connection timeout expired."""
    balancer = LoadBalancer(Account(only_functions()), functions=endpoint)
    async with opened(balancer) as (shop, session):
        assert await status_of(session, f"{shop}/products") == 504


async def test_an_upgrade_to_websocket_is_refused() -> None:
    """ "WebSockets are not supported. Upgrade requests are rejected with an HTTP 400 code."""
    function = Lambda()
    async with backed(function) as (shop, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(shop.rpartition(":")[2]))
        writer.write(
            b"GET /products HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()
    assert function.asked == []


# --- weights --------------------------------------------------------------------------------------------------------


async def test_each_request_is_drawn_by_weight_and_a_change_counts_at_once() -> None:
    """ "Forward actions"; which group is drawn is random there and told by the test here."""
    points = iter([0, 59, 60, 99, 0])
    deployment = weighted(local(), "product", {"fargate": 60, "lambda": 40})
    account, mirror, function = Account(deployment), Mirror(), Lambda()
    balancer = LoadBalancer(account, hurry=100, draw=lambda _: next(points))
    async with served(mirror) as port, served(function) as service:
        balancer.register_service("product", f"127.0.0.1:{port}")
        balancer.use_functions(f"http://127.0.0.1:{service}")
        async with opened(balancer) as (shop, session):
            for _ in range(4):
                assert await status_of(session, f"{shop}/products") == 200
            assert (mirror.requests, len(function.asked)) == (2, 2)
            account.weigh("product", {"fargate": 0, "lambda": 1})
            assert await status_of(session, f"{shop}/products") == 200
            assert (mirror.requests, len(function.asked)) == (2, 3)


async def test_a_dead_group_keeps_its_share_whatever_the_other_could_do() -> None:
    """Weights are static ("Forward actions"): nothing moves by itself, so somebody has to move it."""
    points = iter([0, 99])
    deployment = weighted(local(), "product", {"fargate": 50, "lambda": 50})
    balancer = LoadBalancer(Account(deployment), hurry=100, draw=lambda _: next(points))
    async with served(Lambda()) as service:
        balancer.use_functions(f"http://127.0.0.1:{service}")
        async with opened(balancer) as (shop, session):
            assert [await status_of(session, f"{shop}/products") for _ in range(2)] == [503, 200]


# --- health ---------------------------------------------------------------------------------------------------------


async def test_functions_are_not_asked_for_their_health_unless_the_group_says_so() -> None:
    """ "By default, health checks are disabled for target groups of type lambda"."""
    group = group_of(local(), "product", "lambda")
    checked = HealthCheck(path="/up", interval=5, timeout=3, healthy=2, unhealthy=2)
    function = Lambda({"statusCode": 200})
    balancer = LoadBalancer(Account(only_functions().with_group(replace(group, health=checked))), hurry=100)
    async with served(function) as service:
        balancer.use_functions(f"http://127.0.0.1:{service}")
        async with opened(balancer):
            states = {
                arn: [known.state(target)[0] for target in known.targets] for arn, known in balancer.groups.items()
            }
            (target,) = balancer.groups[group.arn].targets
            await until(lambda: target.healthy)
            function.answer = {"statusCode": 503}
            await until(lambda: target.healthy is False)
            assert target.reason == "Target.ResponseCodeMismatch"
    assert states.pop(group_of(local(), "order", "lambda").arn) == ["unavailable"]
    assert {event["path"] for event in function.events} == {"/up"}
    assert {name for name, _ in function.asked} == {"POST /2015-03-31/functions/tandem-local-product/invocations"}
