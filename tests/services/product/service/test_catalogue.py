"""Editing the catalogue."""

import json
from typing import Any
from uuid import uuid4

import pytest

from services.chassis.errors import NotFound, PreconditionFailed
from services.product.model.catalogue import SkuTaken, UnknownCategory
from services.product.model.listing import Query
from services.product.model.reservations import (
    Line,
)
from services.product.service import catalogue, reservations


async def test_edit_needs_the_version_that_was_read(shop: Any) -> None:
    pen = await shop.add()
    shown = await catalogue.change_product(shop.database, pen, {"name": "Pen"}, versions=[1])
    assert json.loads(shown.body)["version"] == 2
    with pytest.raises(PreconditionFailed):
        await catalogue.change_product(shop.database, pen, {"name": "Pencil"}, versions=[1])
    await catalogue.change_product(shop.database, pen, {"name": "Pencil"}, versions=None)
    with pytest.raises(NotFound):
        await catalogue.change_product(shop.database, 999, {"name": "Pencil"}, versions=[1])


async def test_selling_changes_the_entity_tag_and_not_the_version(shop: Any) -> None:
    pen = await shop.add(stock=5)
    await reservations.reserve(shop.database, uuid4(), [Line(pen, 1)])
    shown = await catalogue.read_product(shop.database, pen, archived=False)
    assert shown.etag == '"1.4"'


async def test_article_number_is_taken_once(shop: Any) -> None:
    await shop.add("PEN")
    ink = await shop.add("INK")
    with pytest.raises(SkuTaken):
        await catalogue.change_product(shop.database, ink, {"sku": "PEN"}, versions=None)
    with pytest.raises(UnknownCategory):
        await catalogue.change_product(shop.database, ink, {"category": "nothing"}, versions=None)


async def test_archived_product_is_gone_for_buyers_and_there_for_its_shop(shop: Any) -> None:
    pen = await shop.add()
    await catalogue.archive_product(shop.database, pen)
    with pytest.raises(NotFound):
        await catalogue.read_product(shop.database, pen, archived=False)
    assert not (await catalogue.read_product(shop.database, pen, archived=True)).active
    with pytest.raises(NotFound):
        await catalogue.archive_product(shop.database, pen)
    assert json.loads(await catalogue.list_products(shop.database, Query(), limit=9, cursor=None))["items"] == []
