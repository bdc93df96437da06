"""What is passed on and what stays behind, over real HTTP."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from services.frontend.operations import IMPORT_PATH, OPERATIONS, Operation
from tests.services.frontend.stand_in import ORDER_ID, StandIn, order, page, problem
from tests.services.frontend.visiting import Ask

JSON = {"Content-Type": "application/json"}
BUYER = {"Authorization": "Bearer v1.somebody", "Idempotency-Key": "key-1", **JSON}
BODY = b'{"lines": [ {"product_id":1,\t"qty":2} ]}'
NAMES = {"product_id": 7, "order_id": ORDER_ID, "slug": "audio"}


def here(operation: Operation) -> str:
    return "/api" + operation.path.format(**NAMES)


def there(operation: Operation) -> str:
    return operation.to.format(**NAMES)


async def test_every_operation_of_the_table_reaches_its_backend_and_comes_back(ask: Ask, shop: StandIn) -> None:
    for operation in OPERATIONS:
        what = f"{operation.method} {there(operation)}"
        status = next(iter(operation.answers))
        if operation.csv == "answer":
            shop.answer_bytes(what, b"sku\r\n", "text/csv", content_disposition='attachment; filename="products.csv"')
        elif status == 204:
            shop.answer_bytes(what, b"", "", 204)
        else:
            shop.answer(what, {"some": "document"}, status)
        reply = await ask(operation.method, f"{here(operation)}?b=%C3%A4", body=BODY, headers=BUYER)
        seen = shop.seen[-1]
        assert (reply.status, seen.method, seen.target) == (status, operation.method, f"{there(operation)}?b=%C3%A4")
        assert seen.body == (b"" if operation.method == "GET" else BODY), operation.name
        assert seen.header("authorization") == "Bearer v1.somebody"


async def test_every_refusal_comes_back_byte_for_byte(ask: Ask, shop: StandIn) -> None:
    for operation in OPERATIONS:
        for status in (*operation.refusals, 400, 422, 503):
            body = shop.answer(f"{operation.method} {there(operation)}", problem(status, "so", errors=["é"]), status)
            reply = await ask(operation.method, here(operation))
            assert (reply.status, reply.body) == (status, body), (operation.name, status)
            assert reply.headers["Content-Type"] == "application/problem+json"


async def test_a_placed_order_comes_back_as_it_was_answered(ask: Ask, shop: StandIn) -> None:
    body = shop.answer("POST /orders", order(1), 201, location=f"/orders/{ORDER_ID}")
    reply = await ask("POST", "/api/orders", body=BODY, headers=BUYER)
    assert (reply.status, reply.body) == (201, body)
    assert reply.headers["Location"] == f"/api/orders/{ORDER_ID}"
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    [seen] = shop.seen
    assert (seen.body, seen.header("idempotency-key"), seen.header("content-type")) == (
        BODY,
        "key-1",
        "application/json",
    )


async def test_a_replayed_order_comes_back_byte_for_byte_and_says_that_it_is_one(ask: Ask, shop: StandIn) -> None:
    headers = {"location": f"/orders/{ORDER_ID}", "idempotent_replayed": "true"}
    body = shop.answer("POST /orders", order(1), 201, **headers)
    first = await ask("POST", "/api/orders", body=BODY, headers=BUYER)
    second = await ask("POST", "/api/orders", body=BODY, headers=BUYER)
    assert first.body == second.body == body
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == f"/api/orders/{ORDER_ID}"


async def test_an_order_that_waits_says_where_and_how_long(ask: Ask, shop: StandIn) -> None:
    shop.answer("POST /orders", order(1, status="pending"), 202, location=f"/orders/{ORDER_ID}", retry_after="1")
    reply = await ask("POST", "/api/orders", body=BODY, headers=BUYER)
    assert reply.status == 202
    assert (reply.headers["Location"], reply.headers["Retry-After"]) == (f"/api/orders/{ORDER_ID}", "1")


@pytest.mark.parametrize(
    "location", ["https://elsewhere.example/orders/1", "//elsewhere.example", "/orders/../x", "/x"]
)
async def test_an_address_that_is_not_of_a_backend_stays_behind(ask: Ask, shop: StandIn, location: str) -> None:
    shop.answer("POST /orders", order(1), 201, location=location)
    reply = await ask("POST", "/api/orders", body=BODY, headers=BUYER)
    assert reply.status == 201
    assert "Location" not in reply.headers


NOT_ANSWERS: Sequence[tuple[int, bytes, str]] = [
    (201, b"<html>", "text/html"),
    (201, b'{"id":', "application/json"),
    (201, b"[]", "application/json"),
    (200, b"{}", "application/json"),  # not a status of this operation
    (302, b"{}", "application/json"),
    (400, b"Bad Request", "text/plain"),
    (404, b"{}", "application/json"),
    (409, b'{"type":"/problems/conflict","status":404}', "application/problem+json"),
    (418, b'{"type":"/problems/tea","status":418}', "application/problem+json"),
    (500, b"Internal Server Error", "text/plain"),
    (502, b"<html>", "text/html"),
    (504, b"<html>", "text/html"),
]


async def test_an_order_is_asked_for_once_and_no_answer_is_unavailable(ask: Ask, shop: StandIn) -> None:
    for number, (status, body, media_type) in enumerate(NOT_ANSWERS, 1):
        shop.answer_bytes("POST /orders", body, media_type, status)
        reply = await ask("POST", "/api/orders", body=BODY, headers=BUYER)
        assert (reply.status, reply.code, reply.headers["Retry-After"]) == (503, "unavailable", "1"), (status, body)
        assert len(shop.targets("POST")) == number


async def test_a_mistake_of_a_backend_is_passed_on_as_one(ask: Ask, shop: StandIn) -> None:
    body = shop.answer("POST /orders", problem(500, "internal"), 500)
    reply = await ask("POST", "/api/orders", body=BODY, headers=BUYER)
    assert (reply.status, reply.body) == (500, body)


async def test_only_listed_headers_reach_a_backend(ask: Ask, shop: StandIn) -> None:
    shop.answer("POST /orders", order(1), 201)
    forged = {
        "X-Forwarded-For": "198.51.100.1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "elsewhere.example",
        "Forwarded": "for=198.51.100.1",
        "X-Real-IP": "198.51.100.1",
        "CloudFront-Viewer-Address": "198.51.100.1:80",
        "X-User-Id": "1",
        "X-Customer-Id": "1",
        "X-HTTP-Method-Override": "DELETE",
        "X-Method-Override": "DELETE",
        "X-Signature": "k1.1.2.3",
        "X-Origin-Verify": "secret",
        "Cookie": "__Host-sid=v1.x",
        "Connection": "keep-alive, X-Hop",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "Basic eDp5",
        "TE": "trailers",
        "Upgrade": "h2c",
        "X-Hop": "1",
        "Accept-Encoding": "gzip",
        "User-Agent": "forged",
    }
    assert (await ask("POST", "/api/orders", body=BODY, headers={**BUYER, **forged})).status == 201
    names = {name for name, _ in shop.seen[-1].headers}
    ours = {"host", "accept", "content-length", "x-request-id", "x-deadline-ms", "x-amzn-trace-id"}
    assert names == ours | {"authorization", "content-type", "idempotency-key"}


async def test_a_signature_between_services_does_not_come_in_from_outside(ask: Ask, shop: StandIn) -> None:
    for credential in ("Tandem k1.1.2.3", "Basic eDp5", "tandem k1.1.2.3", "k1.1.2.3"):
        for method, target in (("POST", "/api/orders"), ("GET", "/api/orders"), ("GET", "/api/products")):
            reply = await ask(method, target, headers={"Authorization": credential})
            assert (reply.status, reply.code) == (401, "unauthenticated"), credential
    assert shop.seen == []


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Content-Type", "If-Match"])
async def test_a_header_with_two_values_is_refused_and_not_chosen_from(ask: Ask, shop: StandIn, name: str) -> None:
    headers = [*BUYER.items(), (name, "Bearer a"), (name, "Bearer b")]
    reply = await ask("POST", "/api/orders", body=BODY, headers=headers)
    assert (reply.status, reply.code) == (400, "malformed-request")
    assert shop.seen == []


async def test_a_header_that_is_not_text_is_refused(ask: Ask, shop: StandIn) -> None:
    reply = await ask("POST", "/api/orders", body=BODY, headers={**BUYER, "Idempotency-Key": "schlüssel"})
    assert (reply.status, reply.code) == (400, "malformed-request")
    assert shop.seen == []


async def test_the_version_that_was_read_reaches_the_edit(ask: Ask, shop: StandIn) -> None:
    etag = (await ask("GET", "/api/products/1")).headers["ETag"]
    assert etag.startswith('"4.')
    shop.answer("PATCH /products/1", {"id": 1}, etag='"5.100"')
    reply = await ask("PATCH", "/api/products/1", body=b'{"name":"x"}', headers={**BUYER, "If-Match": etag})
    assert shop.seen[-1].header("if-match") == etag
    assert (reply.status, reply.headers["ETag"]) == (200, '"5.100"')


async def test_an_import_may_be_as_large_as_the_product_service_takes(ask: Ask, shop: StandIn) -> None:
    shop.answer("POST /products/import", {"rows": 1})
    headers = {**BUYER, "Content-Type": "text/csv"}
    large = b"x" * (1024 * 1024)
    assert (await ask("POST", IMPORT_PATH, body=large, headers=headers)).status == 200
    assert shop.seen[-1].body == large
    assert (await ask("POST", "/api/orders", body=large, headers=BUYER)).status == 413


async def test_an_export_comes_back_as_a_file(ask: Ask, shop: StandIn) -> None:
    named = 'attachment; filename="products.csv"'
    shop.answer_bytes("GET /products/export", b"sku\r\na\xc3\xa4\r\n", "text/csv", content_disposition=named)
    reply = await ask("GET", "/api/products/export")
    assert (reply.status, reply.body) == (200, b"sku\r\na\xc3\xa4\r\n")
    assert reply.headers["Content-Type"].startswith("text/csv")
    assert reply.headers["Content-Disposition"] == named
    shop.answer_bytes("GET /products/export", b"<html>", "text/html")
    assert (await ask("GET", "/api/products/export")).status == 503


async def test_a_request_keeps_its_id_on_the_way(ask: Ask, shop: StandIn) -> None:
    reply = await ask("GET", "/api/orders", headers={"X-Request-Id": "abcdefgh-1"})
    assert reply.headers["X-Request-Id"] == "abcdefgh-1"
    assert shop.seen[-1].header("x-request-id") == "abcdefgh-1"


async def test_orders_come_through_while_the_catalogue_hangs(ask: Ask, shop: StandIn) -> None:
    shop.answer("POST /orders", order(1), 201)
    shop.answer("GET /orders", page())
    shop.hang("GET /products/categories")
    slow = asyncio.gather(*(ask("GET", "/api/categories") for _ in range(25)))
    await asyncio.sleep(0.1)
    assert (await ask("POST", "/api/orders", body=BODY, headers=BUYER)).status == 201
    assert {reply.status for reply in await slow} == {503}
    # Enough failures to open a breaker: that of the products, and no other.
    assert (await ask("GET", "/api/products/1")).status == 503
    assert (await ask("GET", "/api/orders")).status == 200
    assert (await ask("GET", "/api/status")).json()["status"] == "ok"


def test_no_operation_is_listed_twice() -> None:
    keys: Mapping[tuple[str, str], Operation] = {(row.method, row.path): row for row in OPERATIONS}
    assert len(keys) == len(OPERATIONS)
