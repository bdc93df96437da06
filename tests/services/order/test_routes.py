"""The order service over real HTTP: statuses, headers, bodies, and who may do what."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest

from services.chassis.auth import Session, Sessions, new_admin_key
from services.chassis.database import Database
from services.chassis.migrations import MigrationError
from services.chassis.settings import Settings, SettingsError
from services.order import main
from services.order.catalog import NoDecision
from tests.services.conftest import Serve
from tests.services.order.fakes import FakeCatalog, Gate, Reach, WatchedCatalog, nothing
from tests.services.order.invariants import end_leases

WRITER, WRITER_KEY = new_admin_key("writer", ["orders:write"])
READER, READER_KEY = new_admin_key("reader", ["ops:read"])
STRANGER, STRANGER_KEY = new_admin_key("stranger", ["catalog:write"])
SETTINGS = Settings(
    service="order",
    session_keys={"s1": bytes(32)},
    service_keys={"k1": bytes(32)},
    admin_keys=(WRITER_KEY, READER_KEY, STRANGER_KEY),
    background=False,
)
SESSIONS = Sessions(SETTINGS.session_keys)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        assert self.headers["Content-Type"] == "application/problem+json"
        document = self.json
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["X-Request-Id"]
        return str(document["type"]).removeprefix("/problems/")


@dataclass
class Shop:
    """A customer's view of the running service."""

    http: aiohttp.ClientSession
    database: Database
    catalog: FakeCatalog
    clock: Clock
    session: Session = field(default_factory=SESSIONS.issue)
    reach: Reach = nothing

    async def ask(
        self, method: str, path: str, *, token: str | None = None, headers: Any = None, **options: Any
    ) -> Answer:
        bearer = self.session.token if token is None else token
        sent = [("Authorization", f"Bearer {bearer}")] if bearer else []
        sent += list(headers.items()) if isinstance(headers, dict) else headers or []
        async with self.http.request(method, path, headers=sent, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def order(self, *lines: tuple[int, int], key: str = "", token: str | None = None, **members: Any) -> Answer:
        body = {"lines": [{"product_id": id_, "qty": qty} for id_, qty in lines or [(1, 1)]], **members}
        return await self.ask(
            "POST", "/orders", token=token, json=body, headers={"Idempotency-Key": key or uuid4().hex}
        )


@pytest.fixture
async def shop(serve: Serve, database: Database, catalog: FakeCatalog) -> AsyncIterator[Shop]:
    clock = Clock()
    served: list[Shop] = []

    async def reach(point: str) -> None:
        await served[0].reach(point)

    app = main.create(SETTINGS, database=database, catalog=WatchedCatalog(catalog, reach), clock=clock)
    async with serve(app) as url, aiohttp.ClientSession(url) as http:
        served.append(Shop(http, database, catalog, clock))
        yield served[0]


async def away(point: str) -> None:
    if point.startswith("before"):
        raise NoDecision


async def test_an_order_is_created(shop: Shop) -> None:
    answer = await shop.order((2, 1), (1, 2))
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Location"] == f"/orders/{answer.json['id']}"
    assert "Idempotent-Replayed" not in answer.headers
    assert answer.json["customer_id"] == str(shop.session.customer_id)
    assert answer.json["total_cents"] == 1500
    assert [line["product_id"] for line in answer.json["lines"]] == [1, 2]
    read = await shop.ask("GET", answer.headers["Location"])
    assert (read.status, read.body) == (200, answer.body)
    assert (await shop.ask("GET", "/orders")).json == {"items": [answer.json], "next": None}


async def test_a_repetition_is_answered_with_the_same_bytes_and_says_so(shop: Shop) -> None:
    first = await shop.order((1, 2), (2, 1), key="k")
    await shop.ask("POST", f"/orders/{first.json['id']}/ship", token=WRITER, json={"tracking": "T-1"})
    again = await shop.order((2, 1), (1, 2), key="k")
    assert (again.status, again.body) == (201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert shop.catalog.stock[1] == 98


@pytest.mark.parametrize(
    ("lines", "status", "code"), [((1, 500), 409, "insufficient-stock"), ((9, 1), 422, "unknown-product")]
)
async def test_a_refusal_is_final_and_replayed(shop: Shop, lines: tuple[int, int], status: int, code: str) -> None:
    first = await shop.order(lines, key="k")
    assert (first.status, first.code) == (status, code)
    shop.catalog.stock.update({1: 1000, 9: 1000})
    again = await shop.order(lines, key="k")
    assert (again.status, again.code) == (status, code)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    assert first.json | {"request_id": ""} == again.json | {"request_id": ""}
    assert again.headers["Location"] == f"/orders/{again.json['order_id']}"
    read = await shop.ask("GET", again.headers["Location"])
    assert (read.json["status"], read.json["reject_code"]) == ("rejected", code)


async def test_a_changed_price_is_refused(shop: Shop) -> None:
    answer = await shop.order((1, 2), expected_total_cents=499)
    assert (answer.status, answer.code) == (409, "price-changed")
    assert (await shop.order((1, 2), expected_total_cents=500.0)).status == 201
    assert (await shop.order((1, 2), expected_total_cents=None)).status == 201


async def test_a_key_for_another_body_is_422(shop: Shop) -> None:
    first = await shop.order((1, 1), key="k")
    answer = await shop.order((1, 2), key="k")
    assert (answer.status, answer.code) == (422, "key-reuse")
    assert (await shop.ask("GET", first.headers["Location"])).body == first.body


async def test_an_order_that_is_being_decided_is_409_with_retry_after(shop: Shop) -> None:
    gate = Gate("before-S3")
    shop.reach = gate
    running = asyncio.create_task(shop.order((1, 1), key="k"))
    await gate.reached()
    answer = await shop.order((1, 1), key="k")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (409, "in-progress", "1")
    gate.open()
    assert (await running).status == 201


async def test_an_order_without_a_decision_is_202_and_can_be_asked_for(shop: Shop) -> None:
    shop.reach = away
    answer = await shop.order((1, 1), key="k")
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "1"
    assert answer.json["status"] == "pending"
    assert (await shop.ask("GET", answer.headers["Location"])).body == answer.body
    shop.reach = nothing
    again = await shop.order((1, 1), key="k")
    assert (again.status, again.json["id"]) == (201, answer.json["id"])


async def test_with_the_breaker_open_the_known_is_replayed_and_the_rest_refused(shop: Shop) -> None:
    first = await shop.order((1, 1), key="k")
    shop.catalog.open = True
    again = await shop.order((1, 1), key="k")
    assert (again.status, again.body) == (201, first.body)
    answer = await shop.order((1, 1))
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "unavailable", "5")
    assert len((await shop.ask("GET", "/orders")).json["items"]) == 1
    assert (await shop.ask("GET", "/orders/readyz")).status == 503
    assert (await shop.ask("GET", "/orders/healthz")).status == 200


BAD_KEYS: list[list[tuple[str, str]]] = [
    [],
    [("Idempotency-Key", "")],
    [("Idempotency-Key", "x" * 256)],
    [("Idempotency-Key", "a b")],
    [("Idempotency-Key", "ключ")],
    [("Idempotency-Key", "a\tb")],
    [("Idempotency-Key", "a"), ("Idempotency-Key", "a")],
]


async def test_a_key_that_is_none_is_400(shop: Shop) -> None:
    body = {"lines": [{"product_id": 1, "qty": 1}]}
    answers = [await shop.ask("POST", "/orders", json=body, headers=headers) for headers in BAD_KEYS]
    assert [(answer.status, answer.code) for answer in answers] == [(400, "idempotency-key")] * len(BAD_KEYS)


async def test_any_visible_ascii_is_a_key(shop: Shop) -> None:
    for key in ["!", "~", "x" * 255, '{"k":1}']:
        assert (await shop.order((1, 1), key=key)).status == 201


LINE = {"product_id": 1, "qty": 1}
BAD_BODIES: dict[str, tuple[bytes | object, int]] = {
    "cut": (b'{"lines":[', 400),
    "not UTF-8": (b"\xff\xfe", 400),
    "deep": (b"[" * 60_000, 400),
    "duplicate keys": (b'{"lines":[{"product_id":1,"qty":1,"qty":9}]}', 400),
    "long integer": (b'{"lines":[{"product_id":1,"qty":' + b"9" * 5000 + b"}]}", 400),
    "empty": (b"", 422),
    "null": (None, 422),
    "a list": ([LINE], 422),
    "no lines": ({}, 422),
    "empty lines": ({"lines": []}, 422),
    "too many lines": ({"lines": [{"product_id": n, "qty": 1} for n in range(1, 52)]}, 422),
    "a product twice": ({"lines": [LINE, {"product_id": 1, "qty": 2}]}, 422),
    "qty 0": ({"lines": [{"product_id": 1, "qty": 0}]}, 422),
    "qty -1": ({"lines": [{"product_id": 1, "qty": -1}]}, 422),
    "qty 1001": ({"lines": [{"product_id": 1, "qty": 1001}]}, 422),
    "qty 1.5": ({"lines": [{"product_id": 1, "qty": 1.5}]}, 422),
    "qty text": ({"lines": [{"product_id": 1, "qty": "1"}]}, 422),
    "qty true": ({"lines": [{"product_id": 1, "qty": True}]}, 422),
    "qty NaN": (b'{"lines":[{"product_id":1,"qty":NaN}]}', 422),
    "qty 1e999": (b'{"lines":[{"product_id":1,"qty":1e999}]}', 422),
    "product 0": ({"lines": [{"product_id": 0, "qty": 1}]}, 422),
    "product beyond bigint": ({"lines": [{"product_id": 2**63, "qty": 1}]}, 422),
    "a price": ({"lines": [LINE | {"unit_price_cents": 1}]}, 422),
    "an unknown member": ({"lines": [LINE], "is_admin": True}, 422),
    "a customer": ({"lines": [LINE], "customer_id": str(uuid4())}, 422),
    "a negative total": ({"lines": [LINE], "expected_total_cents": -1}, 422),
    "a total beyond any": ({"lines": [LINE], "expected_total_cents": 10**15 + 1}, 422),
    "half a character": (b'{"lines":"\\ud800"}', 422),
    "too large": (b" " * 65_537, 413),
}


async def test_a_bad_body_is_refused_and_writes_nothing(shop: Shop) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answers = {}
    for name, (body, _) in BAD_BODIES.items():
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = await shop.ask("POST", "/orders", data=data, headers=headers)
        assert answer.code
        answers[name] = answer.status
    assert answers == {name: status for name, (_, status) in BAD_BODIES.items()}
    assert (await shop.ask("GET", "/orders")).json["items"] == []
    assert (await shop.order((1, 1), key="k")).status == 201


async def test_a_body_of_another_type_is_415(shop: Shop) -> None:
    answer = await shop.ask(
        "POST", "/orders", data=b'{"lines":[]}', headers={"Idempotency-Key": "k", "Content-Type": "text/plain"}
    )
    assert answer.status == 415


async def test_a_foreign_order_answers_as_one_that_does_not_exist(shop: Shop) -> None:
    order = await shop.order((1, 1))
    other = SESSIONS.issue().token
    for method, suffix in [("GET", ""), ("GET", "/events"), ("POST", "/cancel")]:
        foreign = await shop.ask(method, f"{order.headers['Location']}{suffix}", token=other)
        unknown = await shop.ask(method, f"/orders/{uuid4()}{suffix}", token=other)
        assert (foreign.status, unknown.status) == (404, 404)
        assert foreign.json | {"request_id": ""} == unknown.json | {"request_id": ""}
    assert (await shop.ask("GET", "/orders", token=other)).json["items"] == []


async def test_what_is_not_an_id_is_refused(shop: Shop) -> None:
    paths = {"not-a-uuid": 422, "%2e%2e%2f1": 404, "1": 422, "9" * 40: 422, str(ID): 404}
    assert {path: (await shop.ask("GET", f"/orders/{path}")).status for path in paths} == paths


BAD_QUERIES = [
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=1_0",
    "limit=1&limit=2",
    "limit=٣",
    "status=lost",
    "status=",
    "cursor=x",
    "cursor=",
    "cursor=%00",
    "cursor=9999999999999999-x",
    "customer_id=x",
    "offset=1",
]


async def test_a_bad_query_is_422(shop: Shop) -> None:
    answers = {query: (await shop.ask("GET", f"/orders?{query}")).status for query in BAD_QUERIES}
    assert answers == dict.fromkeys(BAD_QUERIES, 422)


async def test_one_pages_through_ones_own_orders(shop: Shop) -> None:
    placed = [(await shop.order((1, 1))).json["id"] for _ in range(5)]
    seen: list[str] = []
    query = "limit=2"
    while query:
        page = (await shop.ask("GET", f"/orders?{query}")).json
        seen += [order["id"] for order in page["items"]]
        query = f"limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == placed[::-1]


async def test_the_back_office_sees_and_filters_all_orders(shop: Shop) -> None:
    mine = (await shop.order((1, 1))).json
    other = SESSIONS.issue()
    refused = (await shop.order((1, 500), token=other.token)).json
    everything = (await shop.ask("GET", "/orders", token=READER)).json["items"]
    assert [order["id"] for order in everything] == [refused["order_id"], mine["id"]]
    of_other = await shop.ask("GET", f"/orders?customer_id={other.customer_id}&status=rejected", token=READER)
    assert [order["id"] for order in of_other.json["items"]] == [refused["order_id"]]
    assert (await shop.ask("GET", "/orders?status=shipped", token=READER)).json["items"] == []
    assert (await shop.ask("GET", f"/orders/{mine['id']}", token=READER)).json == mine


async def test_a_customer_filters_by_state_but_not_by_customer(shop: Shop) -> None:
    await shop.order((1, 1))
    assert len((await shop.ask("GET", "/orders?status=confirmed")).json["items"]) == 1
    assert (await shop.ask("GET", "/orders?status=pending")).json["items"] == []
    assert (await shop.ask("GET", f"/orders?customer_id={shop.session.customer_id}")).status == 200
    assert (await shop.ask("GET", f"/orders?customer_id={uuid4()}")).status == 403


FORGED = SESSIONS.issue().token[:-1] + "x"
EXPIRED = Sessions(SETTINGS.session_keys, clock=lambda: 0.0).issue().token
ID = UUID(int=0)
# customer, orders:write, ops:read, another role, nobody, forged, expired
RIGHTS = {
    ("POST", "/orders"): [400, 403, 403, 403, 401, 401, 401],
    ("GET", "/orders"): [200, 403, 200, 403, 401, 401, 401],
    ("GET", "/orders/report"): [403, 403, 200, 403, 401, 401, 401],
    ("GET", f"/orders/{ID}"): [404, 403, 404, 403, 401, 401, 401],
    ("GET", f"/orders/{ID}/events"): [404, 403, 404, 403, 401, 401, 401],
    ("POST", f"/orders/{ID}/cancel"): [404, 404, 403, 403, 401, 401, 401],
    ("POST", f"/orders/{ID}/ship"): [403, 404, 403, 403, 401, 401, 401],
    ("POST", f"/orders/{ID}/refund"): [403, 404, 403, 403, 401, 401, 401],
}


async def test_everybody_may_do_what_the_table_says(shop: Shop) -> None:
    callers = [shop.session.token, WRITER, READER, STRANGER, "", FORGED, EXPIRED]
    found = {}
    for operation in RIGHTS:
        answers = [await shop.ask(*operation, token=token) for token in callers]
        assert all("WWW-Authenticate" in answer.headers for answer in answers if answer.status == 401)
        found[operation] = [answer.status for answer in answers]
    assert found == RIGHTS


async def test_an_order_is_cancelled_by_its_customer_once(shop: Shop) -> None:
    order = await shop.order((1, 5))
    for _ in range(2):
        answer = await shop.ask("POST", f"{order.headers['Location']}/cancel")
        assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert shop.catalog.stock[1] == 100


async def test_a_cancellation_without_an_answer_is_202(shop: Shop) -> None:
    order = await shop.order((1, 5))
    shop.reach = away
    answer = await shop.ask("POST", f"{order.headers['Location']}/cancel", token=WRITER)
    assert (answer.status, answer.json["status"]) == (202, "cancelling")
    assert answer.headers["Location"] == order.headers["Location"]
    assert answer.headers["Retry-After"] == "1"


async def test_an_order_is_shipped_and_refunded_by_the_staff(shop: Shop) -> None:
    order = await shop.order((1, 5))
    path = order.headers["Location"]
    shipped = await shop.ask("POST", f"{path}/ship", token=WRITER, json={"tracking": "T-1"})
    assert (shipped.status, shipped.json["status"], shipped.json["tracking"]) == (200, "shipped", "T-1")
    late = await shop.ask("POST", f"{path}/cancel")
    assert (late.status, late.code) == (409, "not-cancellable")
    refunded = await shop.ask("POST", f"{path}/refund", token=WRITER)
    assert (refunded.status, refunded.json["status"]) == (200, "refunded")
    again = await shop.ask("POST", f"{path}/ship", token=WRITER)
    assert (again.status, again.code) == (409, "not-shippable")
    events = (await shop.ask("GET", f"{path}/events")).json["items"]
    assert [(event["was"], event["status"], event["actor"]) for event in events] == [
        (None, "pending", "customer"),
        ("pending", "confirmed", "placement"),
        ("confirmed", "shipped", "admin"),
        ("shipped", "refunding", "admin"),
        ("refunding", "refunded", "admin"),
    ]
    full = (await shop.ask("GET", f"{path}/events", token=READER)).json["items"]
    assert full[2]["actor"] == "admin:writer"


async def test_a_shipment_needs_no_tracking(shop: Shop) -> None:
    bodies: list[dict[str, Any]] = [{}, {"json": {}}, {"json": {"tracking": None}}]
    for options in bodies:
        order = await shop.order((1, 1))
        answer = await shop.ask("POST", f"{order.headers['Location']}/ship", token=WRITER, **options)
        assert (answer.status, answer.json["tracking"]) == (200, None)


async def test_a_tracking_that_cannot_be_stored_is_422(shop: Shop) -> None:
    order = await shop.order((1, 1))
    for tracking in ("", "x" * 201, "a\0b", "a\nb", "\ud800", 5):
        answer = await shop.ask("POST", f"{order.headers['Location']}/ship", token=WRITER, json={"tracking": tracking})
        assert answer.status == 422
    assert (await shop.ask("GET", order.headers["Location"])).body == order.body


async def test_the_twenty_first_order_in_a_minute_is_429_and_the_key_is_still_free(shop: Shop) -> None:
    for _ in range(20):
        assert (await shop.order((1, 1))).status == 201
    answer = await shop.order((1, 1), key="k")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, "too-many-requests", "3")
    assert (await shop.order((1, 1), token=SESSIONS.issue().token)).status == 201
    shop.clock.now += 3
    assert (await shop.order((1, 1), key="k")).status == 201


async def test_a_fourth_undecided_order_is_429(shop: Shop) -> None:
    shop.reach = away
    for _ in range(3):
        assert (await shop.order((1, 1))).status == 202
    answer = await shop.order((1, 1))
    assert (answer.status, answer.code) == (429, "too-many-pending")
    assert "Retry-After" in answer.headers


async def test_above_the_cap_orders_are_503_and_reads_give_way_first(shop: Shop) -> None:
    opened = asyncio.Event()

    async def hold(point: str) -> None:
        if point == "before-S2":
            await opened.wait()

    shop.reach = hold
    tokens = [SESSIONS.issue().token for _ in range(33)]
    running = [asyncio.create_task(shop.order((1, 1), token=token)) for token in tokens[:24]]
    await _until(shop, 24)
    assert (await shop.ask("GET", "/orders")).status == 503
    running += [asyncio.create_task(shop.order((1, 1), token=token)) for token in tokens[24:32]]
    await _until(shop, 32)
    answer = await shop.order((1, 1), token=tokens[32])
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert (await shop.ask("GET", "/orders/healthz")).status == 200
    opened.set()
    assert {(await answer).status for answer in running} == {201}
    assert (await shop.ask("GET", "/orders")).status == 200


async def _until(shop: Shop, waiting: int) -> None:
    """Until so many orders have been written; they wait before their first call."""
    for _ in range(500):
        async with shop.database.read() as connection:
            if await connection.fetch_value("SELECT count(*) FROM ordering.orders") == waiting:
                return
        await asyncio.sleep(0.02)
    pytest.fail("the orders were not written")


async def test_a_database_that_is_away_is_503(
    serve: Serve, database_urls: dict[str, str], catalog: FakeCatalog
) -> None:
    gone = Database(database_urls["order"])
    async with serve(main.create(SETTINGS, database=gone, catalog=catalog)) as url, aiohttp.ClientSession(url) as http:
        await gone.close()
        shop = Shop(http, gone, catalog, Clock())
        answer = await shop.order((1, 1))
        assert (answer.status, answer.code) == (503, "unavailable")
        assert "Retry-After" in answer.headers
        assert (await shop.ask("GET", f"/orders/{uuid4()}")).status == 503
        ready = await shop.ask("GET", "/readyz")
        assert (ready.status, ready.json["checks"]) == (503, {"database": False, "product": True})
    assert catalog.calls == []


async def test_on_a_schema_it_does_not_know_the_service_does_not_start(
    database_urls: dict[str, str], catalog: FakeCatalog
) -> None:
    foreign = Database(database_urls["product"])
    app = main.create(SETTINGS, database=foreign, catalog=catalog)
    with pytest.raises(MigrationError, match="ordering has not been migrated"):
        async with app.router.lifespan_context(app):
            pytest.fail("it started")
    await foreign.close()


async def test_the_reconciler_runs_beside_the_requests(
    serve: Serve, database: Database, admin: Database, catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "PAUSE", 0.05)
    settings = Settings(service="order", session_keys=SETTINGS.session_keys, service_keys=SETTINGS.service_keys)
    flaky: list[Reach] = [away]

    async def reach(point: str) -> None:
        await flaky[0](point)

    app = main.create(settings, database=database, catalog=WatchedCatalog(catalog, reach))
    async with serve(app) as url, aiohttp.ClientSession(url) as http:
        shop = Shop(http, database, catalog, Clock())
        order = await shop.order((1, 1))
        assert order.status == 202
        flaky[0] = nothing
        await end_leases(admin)
        for _ in range(100):
            if (await shop.ask("GET", order.headers["Location"])).json["status"] == "confirmed":
                return
            await asyncio.sleep(0.05)
        pytest.fail("nobody finished the order")


def test_every_operation_declares_what_it_can_answer() -> None:
    document = main.create(SETTINGS, database=Database("postgresql://x/y"), catalog=FakeCatalog()).openapi()
    declared = {
        (method.upper(), path): set(operation["responses"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert declared.keys() == {(method, path.replace(str(ID), "{order_id}")) for method, path in RIGHTS}
    for statuses in declared.values():
        assert {"400", "401", "403", "422", "503"} <= statuses
    assert {"201", "202", "409", "413", "415", "429"} <= declared["POST", "/orders"]
    parameters = document["paths"]["/orders"]["post"]["parameters"]
    assert [parameter["name"] for parameter in parameters] == ["Idempotency-Key"]


def test_without_its_settings_the_service_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://x/y")
    with pytest.raises(SettingsError, match="UPSTREAM_URL is missing"):
        main.create()
