"""Changing the stock by hand."""

import asyncio
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
from services.product.service import stock
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
