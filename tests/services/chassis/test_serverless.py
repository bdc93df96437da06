"""The Lambda handler: what it makes of events, good and bad, and what it keeps from one to the next."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from services.chassis import serverless
from services.chassis.chores import Repeated
from services.chassis.errors import Unavailable
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.secrets import Secrets
from services.chassis.serverless import BackgroundFailed, Sandbox
from services.chassis.settings import Settings, SettingsError
from services.chassis.upstream import remaining
from services.chassis.web import create_app
from tests.services.alb_events import body_of, event, flaws, header, health_check

MODES = pytest.mark.parametrize("multi", [True, False], ids=["lists", "single"])
KEYS = json.dumps({"k": "00" * 32})
ENV = {"SESSION_KEYS": KEYS, "SERVICE_KEYS": KEYS, "VERSION": "v7", "SERVED_BY": "local"}
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:version-AbCdEf"

router = APIRouter(prefix="/things", route_class=Route)


@router.get("/loop", responses=problems())
async def show_loop(request: Request) -> dict[str, int]:
    """Waits on a lock of the first event, which belongs to its loop."""
    state = request.app.state
    if not hasattr(state, "lock"):
        state.lock = asyncio.Lock()
        await state.lock.acquire()
        asyncio.get_running_loop().call_later(0.001, state.lock.release)
    async with asyncio.timeout(5), state.lock:
        return {"loop": id(asyncio.get_running_loop())}


@router.get("/seen", responses=problems())
async def show_request(request: Request) -> dict[str, Any]:
    return {
        "path": request.scope["path"],
        "raw_path": request.scope["raw_path"].decode(),
        "query": request.scope["query_string"].decode(),
        "client": request.client.host if request.client else None,
        "remaining": remaining(),
        "version": request.app.version,
    }


@router.post("/echo", responses=problems())
async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


@router.get("/large", responses=problems())
async def large() -> Response:
    return Response("x" * 1_100_000, media_type="text/plain")


@router.get("/odd-headers", responses=problems())
async def odd_headers() -> Response:
    response = Response(status_code=304, headers={"x-name": "Žofie".encode().decode("latin-1"), "etag": '"1"'})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


@router.get("/slow", responses=problems())
async def slow() -> None:
    await asyncio.sleep(60)


@router.get("/broken-off", responses=problems())
async def broken_off() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        raise Unavailable("The database did not answer", retry_after=7)

    return StreamingResponse(pieces(), media_type="text/csv")


@router.get("/connected", responses=problems())
async def connected(request: Request) -> dict[str, bool]:
    """Looks at once, without waiting, whether the connection of the first event still lives."""
    state = request.app.state
    if not hasattr(state, "reader"):
        state.reader, state.writer = await asyncio.open_connection(*state.peer)
        return {"ended": state.reader.at_eof()}
    ended = state.reader.at_eof()
    state.writer.close()
    return {"ended": ended}


class Broken:
    """Begins an answer and fails, fails without one, or does not answer at all, as the path says."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
            raise RuntimeError("a secret detail")
        if scope["path"] == "/cancelled":
            raise asyncio.CancelledError
        if scope["path"] != "/silent":
            await self.app(scope, receive, send)


@dataclass
class Things:
    """What makes the app, and how often it was asked to; `fail` is what it does instead."""

    built: list[FastAPI] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    fail: Exception | None = None
    background: Mapping[str, Callable[[], Any]] = field(default_factory=dict)

    def __call__(self, *, env: Mapping[str, str]) -> FastAPI:
        if self.fail:
            raise self.fail
        settings = Settings.from_env("things", env)

        async def ready() -> Mapping[str, bool]:
            return {}

        async def close_last() -> None:
            self.closed.append(f"{settings.version} last")

        async def close_first() -> None:
            self.closed.append(f"{settings.version} first")
            raise RuntimeError("closing may fail")

        app = create_app(
            settings,
            title="Things",
            prefix="/things",
            routers=[router],
            ready=ready,
            background={name: Repeated(step, every=1) for name, step in self.background.items()},
            close=[close_last, close_first],
            large_bodies={"/things/echo": 100_000},
        )
        app.add_middleware(Broken)
        self.built.append(app)
        return app


@dataclass
class Context:
    """What Lambda's runtime hands to a handler, as far as we ask it."""

    milliseconds: int = 28_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
def handler(things: Things) -> Iterator[Sandbox]:
    sandbox = Sandbox("things", things, env=ENV, configure=lambda _: None)
    yield sandbox
    sandbox.close()


def problem(answer: Mapping[str, Any], status: int, *, multi: bool = True) -> dict[str, Any]:
    """The problem that an answer is, checked for all that each of ours has."""
    assert flaws(answer, multi=multi) == []
    assert answer["statusCode"] == status
    assert not answer["isBase64Encoded"]
    assert header(answer, "content-type") == "application/problem+json"
    assert header(answer, "x-served-by") == "lambda"
    document: dict[str, Any] = json.loads(answer["body"])
    assert document["status"] == status
    assert document["request_id"] == header(answer, "x-request-id") != ""
    return document


def seen(handler: Sandbox, *arguments: Any, **named: Any) -> dict[str, Any]:
    answer = handler(event(*arguments, **named), Context())
    assert flaws(answer) == []
    assert answer["statusCode"] == 200
    document: dict[str, Any] = json.loads(answer["body"])
    return document


def test_importing_a_handler_builds_nothing_and_many_events_build_once(things: Things) -> None:
    configured: list[str] = []
    handler = Sandbox("things", things, env=ENV, configure=configured.append)
    assert (things.built, configured) == ([], [])
    for _ in range(3):
        assert handler(health_check(), Context())["statusCode"] == 200
    handler.close()
    assert (len(things.built), configured) == (1, ["things"])


def test_all_events_share_one_loop(handler: Sandbox) -> None:
    assert len({seen(handler, "GET", "/things/loop")["loop"] for _ in range(3)}) == 1


@MODES
def test_a_health_check_is_answered_without_a_host(handler: Sandbox, *, multi: bool) -> None:
    for path in ("/healthz", "/things/healthz"):
        answer = handler(health_check(path, multi=multi), Context())
        assert flaws(answer, multi=multi) == []
        assert answer["statusCode"] == 200
        assert json.loads(answer["body"]) == {"service": "things", "version": "v7", "status": "ok"}
        assert header(answer, "x-served-by") == "lambda"


@MODES
@pytest.mark.parametrize("host", ["[::1]:8080", "a:b:c", ":::", "x" * 300])
def test_an_odd_host_is_no_error(handler: Sandbox, host: str, *, multi: bool) -> None:
    given = event("GET", "/things/seen", multi=multi)
    headers = given.get("headers") or given["multiValueHeaders"]
    headers["host"] = [host] if multi else host
    assert handler(given, Context())["statusCode"] == 200


def test_two_hosts_are_one_too_many(handler: Sandbox) -> None:
    problem(handler(event("GET", "/things/seen", headers=[("host", "b.example.com")]), Context()), 400)


@MODES
def test_a_request_is_seen_as_it_was_sent(handler: Sandbox, *, multi: bool) -> None:
    found = seen(handler, "GET", "/things/s%65en?q=caf%C3%A9+x&empty=", multi=multi)
    assert found["path"] == "/things/seen"
    assert found["raw_path"] == "/things/s%65en"
    assert found["query"] == "q=caf%C3%A9+x&empty="


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1, 2.2.2.2, 203.0.113.9"], "203.0.113.9"),
        (["1.1.1.1", "2.2.2.2,203.0.113.9"], "203.0.113.9"),
        (["2001:db8::1"], "2001:db8::1"),
        ([], None),
        (["1.1.1.1,"], None),
    ],
)
def test_the_client_is_whom_the_load_balancer_saw(handler: Sandbox, forwarded: Sequence[str], client: str) -> None:
    """It adds that address to what stands there already, which anybody can write."""
    given = event("GET", "/things/seen")
    given["multiValueHeaders"]["x-forwarded-for"] = forwarded
    assert json.loads(handler(given, Context())["body"])["client"] == client


def test_bytes_go_in_and_come_out_as_they_are(handler: Sandbox) -> None:
    every = bytes(range(256)) * 10
    answer = handler(event("POST", "/things/echo", body=every), Context())
    assert flaws(answer) == []
    assert (answer["isBase64Encoded"], body_of(answer)) == (True, every)


def test_a_body_has_the_limits_of_the_server(handler: Sandbox) -> None:
    assert handler(event("POST", "/things/echo", body=b"\0" * 100_000), Context())["statusCode"] == 200
    problem(handler(event("POST", "/things/echo", body=b"\0" * 100_001), Context()), 413)
    problem(handler(event("POST", "/things/seen", headers=[("content-length", "70000")]), Context()), 413)


@MODES
def test_head_has_no_body(handler: Sandbox, *, multi: bool) -> None:
    answer = handler(event("HEAD", "/things/seen", multi=multi), Context())
    assert flaws(answer, multi=multi) == []
    assert (answer["statusCode"], answer["body"], answer["isBase64Encoded"]) == (200, "", False)


@MODES
def test_not_modified_cookies_and_headers_beyond_ascii(handler: Sandbox, *, multi: bool) -> None:
    answer = handler(event("GET", "/things/odd-headers", multi=multi), Context())
    assert flaws(answer, multi=multi) == []
    assert (answer["statusCode"], answer["body"]) == (304, "")
    assert (header(answer, "x-name") or "").encode("latin-1").decode() == "Žofie"
    lines = answer["multiValueHeaders"]["set-cookie"] if multi else list(answer["headers"].values())
    assert len([line for line in lines if line.endswith("SameSite=lax")]) == 2


@MODES
def test_an_answer_over_the_load_balancers_limit_says_so(
    handler: Sandbox, caplog: pytest.LogCaptureFixture, *, multi: bool
) -> None:
    given = event("GET", "/things/large", headers=[("x-request-id", "the-request")], multi=multi)
    document = problem(handler(given, Context()), 503, multi=multi)
    assert (document["type"], document["request_id"]) == ("/problems/answer-too-large", "the-request")
    (record,) = [record for record in caplog.records if record.getMessage() == "refused"]
    assert getattr(record, "fields")["code"] == "answer-too-large"  # noqa: B009 - ours, which logging does not declare


FOREIGN: Sequence[Any] = [
    *[None, 7, "text", [], {}, {"run": "something"}, {"run": "background", "more": 1}],
    {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{}"}}]},
    {"requestContext": {"elb": {}}},
]
MISTAKES: Mapping[str, Sequence[Any]] = {
    "multiValueHeaders": [None, [], {"host": None}, {"a": "b"}, {"a\n": ["b"]}],
    "path": [None, 5, "", "no-slash", "/é"],
    "httpMethod": [None, 5, "", "get"],
    "multiValueQueryStringParameters": ["a=1", [1], {"a": None}],
    "body": [5, [], {}, "\ud800"],
    "isBase64Encoded": [None, "true", 1],
}
MALFORMED = [*FOREIGN, *(event() | {key: value} for key, values in MISTAKES.items() for value in values)]


@pytest.mark.parametrize("given", MALFORMED, ids=repr)
def test_a_malformed_event_is_answered(handler: Sandbox, given: Any) -> None:
    document = problem(handler(given, Context()), 400)
    assert document["type"] == "/problems/malformed-request"


@pytest.mark.parametrize("given", [{"headers": None}, event(multi=False) | {"headers": {"a": 1}}], ids=repr)
def test_a_malformed_event_is_answered_in_its_own_form(handler: Sandbox, given: Any) -> None:
    problem(handler(given, Context()), 400, multi=False)


@pytest.mark.parametrize("path", ["/begun", "/cancelled", "/silent"])
def test_an_app_that_breaks_becomes_a_whole_answer(handler: Sandbox, path: str) -> None:
    document = problem(handler(event("GET", path), Context()), 500)
    assert "secret" not in json.dumps(document)


def test_an_answer_that_broke_off_is_replaced_by_the_reason(handler: Sandbox) -> None:
    """Nothing of it has been sent yet, unlike on the server, which can only cut the connection."""
    answer = handler(event("GET", "/things/broken-off"), Context())
    assert problem(answer, 503)["detail"] == "The database did not answer"
    assert header(answer, "retry-after") == "7"


def test_the_request_keeps_its_id_and_gets_one_where_it_has_none(handler: Sandbox) -> None:
    given = event("GET", "/nowhere", headers=[("x-request-id", "abcdefgh")])
    assert problem(handler(given, Context()), 404)["request_id"] == "abcdefgh"
    first, second = (problem(handler({}, Context()), 400)["request_id"] for _ in range(2))
    assert first != second


def test_the_function_answers_before_lambda_ends_it(handler: Sandbox) -> None:
    spare = int(serverless.SPARE * 1000)
    document = problem(handler(event("GET", "/things/slow"), Context(spare + 50)), 503)
    assert document["type"] == "/problems/unavailable"
    assert handler(health_check(), Context(10))["statusCode"] == 200, "what needs no time gets an answer"


@pytest.mark.parametrize(("milliseconds", "most"), [(5000, 5.0), (900_000, 30.0)])
def test_what_is_called_gets_the_time_that_is_left(handler: Sandbox, milliseconds: int, most: float) -> None:
    answer = handler(event("GET", "/things/seen"), Context(milliseconds))
    left = json.loads(answer["body"])["remaining"]
    assert most - serverless.SPARE - 2 < left <= most


def test_a_context_that_says_nothing_is_no_error(handler: Sandbox) -> None:
    for context in (None, object()):
        assert handler(event("GET", "/things/seen"), context)["statusCode"] == 200


def test_a_connection_that_ended_between_two_events_is_known_to_have_ended(handler: Sandbox, things: Things) -> None:
    """The loop stands still in between; the next event must not write into what the other side has left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        handler(health_check(), Context())
        things.built[0].state.peer = listener.getsockname()
        assert seen(handler, "GET", "/things/connected") == {"ended": False}
        peer, _ = listener.accept()
        peer.close()
        assert seen(handler, "GET", "/things/connected") == {"ended": True}


def test_a_service_that_cannot_start_says_so_and_starts_with_the_next_event(
    handler: Sandbox, things: Things, caplog: pytest.LogCaptureFixture
) -> None:
    things.fail = SettingsError("UPSTREAM_URL is missing")
    given = event("GET", "/things/seen", headers=[("x-request-id", "abcdefgh")])
    document = problem(handler(given, Context()), 503)
    assert document["request_id"] == "abcdefgh"
    assert "UPSTREAM_URL is missing" in caplog.text
    things.fail = None
    assert handler(given, Context())["statusCode"] == 200


@dataclass
class Vault:
    """One secret, the version that the app shows."""

    text: str | None = "v1"

    def __call__(self, _: Any) -> str:
        if self.text is None:
            raise ConnectionError
        return self.text


@dataclass
class Hours:
    """A clock on which an hour passes from one look to the next, so that each event reads the secrets again."""

    now: float = 0.0

    def __call__(self) -> float:
        self.now += 3600
        return self.now


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def keeping(things: Things, vault: Vault) -> Iterator[Sandbox]:
    secrets = Secrets(ENV | {"VERSION": SECRET}, fetch=vault, clock=Hours())
    sandbox = Sandbox("things", things, env={}, secrets=secrets, configure=lambda _: None)
    yield sandbox
    sandbox.close()


def test_a_secret_that_cannot_be_read_is_503_until_it_can(keeping: Sandbox, vault: Vault) -> None:
    vault.text = None
    problem(keeping(event("GET", "/things/seen"), Context()), 503)
    vault.text = "v1"
    assert seen(keeping, "GET", "/things/seen")["version"] == "v1"
    vault.text = None
    assert seen(keeping, "GET", "/things/seen")["version"] == "v1"


def test_a_changed_secret_builds_the_app_anew_and_closes_the_old_one(
    keeping: Sandbox, things: Things, vault: Vault
) -> None:
    for _ in range(2):
        assert seen(keeping, "GET", "/things/seen")["version"] == "v1"
    assert (len(things.built), things.closed) == (1, [])
    vault.text = "v2"
    assert seen(keeping, "GET", "/things/seen")["version"] == "v2"
    assert (len(things.built), things.closed) == (2, ["v1 first", "v1 last"])


def test_the_old_app_serves_while_the_new_one_cannot_be_built(keeping: Sandbox, things: Things, vault: Vault) -> None:
    seen(keeping, "GET", "/things/seen")
    things.fail, vault.text = SettingsError("SESSION_KEYS is malformed"), "v2"
    for _ in range(2):
        assert seen(keeping, "GET", "/things/seen")["version"] == "v1"
    things.fail, vault.text = None, "v3"
    assert seen(keeping, "GET", "/things/seen")["version"] == "v3"


def test_a_scheduled_round_runs_every_background_step_once(handler: Sandbox, things: Things) -> None:
    ran: list[str] = []

    def step(name: str, error: Exception | None = None) -> Callable[[], Any]:
        async def run() -> None:
            ran.append(name)
            if error:
                raise error

        return run

    things.background = {"sweep": step("sweep"), "settle": step("settle")}
    assert handler({"run": "background"}, Context()) == {"ran": {"sweep": "ok", "settle": "ok"}}
    assert ran == ["sweep", "settle"]


@pytest.mark.parametrize("error", [Unavailable("The database did not answer"), RuntimeError("a mistake")])
def test_a_round_that_failed_raises_after_the_other_steps_ran(
    handler: Sandbox, things: Things, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    ran: list[str] = []

    async def fail() -> None:
        raise error

    async def work() -> None:
        ran.append("work")

    things.background = {"broken": fail, "working": work}
    with pytest.raises(BackgroundFailed, match=r"^broken$"):
        handler({"run": "background"}, Context())
    assert ran == ["work"]
    assert "background step failed" in caplog.text
    assert handler(health_check(), Context())["statusCode"] == 200


def test_a_round_without_steps_or_time_or_app_says_so(handler: Sandbox, things: Things) -> None:
    things.fail = SettingsError("DATABASE_URL is missing")
    with pytest.raises(Unavailable):
        handler({"run": "background"}, Context())
    things.fail = None
    things.background = {"slow": slow}
    with pytest.raises(TimeoutError):
        handler({"run": "background"}, Context(int(serverless.SPARE * 1000) + 50))


def test_the_log_has_one_line_for_a_request(handler: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        handler(event("GET", "/things/seen"), Context())
    assert [record.getMessage() for record in caplog.records] == ["request"]


def test_a_runtime_that_answers_in_utf_8_has_room_for_more(things: Things) -> None:
    """Up to Python 3.11 it escapes what is not ASCII, which makes six bytes of two."""
    text = "é" * 300_000
    statuses = []
    for runtime in ("AWS_Lambda_python3.11", "AWS_Lambda_python3.12", "AWS_Lambda_python3.13", ""):
        handler = Sandbox("things", things, env=ENV | {"AWS_EXECUTION_ENV": runtime}, configure=lambda _: None)
        handler(health_check(), Context())

        @things.built[-1].get("/text")
        async def show_text() -> Response:
            return Response(text, media_type="text/plain")

        statuses.append(handler(event("GET", "/text"), Context())["statusCode"])
        handler.close()
    assert statuses == [503, 200, 200, 503]
