"""Holding goods, alone and with others in the way. Every case is one interleaving, made to happen."""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import uuid4

import pytest

from services.product.model.listing import Query
from services.product.model.reservations import (
    InsufficientStock,
    KeyReuse,
    Line,
    UnknownProduct,
)
from services.product.model.stock import Change
from services.product.service import catalogue, reservations, stock
from services.product.store import reservations as store


async def test_reservation_takes_every_line_and_keeps_what_it_cost(shop: Any) -> None:
    pen, ink = await shop.add("PEN", stock=5, price_cents=300), await shop.add("INK", stock=5, price_cents=450)
    order = uuid4()
    made, body = await reservations.reserve(shop.database, order, [Line(ink, 2), Line(pen, 1)])
    reservation = json.loads(body)
    assert made
    assert reservation.pop("expires_at")
    assert reservation == {
        "id": str(order),
        "state": "held",
        "lines": [
            {"product_id": pen, "qty": 1, "unit_price_cents": 300, "name": "Notebook PEN", "sku": "PEN"},
            {"product_id": ink, "qty": 2, "unit_price_cents": 450, "name": "Notebook INK", "sku": "INK"},
        ],
        "total_cents": 1200,
    }
    assert (await shop.stock(pen), await shop.stock(ink)) == (4, 3)


async def test_reserving_again_gives_the_same_and_takes_nothing(shop: Any) -> None:
    pen, order = await shop.add(stock=5), uuid4()
    _, first = await reservations.reserve(shop.database, order, [Line(pen, 2)])
    made, second = await reservations.reserve(shop.database, order, [Line(pen, 2)])
    assert (made, second) == (False, first)
    assert await shop.stock(pen) == 3


async def test_price_and_name_are_those_of_the_moment_of_reserving(shop: Any) -> None:
    pen, order = await shop.add(price_cents=300), uuid4()
    await reservations.reserve(shop.database, order, [Line(pen, 1)])
    await catalogue.change_product(shop.database, pen, {"price_cents": 999, "name": "New", "sku": "NEW"}, versions=None)
    line = json.loads(await reservations.confirm(shop.database, order))["lines"][0]
    assert (line["unit_price_cents"], line["name"], line["sku"]) == (300, "Notebook DSK-1", "DSK-1")


async def test_other_lines_under_the_same_id_are_refused(shop: Any) -> None:
    pen, order = await shop.add(stock=5), uuid4()
    await reservations.reserve(shop.database, order, [Line(pen, 2)])
    with pytest.raises(KeyReuse):
        await reservations.reserve(shop.database, order, [Line(pen, 3)])
    assert await shop.stock(pen) == 3


async def test_one_short_line_refuses_all_and_names_it(shop: Any) -> None:
    pen, ink = await shop.add("PEN", stock=5), await shop.add("INK", stock=1)
    with pytest.raises(InsufficientStock) as raised:
        await reservations.reserve(shop.database, uuid4(), [Line(pen, 1), Line(ink, 2)])
    assert raised.value.members == {"product_ids": [ink]}
    assert (await shop.stock(pen), await shop.stock(ink)) == (5, 1)
    assert await shop.value("SELECT count(*) FROM reservation_line") == 0


@pytest.mark.parametrize("archived", [True, False])
async def test_product_that_is_not_for_sale_cannot_be_reserved(shop: Any, archived: bool) -> None:
    pen = await shop.add()
    gone = await shop.add("GONE") if archived else 10_000
    if archived:
        await catalogue.archive_product(shop.database, gone)
    with pytest.raises(UnknownProduct) as raised:
        await reservations.reserve(shop.database, uuid4(), [Line(pen, 1), Line(gone, 1)])
    assert raised.value.members == {"product_ids": [gone]}
    assert await shop.stock(pen) == 10


async def test_last_unit_can_be_reserved(shop: Any) -> None:
    pen = await shop.add(stock=3)
    await reservations.reserve(shop.database, uuid4(), [Line(pen, 3)])
    assert await shop.stock(pen) == 0


async def test_refusal_stands_after_restocking(shop: Any) -> None:
    """Else a second driver of the order would get the goods while the first one rejects it."""
    pen, order = await shop.add(stock=1), uuid4()
    assert await shop.outcome(reservations.reserve(shop.database, order, [Line(pen, 2)])) == "insufficient-stock"
    await stock.change_stock(shop.database, pen, Change(key="k", delta=50, reason="delivery", author="ops"))
    with pytest.raises(InsufficientStock) as raised:
        await reservations.reserve(shop.database, order, [Line(pen, 2)])
    assert raised.value.members == {"product_ids": [pen]}
    assert await shop.outcome(reservations.confirm(shop.database, order)) == "insufficient-stock"
    assert await shop.stock(pen) == 51


async def test_unknown_product_stands_after_it_has_been_made(shop: Any) -> None:
    order = uuid4()
    assert await shop.outcome(reservations.reserve(shop.database, order, [Line(1, 1)])) == "unknown-product"
    pen = await shop.add()
    assert pen == 1
    assert await shop.outcome(reservations.reserve(shop.database, order, [Line(1, 1)])) == "unknown-product"


async def test_other_lines_after_a_refusal_are_key_reuse(shop: Any) -> None:
    pen, order = await shop.add(stock=1), uuid4()
    assert await shop.outcome(reservations.reserve(shop.database, order, [Line(pen, 2)])) == "insufficient-stock"
    assert await shop.outcome(reservations.reserve(shop.database, order, [Line(pen, 1)])) == "key-reuse"


async def test_reserving_costs_two_round_trips_and_confirming_one(shop: Any) -> None:
    pen, ink = await shop.add("PEN"), await shop.add("INK")
    await reservations.reserve(shop.database, uuid4(), [Line(pen, 1)])
    order, before = uuid4(), shop.database.round_trips
    await reservations.reserve(shop.database, order, [Line(pen, 1), Line(ink, 1)])
    assert shop.database.round_trips - before == 2
    await reservations.confirm(shop.database, order)
    assert shop.database.round_trips - before == 3


async def test_reading_costs_one_round_trip(shop: Any) -> None:
    pen = await shop.add()
    reads: list[Callable[[], Coroutine[Any, Any, Any]]] = [
        lambda: catalogue.read_product(shop.database, pen, archived=False),
        lambda: catalogue.list_products(shop.database, Query(), limit=20, cursor=None),
        lambda: catalogue.list_products(shop.database, Query(q="pen", sort="relevance"), limit=20, cursor=None),
        lambda: catalogue.list_categories(shop.database),
        lambda: catalogue.read_picture(shop.database, pen),
    ]
    for read in reads:
        await asyncio.gather(read(), read(), read())  # opens the shared connections
        before = shop.database.round_trips
        await read()
        assert shop.database.round_trips - before == 1


async def test_waiting_reservation_sees_what_the_first_one_left(shop: Any) -> None:
    """The lock within the statement gives the newest row, not the one of the statement's snapshot."""
    pen, second = await shop.add(stock=10), uuid4()
    async with shop.database.transaction() as connection:
        await store.insert_reservation(connection, uuid4(), [Line(pen, 1)], b"f", 120)
        waiting = asyncio.ensure_future(reservations.reserve(shop.database, second, [Line(pen, 10)]))
        await shop.blocked(waiting)
    with pytest.raises(InsufficientStock):
        await waiting
    assert await shop.stock(pen) == 9


async def test_waiting_reservation_subtracts_from_the_newest_stock(shop: Any) -> None:
    pen, ink = await shop.add("PEN", stock=10), await shop.add("INK", stock=10)
    async with shop.database.transaction() as connection:
        await store.insert_reservation(connection, uuid4(), [Line(pen, 4), Line(ink, 1)], b"f", 120)
        waiting = asyncio.ensure_future(reservations.reserve(shop.database, uuid4(), [Line(pen, 6), Line(ink, 9)]))
        await shop.blocked(waiting)
    await waiting
    assert (await shop.stock(pen), await shop.stock(ink)) == (0, 0)


async def test_waiting_reservation_gets_what_a_rollback_leaves(shop: Any) -> None:
    pen = await shop.add(stock=10)

    class GivenUp(Exception):
        pass

    with pytest.raises(GivenUp):
        async with shop.database.transaction() as connection:
            await store.insert_reservation(connection, uuid4(), [Line(pen, 10)], b"f", 120)
            waiting = asyncio.ensure_future(reservations.reserve(shop.database, uuid4(), [Line(pen, 10)]))
            await shop.blocked(waiting)
            raise GivenUp
    assert (await waiting)[0]


async def test_waiting_reservation_keeps_the_price_of_an_edit_that_came_first(shop: Any) -> None:
    pen, order = await shop.add(price_cents=300), uuid4()
    async with shop.database.transaction() as connection:
        await connection.execute("UPDATE product SET price_cents = 350 WHERE id = $1::bigint", pen)
        waiting = asyncio.ensure_future(reservations.reserve(shop.database, order, [Line(pen, 2)]))
        await shop.blocked(waiting)
    assert json.loads((await waiting)[1])["total_cents"] == 700


async def test_waiting_reservation_is_refused_when_the_product_is_archived_first(shop: Any) -> None:
    pen = await shop.add()
    async with shop.database.transaction() as connection:
        await connection.execute("UPDATE product SET active = false WHERE id = $1::bigint", pen)
        waiting = asyncio.ensure_future(reservations.reserve(shop.database, uuid4(), [Line(pen, 2)]))
        await shop.blocked(waiting)
    with pytest.raises(UnknownProduct):
        await waiting


async def test_same_reservation_twice_at_once_is_made_once(shop: Any) -> None:
    pen, order = await shop.add(stock=10), uuid4()
    answers = await asyncio.gather(*(reservations.reserve(shop.database, order, [Line(pen, 2)]) for _ in range(8)))
    assert sorted(made for made, _ in answers) == [False] * 7 + [True]
    assert len({body for _, body in answers}) == 1
    assert await shop.stock(pen) == 8


async def test_known_reservation_locks_no_product(shop: Any) -> None:
    pen, order = await shop.add(), uuid4()
    await reservations.reserve(shop.database, order, [Line(pen, 1)])
    async with shop.database.transaction() as connection:
        await connection.execute("SELECT FROM product WHERE id = $1::bigint FOR UPDATE", pen)
        made, _ = await asyncio.wait_for(reservations.reserve(shop.database, order, [Line(pen, 1)]), 1)
    assert not made


async def test_a_hundred_buyers_of_ten_units_get_ten(shop: Any) -> None:
    pen = await shop.add(stock=10)

    gate = asyncio.Semaphore(16)

    async def buy() -> Any:
        async with gate:
            return await shop.outcome(reservations.reserve(shop.database, uuid4(), [Line(pen, 1)]))

    outcomes = await asyncio.gather(*(buy() for _ in range(100)))
    assert (outcomes.count("done"), outcomes.count("insufficient-stock")) == (10, 90)
    assert await shop.stock(pen) == 0


@pytest.mark.parametrize("reverse", [True, False])
async def test_products_are_locked_in_the_order_of_their_ids_when_reserving(shop: Any, reverse: bool) -> None:
    low, high = await shop.crossed()
    lines = [Line(low, 1), Line(high, 1)]
    async with shop.database.transaction() as connection:
        await connection.execute("SELECT FROM product WHERE id = $1::bigint FOR UPDATE", low)
        waiting = asyncio.ensure_future(reservations.reserve(shop.database, uuid4(), lines[::-1] if reverse else lines))
        await shop.blocked(waiting)
        assert await shop.is_free(high)
    assert (await waiting)[0]


async def test_overlapping_baskets_never_deadlock(shop: Any) -> None:
    ids = [await shop.add(f"P-{n}", stock=1000) for n in range(8)]
    chance = random.Random(7)
    before = await shop.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")

    async def buy_and_give_back() -> None:
        for _ in range(12):
            basket = [Line(product_id, 1) for product_id in chance.sample(ids, 4)]
            order = uuid4()
            await reservations.reserve(shop.database, order, basket)
            await reservations.release(shop.database, order, "cancelled")

    await asyncio.gather(*(buy_and_give_back() for _ in range(12)))
    await shop.execute("SELECT pg_stat_force_next_flush()")
    assert await shop.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == before
    assert {await shop.stock(product_id) for product_id in ids} == {1000}
