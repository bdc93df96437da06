"""The HTTP door over real sockets: limits, strict reading, problems, callers."""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

import pytest
from fastapi import FastAPI

from services.chassis import guard
from services.chassis.auth import InternalRequest, Sessions, Signer
from services.chassis.web import create_app
from tests.services.chassis.conftest import ADMIN_TOKEN, READER_TOKEN, SETTINGS, router
from tests.services.conftest import Serve
from tests.services.raw_http import Reply, talk

HOST = "Host: shop\r\n"


def get(target: str, *headers: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\n{HOST}{''.join(h + chr(13) + chr(10) for h in headers)}\r\n".encode("latin-1")


def post(target: str, body: bytes | str, *headers: str, method: str = "POST") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    lines = [*headers]
    if not any(h.lower().startswith("content-type") for h in headers):
        lines.append("Content-Type: application/json")
    head = f"{method} {target} HTTP/1.1\r\n{HOST}Content-Length: {len(data)}\r\n" + "".join(f"{h}\r\n" for h in lines)
    return head.encode("latin-1") + b"\r\n" + data


async def ask(base_url: str, raw: bytes) -> Reply:
    return (await talk(base_url, raw, most=1))[0]


def code(reply: Reply) -> str:
    kind: str = reply.json()["type"]
    return kind.removeprefix("/problems/")


async def test_an_answer_carries_its_request_id_and_runtime(base_url: str) -> None:
    reply = await ask(base_url, get("/things/7", "X-Request-Id: abcdefgh-1"))
    assert (reply.status, reply.json()) == (200, {"number": 7})
    assert (reply.headers["x-request-id"], reply.headers["x-served-by"]) == ("abcdefgh-1", "local")


@pytest.mark.parametrize("forged", ["short", "a" * 65, "has space", 'quote"'])
async def test_a_request_id_of_another_form_is_replaced(base_url: str, forged: str) -> None:
    reply = await ask(base_url, get("/things/7", f"X-Request-Id: {forged}"))
    assert reply.headers["x-request-id"] != forged


async def test_a_domain_error_is_a_problem_document(base_url: str) -> None:
    reply = await ask(base_url, get("/things/refused", "X-Request-Id: abcdefgh-1"))
    assert reply.status == 409
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["retry-after"] == "3"
    assert reply.json() == {
        "type": "/problems/conflict",
        "title": "The present state does not allow it",
        "status": 409,
        "request_id": "abcdefgh-1",
        "detail": "Because",
        "left": 2,
    }


async def test_a_mistake_of_ours_says_nothing_about_itself(base_url: str) -> None:
    reply = await ask(base_url, get("/things/broken"))
    assert (reply.status, code(reply)) == (500, "internal")
    assert b"secret" not in reply.body


async def test_bytes_of_postgresql_are_passed_on_unchanged(base_url: str) -> None:
    assert (await ask(base_url, get("/things/bytes"))).body == b'{"from": "postgres"}'


async def test_an_unknown_path_is_a_problem(base_url: str) -> None:
    for target in ("/nowhere", "/things/1/2", "/things/"):
        reply = await ask(base_url, get(target))
        assert (reply.status, code(reply)) == (404, "not-found"), target


@pytest.mark.parametrize("method", ["TRACE", "DELETE", "PATCH", "OPTIONS", "FOO"])
async def test_a_wrong_method_is_told_every_right_one(base_url: str, method: str) -> None:
    reply = await ask(base_url, get("/things/7").replace(b"GET", method.encode(), 1))
    assert reply.status in {400, 405}
    if reply.status == 405:
        assert reply.headers["allow"] == "GET, HEAD, PUT"


async def test_head_answers_what_get_would_without_its_body(base_url: str) -> None:
    host, port = base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(get("/things/7").replace(b"GET", b"HEAD", 1) + get("/things/8", "Connection: close"))
    both = await reader.read()
    writer.close()
    assert both.count(b"HTTP/1.1 200") == 2
    assert b'{"number":7}' not in both
    assert both.endswith(b'{"number":8}')


BODIES = [
    ('{"name":"x","n":[', 400, "malformed-json"),
    (b"\xff\xfe", 400, "malformed-json"),
    ("[" * 60_000, 400, "malformed-json"),
    ('{"name":"x","n":' + "1" * 5000 + "}", 400, "malformed-json"),
    ('{"name":"x","n":1,"n":9}', 400, "malformed-json"),
    ('{"name":"x","n":1} trailing', 400, "malformed-json"),
    ("", 422, "validation"),
    ("null", 422, "validation"),
    ("[]", 422, "validation"),
    ('{"name":"\\ud800","n":1}', 422, "validation"),
    ('{"name":"a\\u0000b","n":1}', 422, "validation"),
    ('{"name":"x","n":NaN}', 422, "validation"),
    ('{"name":"x","n":1e999}', 422, "validation"),
    ('{"name":"x","n":10.5}', 422, "validation"),
    ('{"name":"x","n":"10"}', 422, "validation"),
    ('{"name":"x","n":true}', 422, "validation"),
    ('{"name":"x","n":1,"is_admin":true}', 422, "validation"),
    ('{"name":"x","n":1,"\\ud800":true}', 422, "validation"),
]


@pytest.mark.parametrize(("body", "status", "kind"), BODIES, ids=[str(body)[:30] for body, *_ in BODIES])
async def test_a_bad_body_gets_its_answer_and_the_next_request_is_right(
    base_url: str, body: bytes | str, status: int, kind: str
) -> None:
    reply = await ask(base_url, post("/things", body))
    assert (reply.status, code(reply)) == (status, kind)
    assert (await ask(base_url, post("/things", '{"name":"x","n":10.0}'))).json() == {"name": "x", "n": 10}


async def test_a_problem_never_repeats_what_was_sent(base_url: str) -> None:
    reply = await ask(base_url, post("/things", '{"name":7331,"n":"canary","canary":1}'))
    assert reply.json()["errors"] == [
        {"field": "name", "message": "Input should be a valid string"},
        {"field": "n", "message": "a whole number is required"},
        {"field": "", "message": "An unknown field is not allowed"},
    ]
    assert b"canary" not in reply.body


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "json"])
async def test_a_body_of_another_type_is_415(base_url: str, kind: str) -> None:
    reply = await ask(base_url, post("/things", '{"name":"x","n":1}', f"Content-Type: {kind}"))
    assert (reply.status, code(reply)) == (415, "unsupported-media-type")


QUERIES = [
    "limit=",
    "limit=1_000",
    "limit=+1",
    "limit=1.0",
    "limit=1&limit=2",
    "limit=x",
    "other=1",
    "flag=1",
    "flag=yes",
]


@pytest.mark.parametrize("query", QUERIES)
async def test_a_bad_query_is_422(base_url: str, query: str) -> None:
    reply = await ask(base_url, get(f"/things?{query}"))
    assert (reply.status, code(reply)) == (422, "validation")


@pytest.mark.parametrize("number", ["0", "-1", "9223372036854775808", "9" * 30, "9" * 3000, "x", "1_0", "%00", "%ff"])
async def test_a_bad_id_in_a_path_is_422(base_url: str, number: str) -> None:
    assert (await ask(base_url, get(f"/things/{number}"))).status == 422


LIMITS = [
    (get("/things/7", *(f"X-{n}: {n}" for n in range(100))), 431),
    (get("/things/7", f"X-Long: {'x' * 17_000}"), 431),
    (get("/things?" + "x" * 5_000), 414),
    (post("/things", b"x" * 65_537), 413),
    (
        b"POST /things HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"10001\r\n" + b"x" * 65_537 + b"\r\n0\r\n\r\n",
        413,
    ),
    (b"GET /things/7 HTTP/1.1\r\n\r\n", 400),
    (b"GET /things/7 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET /things/7 HTTP/1.1\r\nHost:\r\n\r\n", 400),
    (b"GET /things/7\r\n\r\n", 400),
]


@pytest.mark.parametrize(("raw", "status"), LIMITS, ids=[str(number) for number in range(len(LIMITS))])
async def test_a_request_over_a_limit_is_refused_and_its_connection_closed(
    base_url: str, raw: bytes, status: int
) -> None:
    replies = await talk(base_url, raw)
    assert [reply.status for reply in replies] == [status]
    assert replies[0].closed


SMUGGLED = [
    b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /things HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    b"GET /things/7 HTTP/1.1\r\nHost: a\r\nX-Fold: a\r\n b\r\n\r\n",
    b"GET /things/7 HTTP/1.1\nHost: a\n\n",
]


@pytest.mark.parametrize("raw", SMUGGLED, ids=range(len(SMUGGLED)))
async def test_what_two_parsers_could_read_differently_gets_one_answer(base_url: str, raw: bytes) -> None:
    replies = await talk(base_url, raw + get("/things/666"))
    assert [reply.status for reply in replies] == [400]


async def test_a_large_body_is_taken_where_the_path_allows_it(base_url: str) -> None:
    assert (await ask(base_url, post("/things/large", b"x" * 150_000))).json() == {"length": 150_000}
    assert (await ask(base_url, post("/things/large", b"x" * 200_001))).status == 413


async def test_a_body_that_stops_coming_is_408(base_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.2)
    replies = await talk(base_url, post("/things", b"x" * 100)[:-98])
    assert [reply.status for reply in replies] == [408]
    assert replies[0].closed


async def test_a_request_whose_deadline_is_over_is_refused(base_url: str) -> None:
    reply = await ask(base_url, get("/things/7", "X-Deadline-Ms: 0"))
    assert (reply.status, code(reply)) == (503, "unavailable")


@pytest.mark.parametrize(("served_by", "client"), [("fargate", "203.0.113.9"), ("local", "127.0.0.1")])
async def test_the_client_is_whom_the_load_balancer_saw_where_there_is_one(
    serve: Serve, caplog: pytest.LogCaptureFixture, served_by: str, client: str
) -> None:
    """The first addresses anybody can write; without a load balancer the last one too."""

    async def ready() -> Mapping[str, bool]:
        return {}

    settings = replace(SETTINGS, served_by=served_by)
    app = create_app(settings, title="Things", prefix="/things", routers=[router], ready=ready)
    with caplog.at_level(logging.INFO):
        async with serve(app) as url:
            await ask(url, get("/things/7", "X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2, 203.0.113.9"))
    clients = [getattr(record, "fields")["client"] for record in caplog.records if record.getMessage() == "request"]  # noqa: B009
    assert clients == [client]


async def test_health_is_the_process_alone_and_answers_503_while_draining(app: FastAPI, base_url: str) -> None:
    for path in ("/healthz", "/things/healthz", "/readyz", "/things/readyz"):
        assert (await ask(base_url, get(path))).status == 200
    app.state.draining = True
    assert (await ask(base_url, get("/healthz"))).status == 503
    assert (await ask(base_url, get("/things/7"))).status == 200


CALLERS = {
    "nobody": [],
    "customer": [f"Authorization: Bearer {Sessions(SETTINGS.session_keys).issue().token}"],
    "expired": [f"Authorization: Bearer {Sessions(SETTINGS.session_keys, clock=lambda: 1.0).issue().token}"],
    "forged": [f"Authorization: Bearer {Sessions({'s1': b'x' * 32}).issue().token}"],
    "unknown key": [f"Authorization: Bearer {Sessions({'s9': b's' * 32}).issue().token}"],
    "admin": [f"Authorization: Bearer {ADMIN_TOKEN}"],
    "reader": [f"Authorization: Bearer {READER_TOKEN}"],
    "forged admin": [f"Authorization: Bearer {ADMIN_TOKEN}x"],
    "basic": ["Authorization: Basic YTpi"],
    "garbage": ["Authorization: Bearer ...."],
    "latin": ["Authorization: Bearer v1.s1.\xe9.9.shop.0"],
}
MATRIX = {
    ("GET", "/things/mine"): {"customer": 200, "admin": 403, "reader": 403},
    ("GET", "/things/either"): {"nobody": 200, "customer": 200, "admin": 200, "reader": 200},
    ("POST", "/things/admin"): {"customer": 403, "admin": 200, "reader": 403},
    ("PUT", "/things/internal/1"): {},
    ("GET", "/things/7"): dict.fromkeys(CALLERS, 200),
}


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("operation", MATRIX, ids=[" ".join(key) for key in MATRIX])
async def test_each_caller_gets_exactly_what_is_theirs(base_url: str, operation: tuple[str, str], caller: str) -> None:
    method, target = operation
    reply = await ask(base_url, post(target, "", *CALLERS[caller], method=method))
    assert reply.status == MATRIX[operation].get(caller, 401)
    if reply.status == 401:
        assert reply.headers["www-authenticate"].startswith("Bearer")


def signed(signer: Signer, target: str, body: bytes, *, audience: str = "things", method: str = "PUT") -> str:
    return f"Authorization: {signer.sign(InternalRequest(method, target, body, audience))}"


async def test_a_signed_call_is_let_in_once(base_url: str, signer: Signer) -> None:
    body = json.dumps({"nonce": uuid4().hex}).encode()
    raw = post("/things/internal/5?x=%20y", body, signed(signer, "/things/internal/5?x=%20y", body), method="PUT")
    assert (await ask(base_url, raw)).json() == {"number": 5, "key": "k1", "length": len(body)}
    assert (await ask(base_url, raw)).status == 401


async def test_a_signature_covers_all_of_the_request(base_url: str, signer: Signer) -> None:
    target, body = "/things/internal/5", b"{}"
    late = Signer(SETTINGS.service_keys, clock=lambda: time.time() - 62)
    early = Signer(SETTINGS.service_keys, clock=lambda: time.time() + 90)
    wrong = [
        signed(signer, "/things/internal/6", body),
        signed(signer, target + "?a=1", body),
        signed(signer, target, b"{ }"),
        signed(signer, target, body, audience="others"),
        signed(signer, target, body, method="POST"),
        signed(late, target, body),
        signed(early, target, body),
        signed(Signer({"k1": b"x" * 32}), target, body),
        signed(Signer({"k2": b"k" * 32}), target, body),
        signed(signer, target, body)[:-1],
        "Authorization: Tandem a.b.c",
    ]
    for header in wrong:
        assert (await ask(base_url, post(target, body, header, method="PUT"))).status == 401, header


async def test_every_status_is_declared_and_the_schema_is_served(base_url: str) -> None:
    schema = (await ask(base_url, get("/things/openapi.json"))).json()
    assert "409" in schema["paths"]["/things/refused"]["get"]["responses"]
    assert {"session", "admin", "service"} <= set(schema["components"]["securitySchemes"])
    assert (await ask(base_url, get("/things/docs"))).status == 200
