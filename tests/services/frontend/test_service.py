"""Pages out of parts, with hand-written backends: what is shown when some of it is away."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from services.chassis.errors import Unavailable
from services.chassis.upstream import Answer
from services.frontend import service
from services.frontend.backends import Found, Probe, Reading, Refusal
from services.frontend.calls import Call, NoAnswer
from services.frontend.service import reading
from tests.services.frontend.stand_in import CATEGORIES, ORDER_ID, order, page, problem, product

HEALTHY = Probe(healthy=True, latency_ms=1.0, served_by="fargate", version="v7")


def found(document: Mapping[str, Any], age: int | None = None) -> Found:
    return Found(document, Answer(200, {}, json.dumps(document).encode()), age)


def refusal(status: int, code: str) -> Refusal:
    return Refusal(Answer(status, {}, json.dumps(problem(status, code)).encode()))


class FakeBackend:
    """Answers `readings` by name; what it has no reading for is away."""

    def __init__(self, readings: Mapping[str, Reading] | None = None, probe: Probe = HEALTHY) -> None:
        self.readings = dict(readings or {})
        self.asked: list[str] = []
        self.most_at_once = 0
        self._at_once = 0
        self._probe = probe

    async def forward(self, call: Call) -> Answer:
        raise AssertionError(f"nothing is passed on here: {call.path}")

    async def probe(self) -> Probe:
        return self._probe

    async def read(self, name: str) -> Reading:
        self.asked.append(name)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0)
        self._at_once -= 1
        if name not in self.readings:
            raise NoAnswer
        return self.readings[name]


class FakeProducts(FakeBackend):
    async def categories(self) -> Reading:
        return await self.read("categories")

    async def page(self, query: str, authorization: str = "") -> Reading:
        return await self.read(f"page {query}{authorization}")

    async def product(self, product_id: int, authorization: str = "") -> Reading:
        return await self.read(f"product {product_id}{authorization}")

    async def ledger(self, product_id: int, query: str, authorization: str) -> Reading:
        return await self.read(f"ledger {product_id} {query} {authorization}")

    async def inventory(self, query: str, authorization: str) -> Reading:
        return await self.read(f"inventory {query} {authorization}")


class FakeOrders(FakeBackend):
    async def order(self, order_id: UUID, authorization: str) -> Reading:
        return await self.read(f"order {order_id} {authorization}")

    async def page(self, query: str, authorization: str) -> Reading:
        return await self.read(f"orders {query} {authorization}")

    async def events(self, order_id: UUID, authorization: str) -> Reading:
        return await self.read(f"events {order_id} {authorization}")

    async def report(self, query: str, authorization: str) -> Reading:
        return await self.read(f"report {query} {authorization}")


NEWEST, CHEAPEST = f"page {reading.NEWEST}", f"page {reading.CHEAPEST}"
RELATED = "page category=audio&in_stock=true&limit=7"
ALL: Mapping[str, Reading] = {"categories": found(CATEGORIES), NEWEST: found(page(3, 2)), CHEAPEST: found(page(1))}


async def test_the_front_page_has_all_its_parts_and_asks_for_them_at_once() -> None:
    products = FakeProducts(ALL)
    shown = await service.show_front_page(products)
    assert shown.document == {
        "categories": CATEGORIES["items"],
        "newest": page(3, 2)["items"],
        "cheapest": page(1)["items"],
        "missing": [],
        "stale": [],
    }
    assert shown.age is None
    assert products.most_at_once == 3


@pytest.mark.parametrize(("away", "named"), [("categories", "categories"), (NEWEST, "newest"), (CHEAPEST, "cheapest")])
async def test_a_part_of_the_front_page_that_is_away_is_named(away: str, named: str) -> None:
    shown = await service.show_front_page(FakeProducts({name: part for name, part in ALL.items() if name != away}))
    assert shown.document["missing"] == [named]
    assert shown.document[named] is None
    assert all(shown.document[part] for part in {"categories", "newest", "cheapest"} - {named})


async def test_a_part_that_is_refused_is_missing() -> None:
    shown = await service.show_front_page(FakeProducts({**ALL, NEWEST: refusal(422, "validation")}))
    assert shown.document["missing"] == ["newest"]


async def test_an_empty_part_is_there() -> None:
    shown = await service.show_front_page(FakeProducts({NEWEST: found({"items": [], "next": None})}))
    assert shown.document["newest"] == []
    assert shown.document["missing"] == ["categories", "cheapest"]


async def test_a_front_page_of_nothing_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        await service.show_front_page(FakeProducts())


async def test_kept_copies_are_named_and_the_oldest_counts() -> None:
    kept = {**ALL, "categories": found(CATEGORIES, 4), NEWEST: found(page(3), 11)}
    shown = await service.show_front_page(FakeProducts(kept))
    assert shown.document["stale"] == ["categories", "newest"]
    assert shown.document["missing"] == []
    assert shown.age == 11


@pytest.mark.parametrize(
    ("stock", "active", "expected"),
    [
        (0, True, {"state": "sold-out", "left": 0}),
        (1, True, {"state": "low", "left": 1}),
        (5, True, {"state": "low", "left": 5}),
        (6, True, {"state": "in-stock", "left": None}),
        (6, False, {"state": "sold-out", "left": 0}),
    ],
)
def test_availability_tells_how_many_are_left_when_they_are_few(
    stock: int, active: bool, expected: Mapping[str, Any]
) -> None:
    assert service.availability(product(stock=stock, active=active)) == expected


async def shown_product(products: FakeProducts, authorization: str = "") -> Mapping[str, Any]:
    shown = await service.show_product(products, 1, authorization)
    assert isinstance(shown, service.Page)
    return shown.document


async def test_a_product_is_shown_with_others_of_its_category_and_not_with_itself() -> None:
    document = await shown_product(FakeProducts({"product 1": found(product(1)), RELATED: found(page(1, 2, 3))}))
    assert document["product"] == product(1)
    assert document["availability"]["state"] == "in-stock"
    assert [item["id"] for item in document["related"]] == [2, 3]
    assert document["missing"] == []


async def test_related_products_are_bounded() -> None:
    products = FakeProducts({"product 1": found(product(1)), RELATED: found(page(*range(2, 12)))})
    assert len((await shown_product(products))["related"]) == reading.RELATED


async def test_a_product_is_shown_when_its_relatives_are_away() -> None:
    document = await shown_product(FakeProducts({"product 1": found(product(1))}))
    assert document["related"] is None
    assert document["missing"] == ["related"]


async def test_a_product_that_is_refused_is_refused_as_it_was() -> None:
    no = refusal(404, "not-found")
    assert await service.show_product(FakeProducts({"product 1": no}), 1, "") is no


async def test_a_product_that_is_away_is_no_page() -> None:
    with pytest.raises(NoAnswer):
        await service.show_product(FakeProducts({RELATED: found(page(2))}), 1, "")


async def test_the_credential_is_for_the_product_and_not_for_its_relatives() -> None:
    products = FakeProducts({"product 1Bearer adm_x": found(product(1)), RELATED: found(page(2))})
    assert (await shown_product(products, "Bearer adm_x"))["missing"] == []


def with_order(*product_ids: int) -> FakeOrders:
    return FakeOrders({f"order {ORDER_ID} Bearer me": found(order(*product_ids))})


async def shown_order(orders: FakeOrders, products: FakeProducts) -> service.Page:
    shown = await service.show_order(orders, products, UUID(ORDER_ID), "Bearer me")
    assert isinstance(shown, service.Page)
    return shown


async def test_an_order_is_shown_with_its_products_in_the_order_of_its_lines() -> None:
    products = FakeProducts({f"product {number}": found(product(number)) for number in (1, 2)})
    shown = await shown_order(with_order(2, 1), products)
    assert shown.document == {
        "order": order(2, 1),
        "products": [product(2), product(1)],
        "missing": [],
        "stale": [],
    }


async def test_an_order_is_shown_alone_when_the_products_are_away() -> None:
    shown = await shown_order(with_order(1, 2), FakeProducts())
    assert shown.document["order"] == order(1, 2)
    assert shown.document["products"] is None
    assert shown.document["missing"] == ["products"]


async def test_the_products_that_could_be_had_are_shown_when_others_could_not() -> None:
    shown = await shown_order(with_order(1, 2), FakeProducts({"product 2": found(product(2), 9)}))
    assert shown.document["products"] == [product(2)]
    assert shown.document["missing"] == ["products"]
    assert shown.document["stale"] == ["products"]
    assert shown.age == 9


async def test_a_product_that_is_no_longer_for_sale_is_left_out_and_not_missing() -> None:
    products = FakeProducts({"product 1": refusal(404, "not-found"), "product 2": found(product(2))})
    shown = await shown_order(with_order(1, 2), products)
    assert shown.document["products"] == [product(2)]
    assert shown.document["missing"] == []


async def test_the_products_of_a_long_order_are_asked_for_a_few_at_a_time() -> None:
    products = FakeProducts({f"product {number}": found(product(number)) for number in range(1, 51)})
    shown = await shown_order(with_order(*range(1, 51)), products)
    assert len(shown.document["products"]) == 50
    assert products.most_at_once == reading.LOOKUPS


async def test_an_order_of_somebody_else_is_refused_before_any_product_is_asked_for() -> None:
    no, products = refusal(404, "not-found"), FakeProducts()
    orders = FakeOrders({f"order {ORDER_ID} Bearer me": no})
    assert await service.show_order(orders, products, UUID(ORDER_ID), "Bearer me") is no
    assert products.asked == []


@pytest.mark.parametrize(
    ("product_healthy", "order_healthy", "expected"),
    [(True, True, "ok"), (True, False, "degraded"), (False, True, "degraded"), (False, False, "down")],
)
async def test_the_status_sums_up_both_backends(product_healthy: bool, order_healthy: bool, expected: str) -> None:
    def probe(healthy: bool) -> Probe:
        return HEALTHY if healthy else Probe(healthy=False, latency_ms=1000.0)

    status = await service.show_status(
        FakeProducts(probe=probe(product_healthy)), FakeOrders(probe=probe(order_healthy))
    )
    assert status["status"] == expected
    assert [(backend["name"], backend["healthy"]) for backend in status["backends"]] == [
        ("product", product_healthy),
        ("order", order_healthy),
    ]
