"""Confirming, releasing, returning and expiry: every pair of steps that can meet, made to meet."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest

from services.chassis.errors import NotFound
from services.product.model.reservations import (
    Line,
    NotCommitted,
    ReservationExpired,
    Returned,
    TimedOut,
)
from services.product.model.stock import Change
from services.product.service import catalogue, reservations, stock
from services.product.store import reservations as store


async def test_confirming_twice_gives_the_same_lines(shop: Any) -> None:
    pen, order = await shop.held()
    first = await reservations.confirm(shop.database, order)
    assert json.loads(first)["state"] == "committed"
    assert await reservations.confirm(shop.database, order) == first
    made, again = await reservations.reserve(shop.database, order, [Line(pen, 4)])
    assert (made, again) == (False, first)
    assert await shop.stock(pen) == 6


async def test_unknown_reservation_cannot_be_confirmed_or_returned(shop: Any) -> None:
    with pytest.raises(NotFound):
        await reservations.confirm(shop.database, uuid4())
    with pytest.raises(NotFound):
        await reservations.give_back(shop.database, uuid4(), "cancel")


async def test_releasing_gives_back_once(shop: Any) -> None:
    pen, order = await shop.held()
    assert await reservations.release(shop.database, order, "timed-out") == "released"
    assert await reservations.release(shop.database, order, "cancelled") == "released"
    assert await shop.stock(pen) == 10
    with pytest.raises(TimedOut):  # the first reason stands
        await reservations.confirm(shop.database, order)
    with pytest.raises(TimedOut):
        await reservations.reserve(shop.database, order, [Line(pen, 4)])
    assert await shop.stock(pen) == 10


async def test_released_before_it_was_reserved_it_can_never_be_reserved(shop: Any) -> None:
    pen, order = await shop.add(), uuid4()
    assert await reservations.release(shop.database, order, "timed-out") == "released"
    with pytest.raises(TimedOut):
        await reservations.reserve(shop.database, order, [Line(pen, 1)])
    with pytest.raises(TimedOut):
        await reservations.confirm(shop.database, order)
    assert await shop.stock(pen) == 10


async def test_release_after_a_refusal_keeps_its_reason(shop: Any) -> None:
    pen, order = await shop.add(stock=1), uuid4()
    assert await shop.outcome(reservations.reserve(shop.database, order, [Line(pen, 2)])) == "insufficient-stock"
    assert await reservations.release(shop.database, order, "timed-out") == "released"
    assert await shop.outcome(reservations.reserve(shop.database, order, [Line(pen, 2)])) == "insufficient-stock"


async def test_committed_goods_are_not_released(shop: Any) -> None:
    pen, order = await shop.held()
    await reservations.confirm(shop.database, order)
    assert await reservations.release(shop.database, order, "timed-out") == "committed"
    assert await shop.stock(pen) == 6


async def test_returning_gives_back_once(shop: Any) -> None:
    pen, order = await shop.held()
    await reservations.confirm(shop.database, order)
    assert await reservations.give_back(shop.database, order, "cancel") == "returned"
    assert await reservations.give_back(shop.database, order, "refund") == "returned"
    assert await reservations.release(shop.database, order, "cancelled") == "returned"
    assert await shop.stock(pen) == 10
    with pytest.raises(Returned):
        await reservations.confirm(shop.database, order)
    with pytest.raises(Returned):
        await reservations.reserve(shop.database, order, [Line(pen, 4)])


async def test_goods_that_are_only_held_or_released_cannot_be_returned(shop: Any) -> None:
    pen, order = await shop.held()
    with pytest.raises(NotCommitted):
        await reservations.give_back(shop.database, order, "cancel")
    await reservations.release(shop.database, order, "cancelled")
    with pytest.raises(NotCommitted):
        await reservations.give_back(shop.database, order, "cancel")
    assert await shop.stock(pen) == 10


async def test_archived_product_takes_its_goods_back(shop: Any) -> None:
    pen, order = await shop.held()
    await catalogue.archive_product(shop.database, pen)
    await reservations.release(shop.database, order, "cancelled")
    assert await shop.stock(pen) == 10


async def test_goods_come_back_even_to_a_full_shelf(shop: Any) -> None:
    pen, order = await shop.held(stock=1_000_000_000)
    await stock.change_stock(shop.database, pen, Change(key="k", delta=4, reason="delivery", author="ops"))
    assert await reservations.release(shop.database, order, "cancelled") == "released"
    assert await shop.stock(pen) == 1_000_000_004


async def test_confirm_that_waits_for_a_release_learns_its_reason(shop: Any) -> None:
    pen, order = await shop.held()
    async with shop.database.transaction() as connection:
        await store.update_reservation_released(connection, order, "timed-out")
        waiting = asyncio.ensure_future(reservations.confirm(shop.database, order))
        await shop.blocked(waiting)
    with pytest.raises(TimedOut):
        await waiting
    assert await shop.stock(pen) == 10


@pytest.mark.parametrize("committed", [True, False])
async def test_release_that_waits_for_a_confirm_gives_nothing_back(shop: Any, committed: bool) -> None:
    pen, order = await shop.held()
    async with shop.database.transaction() as connection:
        if committed:
            await store.update_reservation_committed(connection, order)
        else:
            await store.update_reservation_released(connection, order, "price-changed")
        waiting = asyncio.ensure_future(reservations.release(shop.database, order, "timed-out"))
        await shop.blocked(waiting)
    assert await waiting == ("committed" if committed else "released")
    assert await shop.stock(pen) == (6 if committed else 10)


async def test_release_that_waits_for_the_reservation_to_be_made_gives_it_back(shop: Any) -> None:
    pen, order = await shop.add(), uuid4()
    async with shop.database.transaction() as connection:
        await store.insert_reservation(connection, order, [Line(pen, 4)], b"f", 120)
        waiting = asyncio.ensure_future(reservations.release(shop.database, order, "timed-out"))
        await shop.blocked(waiting)
    assert await waiting == "released"
    assert await shop.stock(pen) == 10


async def test_reservation_that_waits_for_a_tombstone_is_refused(shop: Any) -> None:
    pen, order = await shop.add(), uuid4()
    async with shop.database.transaction() as connection:
        await store.insert_tombstone(connection, order, "cancelled")
        waiting = asyncio.ensure_future(reservations.reserve(shop.database, order, [Line(pen, 4)]))
        await shop.blocked(waiting)
    assert await shop.outcome(waiting) == "cancelled"
    assert await shop.stock(pen) == 10


async def test_return_that_waits_for_another_gives_nothing_back(shop: Any) -> None:
    pen, order = await shop.held()
    await reservations.confirm(shop.database, order)
    async with shop.database.transaction() as connection:
        await store.update_reservation_returned(connection, order, "cancel")
        waiting = asyncio.ensure_future(reservations.give_back(shop.database, order, "refund"))
        await shop.blocked(waiting)
    assert await waiting == "returned"
    assert await shop.stock(pen) == 10


async def test_return_before_the_confirm_is_through_is_refused_and_right_after_it_is_not(shop: Any) -> None:
    pen, order = await shop.held()
    async with shop.database.transaction() as connection:
        await store.update_reservation_committed(connection, order)
        with pytest.raises(NotCommitted):
            await reservations.give_back(shop.database, order, "cancel")
    assert await reservations.give_back(shop.database, order, "cancel") == "returned"
    assert await shop.stock(pen) == 10


async def test_sweeper_gives_back_what_has_expired_and_only_that(shop: Any) -> None:
    pen, order = await shop.held(seconds=0)
    ink = await shop.add("INK")
    await reservations.reserve(shop.database, uuid4(), [Line(ink, 1)])
    sold = uuid4()
    await reservations.reserve(shop.database, sold, [Line(ink, 1)], seconds=0)
    await reservations.confirm(shop.database, sold)
    assert await reservations.sweep(shop.database) == 1
    assert (await shop.stock(pen), await shop.stock(ink)) == (10, 8)
    with pytest.raises(ReservationExpired):
        await reservations.confirm(shop.database, order)
    with pytest.raises(ReservationExpired):
        await reservations.reserve(shop.database, order, [Line(pen, 4)])
    assert await reservations.sweep(shop.database) == 0


async def test_what_the_sweeper_releases_is_counted(shop: Any) -> None:
    noted: list[str] = []
    for name in ("PEN", "INK"):
        pen = await shop.add(name)
        await reservations.reserve(shop.database, uuid4(), [Line(pen, 1)], seconds=-1)
    for _ in range(2):
        await reservations.sweep(shop.database, observe=lambda metric, *_: noted.append(metric.name))
    assert noted == ["ReservationsExpired"] * 2


async def test_expired_but_not_yet_swept_it_can_still_be_confirmed(shop: Any) -> None:
    pen, order = await shop.held(seconds=-60)
    assert json.loads(await reservations.confirm(shop.database, order))["state"] == "committed"
    assert await reservations.sweep(shop.database) == 0
    assert await shop.stock(pen) == 6


async def test_sweeper_passes_by_what_a_driver_is_confirming(shop: Any) -> None:
    _, order = await shop.held(seconds=-1)
    async with shop.database.transaction() as connection:
        await store.update_reservation_committed(connection, order)
        assert await asyncio.wait_for(reservations.sweep(shop.database), 1) == 0
    assert await shop.state(order) == "committed"


async def test_confirm_that_waits_for_the_sweeper_is_refused(shop: Any) -> None:
    pen, order = await shop.held(seconds=-1)
    async with shop.database.transaction() as connection:
        assert await store.select_reservation_due(connection) == order
        waiting = asyncio.ensure_future(reservations.confirm(shop.database, order))
        await shop.blocked(waiting)
        await store.update_reservation_released(connection, order, "reservation-expired")
    with pytest.raises(ReservationExpired):
        await waiting
    assert await shop.stock(pen) == 10


async def test_two_sweepers_share_the_work(shop: Any) -> None:
    pen = await shop.add(stock=40)
    for _ in range(20):
        await reservations.reserve(shop.database, uuid4(), [Line(pen, 2)], seconds=-1)
    swept = await asyncio.gather(*(reservations.sweep(shop.database) for _ in range(4)))
    assert sum(swept) == 20
    assert await shop.stock(pen) == 40


async def test_round_of_sweeping_is_bounded(shop: Any) -> None:
    pen = await shop.add()
    for _ in range(3):
        await reservations.reserve(shop.database, uuid4(), [Line(pen, 1)], seconds=-1)
    assert await reservations.sweep(shop.database, at_most=2) == 2
    assert await reservations.sweep(shop.database, at_most=2) == 1
