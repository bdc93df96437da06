"""Changing the stock by hand, the ledger, and what there is of everything."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from services.chassis.errors import NotFound
from services.product.model.reservations import (
    InsufficientStock,
    KeyReuse,
    Line,
)
from services.product.model.stock import Change, StockLimit
from services.product.service import reservations, stock
from services.product.store import reservations as store


def change(delta: int, key: str = "k", reason: str = "delivery") -> Change:
    return Change(key=key, delta=delta, reason=reason, author="ops")


async def test_stock_change_is_carried_out_once(shop: Any) -> None:
    pen = await shop.add(stock=5)
    assert await stock.change_stock(shop.database, pen, change(3)) == (8, False)
    await stock.change_stock(shop.database, pen, change(10, key="other"))
    assert await stock.change_stock(shop.database, pen, change(3)) == (8, True)
    assert await shop.stock(pen) == 18
    with pytest.raises(KeyReuse):
        await stock.change_stock(shop.database, pen, change(4))


async def test_stock_change_below_zero_is_refused_for_good(shop: Any) -> None:
    pen = await shop.add(stock=5)
    with pytest.raises(InsufficientStock):
        await stock.change_stock(shop.database, pen, change(-6))
    await stock.change_stock(shop.database, pen, change(10, key="other"))
    with pytest.raises(InsufficientStock):
        await stock.change_stock(shop.database, pen, change(-6))
    assert await stock.change_stock(shop.database, pen, change(-15, key="all")) == (0, False)


async def test_stock_has_a_limit(shop: Any) -> None:
    pen = await shop.add(stock=1)
    with pytest.raises(StockLimit):
        await stock.change_stock(shop.database, pen, change(1_000_000_000))


async def test_stock_of_an_unknown_product_cannot_be_changed(shop: Any) -> None:
    with pytest.raises(NotFound):
        await stock.change_stock(shop.database, 999, change(1))


async def test_same_stock_change_eight_times_at_once_counts_once(shop: Any) -> None:
    pen = await shop.add(stock=5)
    answers = await asyncio.gather(*(stock.change_stock(shop.database, pen, change(-5)) for _ in range(8)))
    assert sorted(answers) == [(0, False)] + [(0, True)] * 7


async def test_stock_change_that_waits_for_a_buyer_counts_from_what_he_left(shop: Any) -> None:
    pen = await shop.add(stock=5)
    async with shop.database.transaction() as connection:
        await store.insert_reservation(connection, uuid4(), [Line(pen, 1)], b"f", 120)
        waiting = asyncio.ensure_future(stock.change_stock(shop.database, pen, change(-4)))
        await shop.blocked(waiting)
    assert await waiting == (0, False)


async def ledger(shop: Any, product_id: int, *, after: int | None = None, limit: int = 100) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(await stock.read_ledger(shop.database, product_id, after=after, limit=limit))
    return page


async def test_the_ledger_tells_of_every_unit_who_moved_it_and_why(shop: Any) -> None:
    pen, order = await shop.add(stock=5), uuid4()
    await reservations.reserve(shop.database, order, [Line(pen, 2)])
    await stock.change_stock(shop.database, pen, change(7, reason="delivery of <Tuesday>"))
    with pytest.raises(InsufficientStock):
        await stock.change_stock(shop.database, pen, change(-99, key="refused"))
    page = await ledger(shop, pen)
    told = [(entry["delta"], entry["reason"], entry["note"], entry["author"]) for entry in page["items"]]
    assert told == [
        (7, "change", "delivery of <Tuesday>", "ops"),
        (-2, "reserve", None, None),
        (5, "initial", None, None),
    ]
    assert page["items"][1]["ref"] == str(order)
    assert page["stock"] == sum(entry["delta"] for entry in page["items"]) == 10
    assert page["next"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_pages_of_the_ledger_show_each_movement_once(shop: Any, limit: int) -> None:
    pen, other = await shop.add(stock=1), await shop.add("OTHER", stock=1)
    for number in range(6):
        await stock.change_stock(shop.database, pen, change(number + 1, key=f"{number}"))
        await stock.change_stock(shop.database, other, change(1, key=f"{number}"))
    seen: list[int] = []
    after = None
    while True:
        page = await ledger(shop, pen, after=after, limit=limit)
        seen += [entry["delta"] for entry in page["items"]]
        if page["next"] is None:
            break
        assert len(page["items"]) == limit
        after = int(page["next"])
    assert seen == [6, 5, 4, 3, 2, 1, 1]


async def test_an_unknown_product_has_no_ledger(shop: Any) -> None:
    with pytest.raises(NotFound):
        await ledger(shop, 404)


async def inventory(shop: Any, *, below: int = 5, limit: int = 50) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await stock.read_inventory(shop.database, below=below, limit=limit))
    return found


async def test_the_inventory_counts_what_is_for_sale_and_names_what_runs_out(shop: Any) -> None:
    await shop.add("A", stock=10, price_cents=100)
    low = await shop.add("B", stock=4, price_cents=50)
    gone = await shop.add("C", stock=0, price_cents=70)
    await shop.add("D", stock=1000, price_cents=1000, active=False)
    found = await inventory(shop)
    assert {name: found[name] for name in ("products", "archived", "sold_out", "units", "value_cents")} == {
        "products": 3,
        "archived": 1,
        "sold_out": 1,
        "units": 14,
        "value_cents": 1200,
    }
    assert [product["id"] for product in found["low"]] == [gone, low]
    assert [product["id"] for product in (await inventory(shop, below=1))["low"]] == [gone]
    assert [product["id"] for product in (await inventory(shop, limit=1))["low"]] == [gone]
    desk = next(category for category in found["categories"] if category["slug"] == "desk")
    assert (desk["products"], desk["units"], desk["value_cents"]) == (3, 14, 1200)
    assert sum(category["value_cents"] for category in found["categories"]) == found["value_cents"]


async def test_an_empty_shop_has_an_inventory_of_nothing(shop: Any) -> None:
    await shop.execute("DELETE FROM category")
    found = await inventory(shop)
    assert (found["products"], found["units"], found["value_cents"], found["low"], found["categories"]) == (
        0,
        0,
        0,
        [],
        [],
    )
