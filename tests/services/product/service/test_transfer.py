"""Import, export and the demo shop."""

import asyncio
from typing import Any

import pytest

from services.chassis.settings import SettingsError
from services.product import demo
from services.product.model.sheet import BadRows
from services.product.service import catalogue, transfer

SHEET = b"sku,name,category,price_cents,stock\nPEN,Pen,desk,300,7\nINK,Ink,desk,450,0\n"


async def test_import_makes_and_changes_and_leaves_the_rest(shop: Any) -> None:
    pen = await shop.add("PEN", stock=2)
    report = await transfer.import_products(shop.database, SHEET, dry_run=False)
    assert (report.rows, report.created, report.updated, report.unchanged) == (2, 1, 1, 0)
    assert await shop.stock(pen) == 2  # stock of a known product only moves
    again = await transfer.import_products(shop.database, SHEET, dry_run=False)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 2)
    assert await shop.value("SELECT version FROM product WHERE id = $1::bigint", pen) == 2


async def test_dry_run_tells_the_same_and_writes_nothing(shop: Any) -> None:
    report = await transfer.import_products(shop.database, SHEET, dry_run=True)
    assert (report.created, report.dry_run) == (2, True)
    assert await shop.value("SELECT count(*) FROM product") == 0


async def test_import_with_an_unknown_category_writes_nothing(shop: Any) -> None:
    with pytest.raises(BadRows) as raised:
        await transfer.import_products(shop.database, SHEET + b"CUP,Cup,kitchen,100,1\n", dry_run=False)
    assert raised.value.members["errors"] == [{"field": "rows.4.category", "message": "does not exist"}]
    assert await shop.value("SELECT count(*) FROM product") == 0


async def test_export_is_read_back_as_it_was(shop: Any) -> None:
    await shop.add("A-1", name="=SUM(1)", description='say "hi",\nfriend', image="/pictures/a.svg", stock=3)
    await shop.add("A-2", active=False, stock=0)
    exported = "".join([piece async for piece in transfer.export_products(shop.database)]).encode()
    report = await transfer.import_products(shop.database, exported, dry_run=False)
    assert (report.rows, report.unchanged) == (2, 2)
    await shop.execute("TRUNCATE product CASCADE")
    report = await transfer.import_products(shop.database, exported, dry_run=False)
    assert report.created == 2
    assert "".join([piece async for piece in transfer.export_products(shop.database)]).encode() == exported


async def test_large_import_and_export_go_in_batches(shop: Any) -> None:
    rows = b"".join(b"P-%d,Thing %d,desk,%d,1\n" % (n, n, n) for n in range(2500))
    report = await transfer.import_products(shop.database, SHEET.splitlines(keepends=True)[0] + rows, dry_run=False)
    assert report.created == 2500
    pieces = [piece async for piece in transfer.export_products(shop.database)]
    assert len(pieces) == 4
    assert "".join(pieces).count("\r\n") == 2501


async def test_import_that_waits_for_an_order_does_not_deadlock(shop: Any) -> None:
    low, high = await shop.crossed()
    sheet = b"sku,name,category,price_cents\nHIGH,High,desk,1\nLOW,Low,desk,1\n"
    async with shop.database.transaction() as connection:
        await connection.execute("SELECT FROM product WHERE id = $1::bigint FOR UPDATE", low)
        waiting = asyncio.ensure_future(transfer.import_products(shop.database, sheet, dry_run=False))
        await shop.blocked(waiting)
        assert await shop.is_free(high)
    assert (await waiting).updated == 2


async def test_the_program_for_the_demo_shop_needs_a_database() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL is missing"):
        await demo.fill({})


async def test_demo_is_seeded_once_by_eight_processes_at_once(shop: Any) -> None:
    assert sorted(await asyncio.gather(*(demo.seed(shop.database) for _ in range(8)))) == [0] * 7 + [40]
    assert await shop.value("SELECT count(*) FROM product") == 40
    assert await demo.seed(shop.database) == 0


async def test_seeding_again_leaves_what_the_shop_has_changed(shop: Any) -> None:
    await demo.seed(shop.database)
    await catalogue.change_product(shop.database, 1, {"price_cents": 1}, versions=None)
    await demo.seed(shop.database)
    assert await shop.value("SELECT price_cents FROM product WHERE id = 1") == 1
