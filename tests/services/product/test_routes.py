"""The service over real HTTP, from the first admin's key to the last signature."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from fastapi import FastAPI

from services.chassis.auth import InternalRequest, Sessions, Signer, new_admin_key
from services.chassis.database import Database
from services.chassis.migrations import MigrationError
from services.chassis.settings import Settings
from services.product import main

Serve = Callable[[FastAPI], AbstractAsyncContextManager[str]]

ADMIN, ADMIN_KEY = new_admin_key("boss", ["catalog:write"])
READER, READER_KEY = new_admin_key("reader", ["ops:read"])
SETTINGS = Settings(
    service="product",
    session_keys={"s1": b"s" * 32},
    service_keys={"k1": b"k" * 32},
    admin_keys=(ADMIN_KEY, READER_KEY),
    background=False,
)
BOSS = {"authorization": f"Bearer {ADMIN}"}
PEN = {"sku": "PEN-1", "name": "Fountain pen", "category": "desk", "price_cents": 3900, "stock": 5}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return str(self.json["type"]).removeprefix("/problems/")


@dataclass(frozen=True, slots=True)
class Client:
    session: aiohttp.ClientSession
    url: str

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        if body is not None:
            body = io.BytesIO(body)
        async with self.session.request(method, self.url + path, data=body, headers=sent) as response:
            return Answer(response.status, response.headers, await response.read())

    async def boss(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        return await self.ask(method, path, body, **BOSS, **headers)

    async def peer(self, method: str, path: str, body: Any = None) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        signature = Signer(SETTINGS.service_keys).sign(InternalRequest(method, path, content, "product"))
        return await self.ask(method, path, body, authorization=signature)


@pytest.fixture
async def client(shop: Any, serve: Serve) -> AsyncIterator[Client]:
    async with (
        serve(main.create(SETTINGS, database=shop.database)) as url,
        aiohttp.ClientSession() as session,
    ):
        yield Client(session, url)


async def test_product_lives_from_creation_to_archive(client: Client) -> None:
    made = await client.boss("POST", "/products", PEN)
    assert (made.status, made.headers["etag"]) == (201, '"1.5"')
    path = made.headers["location"]
    assert made.json == (await client.ask("GET", path)).json
    assert {name: made.json[name] for name in PEN} == PEN
    assert made.json["image"] == f"{path}/image.svg"

    changed = await client.boss("PATCH", path, {"price_cents": 10.0}, if_match=made.headers["etag"])
    assert (changed.status, changed.json["price_cents"], changed.headers["etag"]) == (200, 10, '"2.5"')
    replaced = await client.boss(
        "PUT", path, {"sku": "PEN-2", "name": "Pen", "category": "audio", "price_cents": 1}, if_match='"2"'
    )
    assert (replaced.status, replaced.json["version"], replaced.json["stock"]) == (200, 3, 5)

    assert (await client.boss("DELETE", path)).status == 204
    assert (await client.ask("GET", path)).code == "not-found"
    assert (await client.boss("GET", path)).json["active"] is False
    assert (await client.boss("DELETE", path)).status == 404
    assert (await client.ask("GET", "/products")).json == {"items": [], "next": None}
    assert len((await client.boss("GET", "/products?archived=true")).json["items"]) == 1
    assert (await client.boss("PATCH", path, {"active": True}, if_match="*")).json["active"] is True


async def test_etag_spares_the_second_answer_until_something_shows(client: Client) -> None:
    path = (await client.boss("POST", "/products", PEN)).headers["location"]
    etag = (await client.ask("GET", path)).headers["etag"]
    again = await client.ask("GET", path, if_none_match=etag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    await client.boss("POST", f"{path}/stock", {"delta": 1, "reason": "found"}, idempotency_key="k")
    assert (await client.ask("GET", path, if_none_match=etag)).status == 200


async def test_edit_says_which_version_it_means(client: Client) -> None:
    path = (await client.boss("POST", "/products", PEN)).headers["location"]
    assert (await client.boss("PATCH", path, {"name": "Pen"})).code == "precondition-required"
    assert (await client.boss("PATCH", path, {"name": "Pen"}, if_match='"9.5"')).code == "precondition-failed"
    assert (await client.boss("PATCH", path, {"name": "Pen"}, if_match='W/"1.5"')).code == "precondition-failed"
    assert (await client.boss("PATCH", "/products/999", {"name": "Pen"}, if_match='"1"')).code == "not-found"


async def test_what_the_database_refuses_is_named(client: Client) -> None:
    await client.boss("POST", "/products", PEN)
    assert (await client.boss("POST", "/products", PEN)).code == "sku-taken"
    refused = await client.boss("POST", "/products", PEN | {"sku": "X", "category": "nothing"})
    assert (refused.status, refused.code) == (409, "unknown-category")
    assert refused.json["errors"][0]["field"] == "category"


IMPOSSIBLE: list[dict[str, Any]] = [
    {"price_cents": -1},
    {"price_cents": 100_000_001},
    {"price_cents": 10.5},
    {"price_cents": "10"},
    {"price_cents": True},
    {"price_cents": None},
    {"price_cents": 9223372036854775808},
    {"price_cents": float("nan")},
    {"name": ""},
    {"name": "  "},
    {"name": "\ud800"},
    {"name": "a\0b"},
    {"name": "x" * 201},
    {"sku": "a b"},
    {"category": "Not A Slug"},
    {"image": "javascript:alert(1)"},
    {"stock": -1},
    {"is_admin": True},
]


async def test_impossible_product_is_refused(client: Client) -> None:
    for change in IMPOSSIBLE:
        answer = await client.boss("POST", "/products", PEN | change)
        assert (answer.status, answer.code) == (422, "validation"), change
    assert (await client.boss("PATCH", "/products/1", {}, if_match="*")).code == "validation"


async def test_stock_moves_by_differences_under_a_key(client: Client) -> None:
    path = (await client.boss("POST", "/products", PEN)).headers["location"] + "/stock"
    move = {"delta": -2, "reason": "broken"}
    first = await client.boss("POST", path, move, idempotency_key="a")
    assert first.json == {"product_id": 1, "delta": -2, "reason": "broken", "stock": 3}
    assert "idempotent-replayed" not in first.headers
    again = await client.boss("POST", path, move, idempotency_key="a")
    assert (again.json, again.headers["idempotent-replayed"]) == (first.json, "true")
    assert (await client.boss("POST", path, move | {"delta": 1}, idempotency_key="a")).code == "key-reuse"
    assert (
        await client.boss("POST", path, {"delta": -4, "reason": "x"}, idempotency_key="b")
    ).code == "insufficient-stock"
    assert (await client.boss("POST", path, {"delta": 0, "reason": "x"}, idempotency_key="c")).code == "validation"
    assert (await client.boss("POST", path, {"stock": 9, "reason": "x"}, idempotency_key="d")).code == "validation"
    assert (await client.boss("POST", "/products/99/stock", move, idempotency_key="e")).code == "not-found"
    assert (await client.boss("POST", path, move)).code == "idempotency-key"
    assert (await client.boss("POST", path, move, idempotency_key="a b")).code == "idempotency-key"
    assert (await client.boss("POST", path, move, idempotency_key="x" * 256)).code == "idempotency-key"


WRITES = [
    ("POST", "/products", PEN),
    ("PUT", "/products/1", PEN),
    ("PATCH", "/products/1", {"name": "x"}),
    ("DELETE", "/products/1", None),
    ("POST", "/products/1/stock", {"delta": 1, "reason": "x"}),
    ("PUT", "/products/categories/new", {"name": "New"}),
    ("POST", "/products/import", b"sku"),
    ("GET", "/products/export", None),
    ("GET", "/products?archived=true", None),
]


async def test_writing_needs_a_key_with_the_role(client: Client) -> None:
    guest = Sessions(SETTINGS.session_keys).issue().token
    callers = {"": 401, f"Bearer {guest}": 403, f"Bearer {READER}": 403, f"Bearer {ADMIN}x": 401, "Basic x": 401}
    for method, path, body in WRITES:
        extra = {"if_match": "*", "idempotency_key": "k"} | ({"content_type": "text/csv"} if body == b"sku" else {})
        for authorization, status in callers.items():
            headers = extra | ({"authorization": authorization} if authorization else {})
            answer = await client.ask(method, path, body, **headers)
            assert answer.status == status, (method, path, authorization)
            assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_categories_are_named_and_counted(client: Client) -> None:
    assert (await client.boss("PUT", "/products/categories/garden", {"name": "Garden"})).status == 204
    assert (await client.boss("PUT", "/products/categories/garden", {"name": "Balcony"})).status == 204
    await client.boss("POST", "/products", PEN)
    assert (await client.ask("GET", "/products/categories")).json == {
        "items": [
            {"slug": "audio", "name": "Audio", "products": 0},
            {"slug": "garden", "name": "Balcony", "products": 0},
            {"slug": "desk", "name": "Desk & Paper", "products": 1},
        ]
    }


async def test_list_is_read_page_by_page(client: Client, shop: Any) -> None:
    for n in range(5):
        await shop.add(f"P-{n}", price_cents=n)
    first = (await client.ask("GET", "/products?sort=price&limit=3")).json
    assert [item["sku"] for item in first["items"]] == ["P-0", "P-1", "P-2"]
    second = (await client.ask("GET", f"/products?sort=price&limit=3&cursor={first['next']}")).json
    assert ([item["sku"] for item in second["items"]], second["next"]) == (["P-3", "P-4"], None)
    mismatch = await client.ask("GET", f"/products?sort=-price&limit=3&cursor={first['next']}")
    assert (mismatch.status, mismatch.json["errors"][0]["field"]) == (422, "cursor")


IMPOSSIBLE_QUERIES = [
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=1_0",
    "limit=1&limit=2",
    "limit=",
    "offset=1",
    "min_price=-1",
    "max_price=1.5",
    "sort=stock",
    "in_stock=maybe",
    "category=%20",
    "q=%00",
    "q=" + "x" * 201,
    "cursor=abc",
]


async def test_impossible_query_is_refused(client: Client) -> None:
    for query in IMPOSSIBLE_QUERIES:
        assert (await client.ask("GET", f"/products?{query}")).code == "validation", query


async def test_impossible_number_is_refused(client: Client) -> None:
    for number in ["0", "-1", "9223372036854775808", "1" * 30, "x", "1_0", "1.0"]:
        for path in (f"/products/{number}", f"/products/{number}/image.svg"):
            assert (await client.ask("GET", path)).code == "validation", path


async def test_literal_paths_are_not_products(client: Client) -> None:
    for path, allowed in (("export", "GET, HEAD"), ("import", "POST"), ("categories", "GET, HEAD")):
        answer = await client.boss("PUT", f"/products/{path}", PEN, if_match="*")
        assert (answer.status, answer.headers["allow"]) == (405, allowed)


async def test_picture_is_cached_and_belongs_to_a_product(client: Client, shop: Any) -> None:
    path = f"/products/{await shop.add()}/image.svg"
    picture = await client.ask("GET", path)
    assert (picture.headers["content-type"], picture.body[:4]) == ("image/svg+xml", b"<svg")
    assert "max-age=86400" in picture.headers["cache-control"]
    assert (await client.ask("GET", path, if_none_match=picture.headers["etag"])).status == 304
    assert (await client.ask("GET", "/products/99/image.svg")).code == "not-found"


async def test_catalogue_goes_out_and_comes_back_as_csv(client: Client, shop: Any) -> None:
    await shop.add("A-1", name="=SUM(1)")
    exported = await client.boss("GET", "/products/export")
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    assert b"'=SUM(1)" in exported.body
    sheet = exported.body + b"A-2,New,,desk,100,7,true,\r\n"
    for dry_run in (True, False):
        path = f"/products/import?dry_run={str(dry_run).lower()}"
        report = await client.boss("POST", path, sheet, content_type="text/csv")
        assert report.json == {"rows": 2, "created": 1, "updated": 0, "unchanged": 1, "dry_run": dry_run}
    bad = await client.boss("POST", "/products/import", sheet + b"A-3,,,desk,x,1,true,\r\n", content_type="text/csv")
    assert (bad.code, bad.json["errors"][0]["field"]) == ("bad-rows", "rows.4.name")
    assert (await client.boss("POST", "/products/import", {"a": 1})).code == "unsupported-media-type"
    assert (await client.boss("POST", "/products/import", b"\xff", content_type="text/csv")).status == 400


async def test_import_takes_eight_mebibytes_and_not_more(client: Client) -> None:
    heading = b"sku,name,category,price_cents,description\n"
    rows = b"".join(b"S-%d,Thing,desk,free,%b\n" % (n, b"x" * 3900) for n in range(2000))
    read = await client.boss("POST", "/products/import", heading + rows, content_type="text/csv")
    assert (read.code, len(read.json["errors"])) == ("bad-rows", 100)
    refused = await client.boss("POST", "/products/import", heading + rows * 2, content_type="text/csv")
    assert refused.status == 413


async def test_order_is_held_confirmed_and_returned_by_its_peer(client: Client, shop: Any) -> None:
    pen, path = await shop.add(stock=5), f"/products/reservations/{uuid4()}"
    body = {"lines": [{"product_id": pen, "qty": 2}]}
    made = await client.peer("PUT", path, body)
    assert (made.status, made.json["state"], made.json["total_cents"]) == (201, "held", 2400)
    assert (await client.peer("PUT", path, body)).status == 200
    assert (await client.peer("PUT", path, {"lines": [{"product_id": pen, "qty": 1}]})).code == "key-reuse"
    assert (await client.peer("POST", f"{path}/return", {"reason": "cancel"})).code == "not-committed"
    confirmed = await client.peer("POST", f"{path}/confirm")
    assert confirmed.json == made.json | {"state": "committed"}
    released = await client.peer("POST", f"{path}/release", {"reason": "timed-out"})
    assert released.json == {"id": made.json["id"], "state": "committed"}
    for _ in range(2):
        assert (await client.peer("POST", f"{path}/return", {"reason": "refund"})).json["state"] == "returned"
    assert await shop.stock(pen) == 5


async def test_refusals_have_stable_codes(client: Client, shop: Any) -> None:
    pen = await shop.add(stock=1)
    short = await client.peer("PUT", f"/products/reservations/{uuid4()}", {"lines": [{"product_id": pen, "qty": 2}]})
    assert (short.status, short.code, short.json["product_ids"]) == (409, "insufficient-stock", [pen])
    unknown = await client.peer("PUT", f"/products/reservations/{uuid4()}", {"lines": [{"product_id": 99, "qty": 2}]})
    assert (unknown.status, unknown.code) == (422, "unknown-product")
    path = f"/products/reservations/{uuid4()}"
    assert (await client.peer("POST", f"{path}/confirm")).code == "not-found"
    assert (await client.peer("POST", f"{path}/release", {"reason": "price-changed"})).json["state"] == "released"
    late = await client.peer("PUT", path, {"lines": [{"product_id": pen, "qty": 1}]})
    assert (late.status, late.code) == (409, "price-changed")
    assert (await client.peer("POST", f"{path}/release", {"reason": "because"})).code == "validation"


IMPOSSIBLE_LINES: list[list[Any]] = [
    [],
    [{"product_id": 1, "qty": 0}],
    [{"product_id": 1, "qty": 1001}],
    [{"product_id": 1, "qty": 1}, {"product_id": 1, "qty": 1}],
    [{"product_id": n, "qty": 1} for n in range(1, 52)],
    [{"product_id": 1, "qty": 1, "unit_price_cents": 1}],
]


async def test_impossible_lines_are_refused(client: Client) -> None:
    for lines in IMPOSSIBLE_LINES:
        answer = await client.peer("PUT", f"/products/reservations/{uuid4()}", {"lines": lines})
        assert answer.code == "validation", lines


async def test_reservations_are_for_signed_requests_alone(client: Client) -> None:
    for step in ("", "/confirm", "/release", "/return"):
        path, method = f"/products/reservations/{uuid4()}{step}", "POST" if step else "PUT"
        elsewhere = Signer(SETTINGS.service_keys).sign(InternalRequest(method, path, b"{}", "order"))
        stale = Signer(SETTINGS.service_keys, clock=lambda: 0).sign(InternalRequest(method, path, b"{}", "product"))
        for authorization in ("", f"Bearer {ADMIN}", elsewhere, stale):
            assert (await client.ask(method, path, {}, authorization=authorization)).status == 401


async def test_answers_are_what_the_document_declares(client: Client, shop: Any) -> None:
    from services.product import schemas  # noqa: PLC0415 - the contract, used by this test alone

    pen = await shop.add()
    reservation = await client.peer(
        "PUT", f"/products/reservations/{uuid4()}", {"lines": [{"product_id": pen, "qty": 1}]}
    )
    schemas.Reservation.model_validate_json(reservation.body)
    schemas.Product.model_validate_json((await client.ask("GET", f"/products/{pen}")).body)
    schemas.Page.model_validate_json((await client.ask("GET", "/products")).body)
    schemas.Categories.model_validate_json((await client.ask("GET", "/products/categories")).body)


async def test_service_seeds_when_it_is_told_to(shop: Any, serve: Serve) -> None:
    app = main.create(replace(SETTINGS, seed_demo=True), database=shop.database)
    async with serve(app) as url, aiohttp.ClientSession() as session:
        client = Client(session, url)
        assert len((await client.ask("GET", "/products?limit=100")).json["items"]) == 40
        assert (await client.ask("GET", "/products/readyz")).status == 200
        assert (await client.ask("GET", "/products/docs")).status == 200


async def test_service_sweeps_in_the_background(shop: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "SWEEP_SECONDS", 0.05)
    product_id, order = await shop.held(seconds=-1)
    async with serve(main.create(replace(SETTINGS, background=True), database=shop.database)):
        for _ in range(100):
            if await shop.state(order) == "released":
                break
            await asyncio.sleep(0.02)
    assert await shop.stock(product_id) == 10


async def test_service_does_not_start_on_a_schema_it_does_not_know(database_urls: dict[str, str]) -> None:
    database = Database(database_urls["admin"].rpartition("/")[0] + "/postgres?sslmode=disable")
    app = main.create(SETTINGS, database=database)
    with pytest.raises(MigrationError):
        async with app.router.lifespan_context(app):
            pass
    await database.close()


async def test_service_starts_and_says_so_while_its_database_is_away(serve: Serve) -> None:
    database = Database("postgresql://nobody@127.0.0.1:1/none?sslmode=disable")
    async with serve(main.create(SETTINGS, database=database)) as url, aiohttp.ClientSession() as session:
        client = Client(session, url)
        assert (await client.ask("GET", "/healthz")).status == 200
        ready = await client.ask("GET", "/readyz")
        assert (ready.status, ready.json["checks"]) == (503, {"database": False})
        away = await client.ask("GET", "/products/1")
        assert (away.status, away.headers["retry-after"]) == (503, "1")
    await database.close()
