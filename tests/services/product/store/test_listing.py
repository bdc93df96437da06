"""Pages and searches on real PostgreSQL."""

import json
import random
from typing import Any

import pytest

from services.product.model.listing import Position, Query, Sort
from services.product.store.listing import select_page

SORTS: tuple[Sort, ...] = ("name", "price", "-price", "newest")


async def skus(shop: Any, query: Query, *, limit: int = 100) -> list[str]:
    async with shop.database.read() as connection:
        items, _ = await select_page(connection, query, None, limit)
    return [item["sku"] for item in json.loads(items)]


async def walk(shop: Any, query: Query, *, limit: int) -> list[int]:
    """Every product of every page."""
    found: list[int] = []
    after: Position | None = None
    while True:
        async with shop.database.read() as connection:
            items, after = await select_page(connection, query, after, limit)
        found += [item["id"] for item in json.loads(items)]
        if after is None:
            return found


def searching(q: str, **fields: Any) -> Query:
    return Query(q=q, sort="relevance", **fields)


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_follow_on_one_another_without_gap_or_repeat(shop: Any, sort: Sort) -> None:
    chance = random.Random(3)
    for n in range(23):
        await shop.add(f"P-{n}", name=chance.choice(["Ähre", "apple", "Zebra"]), price_cents=chance.choice([1, 2]))
    whole = await walk(shop, Query(sort=sort), limit=100)
    assert len(whole) == 23
    for limit in (1, 4, 22, 23):
        assert await walk(shop, Query(sort=sort), limit=limit) == whole


async def test_orders_are_what_they_are_called(shop: Any) -> None:
    await shop.add("A", name="zebra", price_cents=5)
    await shop.add("B", name="Äpfel", price_cents=9)
    await shop.add("C", name="Banana", price_cents=5)
    assert await skus(shop, Query(sort="name")) == ["B", "C", "A"]
    assert await skus(shop, Query(sort="price")) == ["A", "C", "B"]
    assert await skus(shop, Query(sort="-price")) == ["B", "C", "A"]
    assert await skus(shop, Query(sort="newest")) == ["C", "B", "A"]


async def test_filters_hold_alone_and_together(shop: Any) -> None:
    await shop.add("A", price_cents=100, category="audio")
    await shop.add("B", price_cents=200, category="desk", stock=0)
    await shop.add("C", price_cents=300, category="desk")
    await shop.add("D", price_cents=300, category="desk", active=False)
    assert await skus(shop, Query(category="desk")) == ["C", "B"]
    assert await skus(shop, Query(min_price=200)) == ["C", "B"]
    assert await skus(shop, Query(max_price=200)) == ["B", "A"]
    assert await skus(shop, Query(in_stock=True)) == ["C", "A"]
    assert await skus(shop, Query(archived=True)) == ["D"]
    assert await skus(shop, Query(category="desk", in_stock=True, min_price=300, max_price=300)) == ["C"]
    assert await skus(shop, Query(category="nothing")) == []
    assert await skus(shop, searching("notebook", category="desk", in_stock=True)) == ["C"]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("headphones", ["AUD-0042"]),
        ("headphone", ["AUD-0042"]),  # the stem
        ("head", ["AUD-0042"]),  # the beginning of a word
        ("phones", ["AUD-0042"]),  # the middle of one
        ("head wire", ["AUD-0042"]),
        ("headphnes", ["AUD-0042"]),  # a letter short
        ("hedphones", ["AUD-0042"]),
        ("wirless headphones", ["AUD-0042"]),
        ("AUD-0042", ["AUD-0042"]),
        ("aud 0042", ["AUD-0042"]),
        ("cafe", ["CUP-7"]),
        ("CAFÉ", ["CUP-7"]),
        ("cork", ["CUP-7"]),  # in the description
        ("desk", ["CUP-7", "PCT-X"]),  # the category
        ("%", ["PCT-X"]),
        ("100% \\", ["PCT-X"]),
        ("\\", ["PCT-X"]),
        ("'", ["PCT-X"]),
        ('"quo', ["PCT-X"]),
        ("_", []),
        ("' OR 1=1--", []),
        ("xyzzyq", []),
        ("ŉ½ & | ! :* <-> ()", []),
        ("head & !wire", ["AUD-0042"]),  # operators are only text
    ],
)
async def test_search_finds(shop: Any, asked: str, found: list[str]) -> None:
    await shop.add("AUD-0042", name="Wireless Headphones", category="audio")
    await shop.add("CUP-7", name="Café Cup", description="With a band of cork")
    await shop.add("PCT-X", name="100% \\ \"quoted\" 'wool'")
    assert sorted(await skus(shop, searching(asked))) == found


async def test_best_match_comes_first(shop: Any) -> None:
    await shop.add("A-1", name="Shade", description="For the lamp by your bed, or any other lamp")
    await shop.add("A-2", name="Floor lamp")
    await shop.add("A-3", name="Lamp")
    await shop.add("LAMP", name="Something else")
    assert await skus(shop, searching("lamp")) == ["LAMP", "A-3", "A-2", "A-1"]


async def test_search_can_be_put_in_another_order(shop: Any) -> None:
    await shop.add("A", name="Lamp", price_cents=3)
    await shop.add("B", name="Floor lamp", price_cents=1)
    await shop.add("C", name="Pen", price_cents=2)
    assert await skus(shop, Query(q="lamp", sort="price")) == ["B", "A"]


async def test_equal_matches_are_paged_by_id(shop: Any) -> None:
    for n in range(9):
        await shop.add(f"P-{n}", name="Lamp")
    whole = await walk(shop, searching("lamp"), limit=100)
    assert whole == sorted(whole, reverse=True)
    assert await walk(shop, searching("lamp"), limit=2) == whole
