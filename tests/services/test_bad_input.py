"""Forty bad inputs and their answers, over real HTTP, at the service that owns the path and at the gateway before it.

After each of them everything else is still answered rightly, on every connection that is kept.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from services.chassis.database import Database
from services.chassis.settings import Settings
from services.frontend import main as frontend
from tests.services.bad_input import CASES, Case, Stage, at_every_door, must_be, played, refused
from tests.services.conftest import served
from tests.services.raw_http import HOST, request, talk
from tests.services.whole_shop import (
    SERVICE_KEYS,
    SESSION_KEYS,
    SESSIONS,
    Shop,
    signature,
    stock_up,
    whole_shop_apart,
)
from tests.services.witness import Witness, ask, call_a_witness

NEEDS_THE_EDGE = {35}  # a request that reaches the load balancer past the edge: there is neither here


def product(row: int, name: str, body: bytes | str, status: int = 422, code: str = "validation") -> None:
    refused(row, name, "POST", "/products", body=body, caller="admin", status=status, code=code)


def order(row: int, name: str, body: bytes | str, status: int = 422, code: str = "validation") -> None:
    headers = ("Idempotency-Key: @key",)
    refused(row, name, "POST", "/orders", *headers, body=body, caller="customer", status=status, code=code)


def draft(price: str = "100", name: str = '"Pen"', more: str = "") -> str:
    return f'{{"sku":"@sku","name":{name},"category":"desk","price_cents":{price}{more}}}'


def lines(*pairs: tuple[str, str]) -> str:
    entries = ",".join(f'{{"product_id":{identifier},"qty":{qty}}}' for identifier, qty in pairs)
    return f'{{"lines":[{entries}]}}'


order(1, "cut JSON", '{"lines":[', 400, "malformed-json")
product(2, "a body that is not UTF-8", b"\xff\xfe", 400, "malformed-json")
# A hundred thousand are over the body limit, so row 20 answers them; as many as fit are another matter.
product(3, "60,000 nested arrays", b"[" * 60_000, 400, "malformed-json")
product(3, "100,000 nested arrays", b"[" * 100_000, 413, "payload-too-large")
product(4, "half of a surrogate pair", draft(name='"\\ud800"'))
product(5, "NUL in a text", draft(name='"a\\u0000b"'))
refused(5, "NUL in a query", "GET", "/products?q=%00", status=422, code="validation")
product(6, "NaN", draft("NaN"))
product(7, "1e999", draft("1e999"))
product(8, "a negative price", draft("-1"))
product(9, "an integer beyond 63 bits", draft("9223372036854775808"))
product(10, "an integer of 5,000 digits", draft("1" * 5000), 400, "malformed-json")
product(11, "a fraction", draft("10.5"))


@played(11, "a whole number with a point")
async def _(stage: Stage) -> None:
    for gateway in (False, True):
        reply = await stage.ask("POST", "/products", body=draft("10.0"), caller="admin", gateway=gateway)
        must_be(reply, 201, "")
        assert reply.json()["price_cents"] == 10


product(12, "a number in quotes", draft('"10"'))
product(12, "true", draft("true"))
for quantity in ("0", "-1", "1001"):
    order(13, f"a quantity of {quantity}", lines(("@product", quantity)))
order(14, "no lines", lines())
order(14, "51 lines", lines(*((str(number), "1") for number in range(1, 52))))
order(15, "the same product twice", lines(("@product", "1"), ("@product", "2")))


@played(16, "a product that is not for sale")
async def _(stage: Stage) -> None:
    for gateway in (False, True):
        for missing in ("9223372036854775807", "@archived"):
            body = lines(("@product", "1"), (missing, "1"))
            await _refused_for_good(stage, body, status=422, code="unknown-product", gateway=gateway)


@played(17, "more than there is")
async def _(stage: Stage) -> None:
    for gateway in (False, True):
        before = await stage.stock("@scarce")
        body = lines(("@scarce", "6"))
        await _refused_for_good(stage, body, status=409, code="insufficient-stock", gateway=gateway)
        assert await stage.stock("@scarce") == before


async def _refused_for_good(stage: Stage, body: str, *, status: int, code: str, gateway: bool) -> None:
    key = stage.fill("@key")
    first = await stage.order(body, key=key, gateway=gateway)
    again = await stage.order(body, key=key, gateway=gateway)
    for reply in (first, again):
        must_be(reply, status, code)
    assert first.json()["order_id"] == again.json()["order_id"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    stored = await stage.ask("GET", f"/orders/{first.json()['order_id']}", caller="customer")
    assert (stored.json()["status"], stored.json()["reject_code"]) == ("rejected", code)


order(18, "a price in a line", '{"lines":[{"product_id":@product,"qty":1,"unit_price_cents":1}]}')
product(18, "a field of another kind", draft(more=',"is_admin":true'))
order(19, "a key twice in a line", '{"lines":[{"product_id":@product,"qty":1,"qty":9}]}', 400, "malformed-json")
product(20, "65,537 bytes, declared", b"x" * 65_537, 413, "payload-too-large")
CHUNKED = b"10001\r\n" + b"x" * 65_537 + b"\r\n0\r\n\r\n"
refused(
    21,
    "65,537 bytes, chunked",
    "POST",
    "/products",
    "Transfer-Encoding: chunked",
    body=CHUNKED,
    caller="admin",
    status=413,
    code="payload-too-large",
)
for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
    refused(
        22,
        kind,
        "POST",
        "/products",
        f"Content-Type: {kind}",
        body=draft(),
        caller="admin",
        status=415,
        code="unsupported-media-type",
    )

UNREADABLE = (400, "malformed-request")  # the gateway passes nothing on that two readers could take differently
for name, keys, at_the_gateway in (
    ("no key", (), (0, "")),
    ("an empty key", ("Idempotency-Key:",), (0, "")),
    ("a key of 256", (f"Idempotency-Key: {'k' * 256}",), (0, "")),
    ("a key with a space", ("Idempotency-Key: a b",), (0, "")),
    ("a key beyond ASCII", ("Idempotency-Key: cl\xe9",), UNREADABLE),
    ("two keys", ("Idempotency-Key: a", "Idempotency-Key: b"), UNREADABLE),
):
    refused(
        24 if keys else 23,
        name,
        "POST",
        "/orders",
        *keys,
        body=lines(("@product", "1")),
        caller="customer",
        status=400,
        code="idempotency-key",
        gateway=at_the_gateway,
    )


@played(25, "the same key with another body")
async def _(stage: Stage) -> None:
    for gateway in (False, True):
        key = stage.fill("@key")
        first = await stage.order(lines(("@product", "1")), key=key, gateway=gateway)
        must_be(await stage.order(lines(("@product", "2")), key=key, gateway=gateway), 422, "key-reuse")
        untouched = await stage.ask("GET", first.headers["location"].removeprefix("/api"), caller="customer")
        assert untouched.body == first.body


@played(26, "the same key while it is running")
async def _(stage: Stage) -> None:
    for gateway in (False, True):
        key, body = stage.fill("@key"), lines(("@product", "1"))
        database = Database(stage.named["@admin"], size=1)
        async with database.transaction() as connection:
            await connection.fetch(
                "SELECT FROM catalog.product WHERE id = $1::bigint FOR UPDATE", int(stage.named["@product"])
            )
            running = asyncio.create_task(stage.order(body, key=key, gateway=gateway))
            await asyncio.sleep(0.3)
            assert not running.done()
            reply = await stage.order(body, key=key, gateway=gateway)
            must_be(reply, 409, "in-progress")
            assert reply.headers["retry-after"] == "1"
        await database.close()
        must_be(await running, 201, "")


@played(27, "the same key of another customer")
async def _(stage: Stage) -> None:
    for gateway in (False, True):
        key, other = stage.fill("@key"), SESSIONS.issue()
        mine = await stage.order(lines(("@product", "1")), key=key, gateway=gateway)
        theirs = await stage.order(lines(("@product", "2")), key=key, token=other.token, gateway=gateway)
        assert (mine.status, theirs.status) == (201, 201)
        assert mine.json()["id"] != theirs.json()["id"]
        assert theirs.json()["customer_id"] == str(other.customer_id)
        assert "idempotent-replayed" not in theirs.headers
        assert (await stage.order(lines(("@product", "1")), key=key, gateway=gateway)).body == mine.body


@played(28, "another customer's order")
async def _(stage: Stage) -> None:
    mine = (await stage.order(lines(("@product", "1")))).json()["id"]
    for path in ("/orders/{}", "/orders/{}/events", "/orders/{}/cancel"):
        method = "POST" if path.endswith("cancel") else "GET"
        for gateway in (False, True):
            foreign, unknown = [
                await stage.ask(
                    method, path.format(identifier), "X-Request-Id: 12345678", caller="other", gateway=gateway
                )
                for identifier in (mine, "00000000-0000-4000-8000-000000000000")
            ]
            must_be(foreign, 404, "not-found")
            assert foreign.body == unknown.body


refused(29, "no UUID", "GET", "/orders/not-a-uuid", caller="customer", status=422, code="validation")
refused(29, "a climb in the path", "GET", "/orders/%2e%2e%2f1", caller="customer", status=404, code="not-found")
for identifier in ("0", "-1", "9223372036854775808", "9" * 30):
    refused(30, f"product {identifier}", "GET", f"/products/{identifier}", status=422, code="validation")
for query in ("limit=-1", "limit=0", "limit=1000000", "limit=1_000", "limit=1&limit=2", "offset=-1"):
    refused(31, f"products, {query}", "GET", f"/products?{query}", status=422, code="validation")
    refused(31, f"orders, {query}", "GET", f"/orders?{query}", caller="customer", status=422, code="validation")


@played(32, "marks that mean something elsewhere")
async def _(stage: Stage) -> None:
    everything = len((await stage.ask("GET", "/products?limit=100")).json()["items"])
    # The last one has letters and digits, so products that are spelt alike may follow it. Not all of them, though.
    for query, found, most in (
        ("%25%25", "100%% Cotton", 1),
        ("%5C", "Back\\slash", 1),
        ("%27%20OR%201=1--", "' OR 1=1--", everything - 1),
    ):
        for gateway in (False, True):
            reply = await stage.ask("GET", f"/products?q={query}", gateway=gateway)
            must_be(reply, 200, "")
            names = [item["name"] for item in reply.json()["items"]]
            assert names[0] == found
            assert len(names) <= most


for caller, status in (("", 401), ("customer", 403), ("expired", 401), ("forged", 401)):
    code = {401: "unauthenticated", 403: "forbidden"}[status]
    refused(33, caller or "nobody", "POST", "/products", body=draft(), caller=caller, status=status, code=code)


@played(34, "what only services may ask")
async def _(stage: Stage) -> None:
    path, body = f"/products/reservations/{uuid4()}", b'{"lines":[]}'
    for outside in (f"/internal{path}", f"/api{path}"):
        must_be(await ask(stage.shop.url, stage.request("PUT", outside, body=body)), 404, "not-found")
    old, fresh = (f"Authorization: {signature('PUT', path, body, age=age)}" for age in (61.0, 0.0))
    for door in (stage.shop.product, stage.shop.url):
        must_be(await ask(door, stage.request("PUT", path, body=body)), 401, "unauthenticated")
        must_be(await ask(door, stage.request("PUT", path, old, body=body)), 401, "unauthenticated")
    # A good signature lets the empty order in, to be refused; and it does so once.
    for status, code in ((422, "validation"), (401, "unauthenticated")):
        must_be(await ask(stage.shop.product, stage.request("PUT", path, fresh, body=body)), status, code)


at_every_door(36, "two hosts", f"GET {{}} HTTP/1.1\r\n{HOST}{HOST}\r\n", 400, "malformed-request")
at_every_door(36, "no host", "GET {} HTTP/1.1\r\n\r\n", 400, "malformed-request")
at_every_door(36, "HTTP/0.9", "GET {}\r\n\r\n", 400)
POST = f"POST {{}} HTTP/1.1\r\n{HOST}Content-Type: application/json\r\n"
at_every_door(37, "two framings", POST + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)
at_every_door(37, "two lengths", POST + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{{}}", 400)
at_every_door(37, "two lengths in one", POST + "Content-Length: 2, 2\r\n\r\n{{}}", 400)
at_every_door(37, "bare LF", "GET {} HTTP/1.1\nHost: shop\n\n", 400)
at_every_door(37, "a folded header", f"GET {{}} HTTP/1.1\r\n{HOST}X-Fold: a\r\n b\r\n\r\n", 400)
MANY = "".join(f"X-{number}: {number}\r\n" for number in range(100))
at_every_door(38, "100 headers", f"GET {{}} HTTP/1.1\r\n{HOST}{MANY}\r\n", 431, "headers-too-large")
at_every_door(38, "17 KiB", f"GET {{}} HTTP/1.1\r\n{HOST}X-Long: {'x' * 17_408}\r\n\r\n", 431, "headers-too-large")
at_every_door(38, "5 KiB of URL", f"GET {{}}?{'x' * 5_120} HTTP/1.1\r\n{HOST}\r\n", 414, "uri-too-long")


@played(39, "a body that stops coming")
async def _(stage: Stage) -> None:
    async def wait_at(door: str, path: str, token: str) -> None:
        headers = (f"Authorization: Bearer {token}", "Content-Type: application/json", "Content-Length: 100")
        raw = request("POST", path, *headers, "Idempotency-Key: stops", body=b'{"')
        started = time.monotonic()
        replies = await talk(stage.shop.doors[door], raw)
        assert 2.5 < time.monotonic() - started < 4.5
        assert [reply.status for reply in replies] == [408]
        must_be(replies[0], 408, "request-timeout")

    await asyncio.gather(
        wait_at("product", "/products", stage.token("admin")),
        wait_at("order", "/orders", stage.token("customer")),
        wait_at("frontend", "/api/products", stage.token("admin")),
    )


@played(40, "TRACE")
async def _(stage: Stage) -> None:
    for target, allow in (
        ("/products/@product", "DELETE, GET, HEAD, PATCH, PUT"),
        ("/products/categories", "GET, HEAD"),
        ("/products", "GET, HEAD, POST"),
        ("/orders", "GET, HEAD, POST"),
        ("/orders/@product", "GET, HEAD"),
    ):
        for gateway in (False, True):
            reply = await stage.ask("TRACE", target, "X-Secret: canary", gateway=gateway)
            must_be(reply, 405, "method-not-allowed")
            assert reply.headers["allow"] == allow
            assert b"canary" not in reply.body


@played(40, "another method in a header")
async def _(stage: Stage) -> None:
    override = ("X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE")
    for gateway in (False, True):
        for method in ("GET", "POST"):
            target = "/products/@product" + ("/stock" if method == "POST" else "")
            reply = await stage.ask(method, target, *override, caller="admin", gateway=gateway)
            assert reply.status in ({200} if method == "GET" else {400, 422})
    assert (await stage.ask("GET", "/products/@product")).json()["active"]


@played(40, "somebody else's address")
async def _(stage: Stage) -> None:
    settings = Settings(
        service="frontend",
        session_keys=SESSION_KEYS,
        service_keys=SERVICE_KEYS,
        upstream_url=stage.shop.url,
        sessions_per_minute=5,
    )
    async with served(frontend.create(settings)) as door:
        statuses = []
        for number in range(7):
            spoofed = (f"X-Forwarded-For: 203.0.113.{number}", f"Forwarded: for=203.0.113.{number}")
            statuses.append((await ask(door, request("POST", "/api/sessions", *spoofed))).status)
    assert statuses == [201] * 5 + [429] * 2


@pytest.fixture(scope="module")
def shop(database_urls: dict[str, str]) -> Iterator[Shop]:
    with whole_shop_apart(database_urls) as shop:
        yield shop


@pytest.fixture(scope="module")
def scene(shop: Shop, database_urls: dict[str, str]) -> tuple[Stage, Witness]:
    return asyncio.run(_set_up(shop, database_urls["admin"]))


async def _set_up(shop: Shop, admin_url: str) -> tuple[Stage, Witness]:
    customer = SESSIONS.issue()
    ordinary, archived, scarce = await stock_up(shop, 3)
    for name in ("100%% Cotton", "100 Cotton", "Back\\slash", "' OR 1=1--"):
        await stock_up(shop, 1, name=name)
    named = {
        "@product": str(ordinary),
        "@archived": str(archived),
        "@scarce": str(scarce),
        "@admin": admin_url,
    }
    stage = Stage(shop, customer, named)
    must_be(await stage.ask("DELETE", "/products/@archived", caller="admin"), 204, "")
    take = json.dumps({"delta": 5 - await stage.stock("@scarce"), "reason": "sold elsewhere"})
    headers = ("Idempotency-Key: take",)
    must_be(await stage.ask("POST", "/products/@scarce/stock", *headers, body=take, caller="admin"), 200, "")
    return stage, await call_a_witness(shop, SESSIONS.issue())


@pytest.mark.parametrize("case", CASES, ids=[f"{case.row}: {case.name}" for case in CASES])
async def test_bad_input_gets_its_answer_and_everything_else_stays_right(
    scene: tuple[Stage, Witness], case: Case
) -> None:
    stage, witness = scene
    await case.play(stage)
    assert await witness.finds_everything_right()


def test_each_of_the_forty_rows_is_played() -> None:
    assert {case.row for case in CASES} == set(range(1, 41)) - NEEDS_THE_EDGE
