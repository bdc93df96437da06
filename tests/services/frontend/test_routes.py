"""The gateway's own routes over real HTTP: both backends well, one of them away, hanging, or talking nonsense."""

import asyncio
import json
import time
from typing import Any
from uuid import UUID

import pytest

from services.chassis.auth import Sessions
from services.chassis.errors import TooManyRequests
from services.frontend.calls import READ_SECONDS
from services.frontend.main import create
from tests.services.frontend.conftest import SETTINGS
from tests.services.frontend.stand_in import CATEGORIES, ORDER_ID, Clock, StandIn, order, page, problem, product
from tests.services.frontend.visiting import Ask

ORDER = f"/api/orders/{ORDER_ID}"


async def test_the_front_page_is_put_together(ask: Ask) -> None:
    reply = await ask("GET", "/api/home")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert "Age" not in reply.headers
    assert reply.json() == {
        "categories": CATEGORIES["items"],
        "newest": page(1, 2, 3)["items"],
        "cheapest": page(1, 2, 3)["items"],
        "missing": [],
        "stale": [],
    }


async def test_the_front_page_names_what_is_missing(ask: Ask, shop: StandIn) -> None:
    shop.take_away("/products/categories")
    reply = await ask("GET", "/api/home")
    assert (reply.status, reply.json()["missing"], reply.json()["categories"]) == (200, ["categories"], None)


async def test_the_front_page_is_unavailable_when_there_is_nothing_to_show(ask: Ask, shop: StandIn) -> None:
    shop.take_away("/products")
    reply = await ask("GET", "/api/home")
    assert (reply.status, reply.code, reply.headers["Retry-After"]) == (503, "unavailable", "1")


GARBAGE: list[tuple[str, bytes, str]] = [
    ("cut JSON", b'{"items":[', "application/json"),
    ("a page in HTML", b"<html>welcome</html>", "text/html"),
    ("HTML that says it is JSON", b"<html>welcome</html>", "application/json"),
    ("nothing", b"", "application/json"),
    ("another shape", b'{"items":{"a":1}}', "application/json"),
    ("a list", b"[]", "application/json"),
    ("null", b"null", "application/json"),
    ("not UTF-8", b'{"items":["\xff"]}', "application/json"),
    ("too deep", b'{"items":' * 100_000, "application/json"),
    ("numbers in text", b'{"items":[{"slug":"a","name":"A","products":"3"}]}', "application/json"),
    ("an endless number", b'{"items":[{"slug":"a","name":"A","products":' + b"9" * 5000 + b"}]}", "application/json"),
]


async def test_nonsense_is_a_missing_part(ask: Ask, shop: StandIn) -> None:
    for name, body, media_type in GARBAGE:
        shop.answer_bytes("GET /products/categories", body, media_type)
        reply = await ask("GET", "/api/home")
        assert (reply.status, reply.json()["missing"]) == (200, ["categories"]), name
        alone = await ask("GET", "/api/categories")
        assert (alone.status, alone.code) == (503, "unavailable"), name


async def test_a_status_that_is_no_answer_is_a_missing_part(ask: Ask, shop: StandIn) -> None:
    for status in (204, 301, 418, 429, 500, 502, 503, 504):
        shop.answer("GET /products/categories", problem(status, "odd"), status)
        assert (await ask("GET", "/api/home")).json()["missing"] == ["categories"], status
        assert (await ask("GET", "/api/categories")).status == 503, status


async def test_a_hanging_part_costs_no_more_than_its_time_limit(ask: Ask, shop: StandIn) -> None:
    shop.hang("GET /products/categories")
    started = time.perf_counter()
    reply = await ask("GET", "/api/home")
    assert READ_SECONDS - 0.5 < time.perf_counter() - started < READ_SECONDS + 0.5
    assert (reply.status, reply.json()["missing"]) == (200, ["categories"])


async def test_parts_that_hang_one_after_the_other_share_one_time_limit(ask: Ask, shop: StandIn) -> None:
    shop.answer(f"GET /orders/{ORDER_ID}", order(*range(1, 18)))  # more than are asked for at a time, thrice
    shop.hang(*(f"GET /products/{number}" for number in range(1, 18)))
    started = time.perf_counter()
    reply = await ask("GET", ORDER, headers={"Authorization": "Bearer me"})
    assert time.perf_counter() - started < READ_SECONDS + 0.5
    assert (reply.status, reply.json()["missing"], reply.json()["products"]) == (200, ["products"], None)


async def test_a_visitor_in_a_hurry_does_not_close_the_shop_to_others(ask: Ask, shop: StandIn) -> None:
    shop.hang("GET /products/categories")
    for _ in range(25):
        assert (await ask("GET", "/api/categories", headers={"X-Deadline-Ms": "20"})).status == 503
    assert (await ask("GET", "/api/products/1")).status == 200


async def test_a_product_page_is_put_together(ask: Ask, shop: StandIn) -> None:
    shop.answer("GET /products/1", product(1, stock=2, brand="not known here yet"))
    reply = await ask("GET", "/api/products/1")
    assert reply.json() == {
        "product": product(1, stock=2, brand="not known here yet"),
        "availability": {"state": "low", "left": 2},
        "related": page(2, 3)["items"],
        "missing": [],
        "stale": [],
    }
    assert shop.targets() == ["/products/1", "/products?category=audio&in_stock=true&limit=7"]


async def test_the_etag_of_a_page_saves_sending_it_again(ask: Ask, shop: StandIn) -> None:
    first = await ask("GET", "/api/products/1")
    again = await ask("GET", "/api/products/1", headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    shop.answer("GET /products", page(1, 2))  # one relative less: another page, though the product is the same
    changed = await ask("GET", "/api/products/1", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


async def test_an_unknown_product_is_refused_in_the_words_of_its_service(ask: Ask, shop: StandIn) -> None:
    body = shop.answer("GET /products/9", problem(404, "not-found"), 404)
    reply = await ask("GET", "/api/products/9")
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (404, body, "application/problem+json")


async def test_an_identifier_that_is_none_reaches_no_backend(ask: Ask, shop: StandIn) -> None:
    for identifier in ("0", "-1", "9223372036854775808", "1" * 30, "1_0", "abc", "%2e%2e", "1%00"):
        reply = await ask("GET", f"/api/products/{identifier}")
        assert (reply.status, reply.code) == (422, "validation"), identifier
    assert shop.seen == []


async def test_an_order_is_shown_with_its_products(ask: Ask, shop: StandIn) -> None:
    reply = await ask("GET", ORDER, headers={"Authorization": "Bearer me"})
    assert reply.status == 200
    assert reply.json() == {
        "order": order(1, 2),
        "products": [product(1), product(2)],
        "missing": [],
        "stale": [],
    }
    assert reply.headers["Cache-Control"] == "no-store"
    credentials = {seen.target: seen.header("authorization") for seen in shop.seen}
    assert credentials == {f"/orders/{ORDER_ID}": "Bearer me", "/products/1": None, "/products/2": None}


async def test_an_order_is_shown_alone_when_the_product_service_is_away(ask: Ask, shop: StandIn) -> None:
    shop.take_away("/products")
    reply = await ask("GET", ORDER)
    assert (reply.status, reply.json()["order"], reply.json()["products"]) == (200, order(1, 2), None)
    assert reply.json()["missing"] == ["products"]


async def test_without_the_order_service_there_is_no_order_and_the_catalogue_is_whole(ask: Ask, shop: StandIn) -> None:
    shop.take_away("/orders")
    assert (await ask("GET", ORDER)).status == 503
    assert (await ask("GET", "/api/home")).json()["missing"] == []


async def test_an_order_that_is_refused_is_refused_as_it_was(ask: Ask, shop: StandIn) -> None:
    for status in (401, 403, 404):
        body = shop.answer(f"GET /orders/{ORDER_ID}", problem(status, "no"), status, www_authenticate="Bearer")
        reply = await ask("GET", ORDER)
        assert (reply.status, reply.body, reply.headers["WWW-Authenticate"]) == (status, body, "Bearer")


async def test_an_order_of_another_shape_is_no_order(ask: Ask, shop: StandIn) -> None:
    shop.answer(f"GET /orders/{ORDER_ID}", order(1, lines=None))
    assert (await ask("GET", ORDER)).status == 503


async def test_half_a_surrogate_pair_does_not_break_a_page(ask: Ask, shop: StandIn) -> None:
    shop.answer_bytes("GET /products/1", json.dumps(product(1, name="\ud800")).encode(), "application/json")
    reply = await ask("GET", "/api/products/1")
    assert (reply.status, reply.json()["product"]["name"]) == (200, "\ud800")


async def test_a_page_of_products_comes_as_the_product_service_wrote_it(ask: Ask, shop: StandIn) -> None:
    body = shop.answer("GET /products", page(1, 2), cache_control="no-cache", etag='"abc"')
    reply = await ask("GET", "/api/products?q=head%20phones&limit=2")
    assert (reply.status, reply.body) == (200, body)
    assert (reply.headers["ETag"], reply.headers["Cache-Control"]) == ('"abc"', "no-cache")
    assert shop.targets() == ["/products?q=head%20phones&limit=2"]


async def test_a_query_is_judged_by_the_product_service(ask: Ask, shop: StandIn) -> None:
    body = shop.answer("GET /products", problem(422, "validation", errors=[]), 422)
    reply = await ask("GET", "/api/products?limit=0")
    assert (reply.status, reply.body) == (422, body)


async def test_the_catalogue_outlives_the_product_service_by_thirty_seconds(
    ask: Ask, shop: StandIn, clock: Clock
) -> None:
    for target in ("/api/home", "/api/products?limit=3", "/api/categories", "/api/products/1"):
        assert (await ask("GET", target)).status == 200
    shop.take_away("/products")
    clock.now += 12.5
    home = await ask("GET", "/api/home")
    assert (home.status, home.json()["missing"]) == (200, [])
    assert home.json()["stale"] == ["categories", "newest", "cheapest"]
    assert (home.headers["Age"], home.headers["Cache-Status"]) == ("12", "frontend; hit; ttl=-12")
    products = await ask("GET", "/api/products?limit=3")
    assert products.json() == {**page(1, 2, 3), "stale": True}
    assert (products.headers["Age"], products.headers["Cache-Status"]) == ("12", "frontend; hit; ttl=-12")
    assert (await ask("GET", "/api/categories")).json() == {**CATEGORIES, "stale": True}
    assert (await ask("GET", "/api/products/1")).json()["stale"] == ["product", "related"]
    clock.now += 20
    for target in ("/api/home", "/api/products?limit=3", "/api/categories", "/api/products/1"):
        assert (await ask("GET", target)).status == 503


async def test_a_copy_is_used_only_while_the_product_service_is_away(ask: Ask, shop: StandIn) -> None:
    await ask("GET", "/api/categories")
    shop.answer("GET /products/categories", {"items": []})
    reply = await ask("GET", "/api/categories")
    assert reply.json() == {"items": []}
    assert "Age" not in reply.headers


async def test_a_copy_serves_when_the_product_service_hangs_or_talks_nonsense(ask: Ask, shop: StandIn) -> None:
    await ask("GET", "/api/categories")
    shop.answer_bytes("GET /products/categories", b"<html>", "text/html")
    assert (await ask("GET", "/api/categories")).json()["stale"] is True
    shop.hang("GET /products/categories")
    assert (await ask("GET", "/api/categories")).json()["stale"] is True


async def test_a_product_that_was_archived_is_not_shown_from_a_copy(ask: Ask, shop: StandIn) -> None:
    await ask("GET", "/api/products/1")
    shop.answer("GET /products/1", problem(404, "not-found"), 404)
    assert (await ask("GET", "/api/products/1")).status == 404
    shop.take_away("/products/1")
    assert (await ask("GET", "/api/products/1")).status == 503


async def test_what_the_staff_sees_is_not_kept_for_the_next_visitor(ask: Ask, shop: StandIn) -> None:
    staff = {"Authorization": "Bearer adm_boss_secret"}
    assert (await ask("GET", "/api/products?archived=true", headers=staff)).status == 200
    assert shop.seen[-1].header("authorization") == "Bearer adm_boss_secret"
    shop.take_away("/products")
    assert (await ask("GET", "/api/products?archived=true")).status == 503
    assert (await ask("GET", "/api/products?archived=true", headers=staff)).status == 503


async def test_a_customer_is_shown_the_copy_that_everybody_is_shown(ask: Ask, shop: StandIn) -> None:
    await ask("GET", "/api/categories")
    await ask("GET", "/api/products", headers={"Authorization": "Bearer v1.s1.somebody"})
    shop.take_away("/products")
    assert (await ask("GET", "/api/products")).json()["stale"] is True


async def test_a_forged_credential_does_not_take_a_copy_away(ask: Ask, shop: StandIn) -> None:
    await ask("GET", "/api/products")
    shop.answer("GET /products", problem(401, "unauthenticated"), 401)
    assert (await ask("GET", "/api/products", headers={"Authorization": "Bearer forged"})).status == 401
    shop.take_away("/products")
    assert (await ask("GET", "/api/products")).json()["stale"] is True


async def test_the_status_shows_each_backend(ask: Ask, shop: StandIn) -> None:
    shop.take_away("/orders/healthz")
    reply = await ask("GET", "/api/status")
    assert reply.status == 200
    status = reply.json()
    assert status["status"] == "degraded"
    well, away = status["backends"]
    assert 0 < well.pop("latency_ms") < 1000
    assert well.pop("p95_ms") is None
    assert well == {"name": "product", "healthy": True, "served_by": "fargate", "version": "v7"}
    assert (away["name"], away["healthy"], away["served_by"], away["version"]) == ("order", False, None, None)


async def test_the_status_waits_a_second_for_a_backend_that_hangs(ask: Ask, shop: StandIn) -> None:
    shop.hang("GET /products/healthz", "GET /orders/healthz")
    started = time.perf_counter()
    reply = await ask("GET", "/api/status")
    assert time.perf_counter() - started < 1.5
    assert reply.json()["status"] == "down"


async def test_a_draining_backend_is_not_healthy(ask: Ask, shop: StandIn) -> None:
    shop.answer("GET /products/healthz", {"service": "product", "version": "v8", "status": "draining"}, 503)
    shop.answers["GET /products/healthz"].headers["Content-Type"] = "application/json"
    [well, _] = (await ask("GET", "/api/status")).json()["backends"]
    assert (well["healthy"], well["version"]) == (False, "v8")


async def test_readiness_names_each_backend(ask: Ask, shop: StandIn) -> None:
    ready = await ask("GET", "/api/readyz")
    assert (ready.status, ready.json()["checks"]) == (200, {"product": True, "order": True})
    shop.take_away("/orders")
    unready = await ask("GET", "/readyz")
    assert (unready.status, unready.json()["checks"]) == (503, {"product": True, "order": False})


async def test_health_asks_nobody(ask: Ask, shop: StandIn) -> None:
    shop.take_away("/")
    assert (await ask("GET", "/healthz")).status == 200
    assert shop.seen == []


async def test_an_unknown_path_is_a_problem(ask: Ask) -> None:
    for target in ("/nothing", "/api", "/api/", "/api/nothing", "/api/products/1/stock/2", "/api/products/1/"):
        reply = await ask("GET", target)
        assert (reply.status, reply.code) == (404, "not-found"), target
        assert reply.headers["Content-Type"] == "application/problem+json"


async def test_nothing_inside_is_reached_by_way_of_the_gateway(ask: Ask, shop: StandIn) -> None:
    for target in (
        f"/api/products/reservations/{ORDER_ID}",
        "/api/products/1/image.svg",
        "/api/orders/../products/reservations/x",
        "/api/products/..%2freservations%2fx",
        "/api/categories/..%2f..%2forders",
    ):
        for method in ("PUT", "POST"):
            reply = await ask(method, target, body=b"{}", headers={"Content-Type": "application/json"})
            assert reply.status in {404, 405, 422}, (method, target)
    assert shop.seen == []


async def test_a_session_is_a_new_customer_each_time(ask: Ask) -> None:
    first, second = [await ask("POST", "/api/sessions") for _ in range(2)]
    assert (first.status, first.headers["Cache-Control"]) == (201, "no-store")
    assert set(first.json()) == {"token", "customer_id", "expires_at"}
    assert first.json()["customer_id"] != second.json()["customer_id"]
    caller = Sessions(SETTINGS.session_keys).read(first.json()["token"])
    assert caller.customer_id == UUID(first.json()["customer_id"])


async def test_an_address_begins_five_sessions_a_minute(ask: Ask, clock: Clock) -> None:
    async def begin(viewer: str = "", **headers: str) -> int:
        named = {"CloudFront-Viewer-Address": f"{viewer}:1234"} if viewer else {}
        return (await ask("POST", "/api/sessions", headers={**named, **headers})).status

    assert [await begin() for _ in range(6)] == [201] * 5 + [429]
    assert await begin(**{"X-Forwarded-For": "198.51.100.1"}) == 429
    assert [await begin("198.51.100.1") for _ in range(6)] == [201] * 5 + [429]
    assert await begin("198.51.100.2") == 201
    clock.now += 12.1
    assert [await begin() for _ in range(2)] == [201, 429]


async def test_a_refused_session_says_when_to_come_back(ask: Ask) -> None:
    replies = await asyncio.gather(*(ask("POST", "/api/sessions") for _ in range(6)))
    [refused] = [reply for reply in replies if reply.status == 429]
    assert (refused.code, refused.headers["Retry-After"]) == ("too-many-requests", "12")


@pytest.mark.parametrize(("keyword", "limit"), [({}, 1000), ({"sessions_per_minute": 60}, 60)])
def test_the_limit_of_sessions_is_set_by_the_settings_or_by_keyword(keyword: dict[str, Any], limit: int) -> None:
    rate = create(SETTINGS, clock=Clock(), **keyword).state.session_rate
    for _ in range(limit):
        rate.take("somebody")
    with pytest.raises(TooManyRequests):
        rate.take("somebody")
