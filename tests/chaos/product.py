"""The use cases of the product service, with answers and a state that can be compared with those of `Shelf`."""

import json
from collections import Counter
from collections.abc import Awaitable
from typing import Any
from uuid import UUID, uuid4

from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.product.model.catalogue import Draft, Shown
from services.product.model.reservations import Line
from services.product.model.stock import Change
from services.product.service import catalogue, reservations, stock
from tests.chaos.shelf import Answer, Wanted

EMPTY = """
    TRUNCATE ordering.orders CASCADE;
    DELETE FROM catalog.stock_movement; DELETE FROM catalog.stock_change; DELETE FROM catalog.reservation_line;
    DELETE FROM catalog.reservation; DELETE FROM catalog.product; DELETE FROM catalog.category;
    INSERT INTO catalog.category (slug, name) VALUES ('desk', 'Desk & Paper');
"""
STATE = """
    SELECT (SELECT coalesce(json_agg(json_build_array(id, stock, price_cents, active)), '[]') FROM catalog.product),
           (SELECT coalesce(json_agg(json_build_array(r.id, r.state, r.reason, r.product_ids,
                       (SELECT coalesce(json_agg(json_build_array(product_id, qty, unit_price_cents)
                                                 ORDER BY product_id), '[]')
                          FROM catalog.reservation_line WHERE reservation_id = r.id))), '[]')
              FROM catalog.reservation r),
           (SELECT coalesce(json_agg(json_build_array(product_id, delta, reason)), '[]') FROM catalog.stock_movement)
"""


class Product:
    """The real thing. Every method answers as the method of `Shelf` with its name does."""

    def __init__(self, database: Database, admin: Database) -> None:
        self.database = database
        self._admin = admin

    async def empty(self) -> None:
        async with self._admin.connection() as connection:
            await connection.script(EMPTY)

    async def state(self) -> dict[str, Any]:
        async with self._admin.connection() as connection:
            products, known, movements = await connection.fetch_row(STATE) or ([], [], [])
        return {
            "products": {id_: (stock, price, active) for id_, stock, price, active in products},
            "reservations": {
                UUID(id_): (state, reason, ids and tuple(ids), tuple(tuple(line) for line in lines))
                for id_, state, reason, ids, lines in known
            },
            "ledger": Counter((id_, delta, reason) for id_, delta, reason in movements),
        }

    async def add(self, stock: int, price: int) -> int:
        identifier, _ = await catalogue.create_product(
            self.database,
            Draft(
                sku=uuid4().hex, name="Pen", description="", category="desk", price_cents=price, active=True, image=None
            ),
            stock=stock,
        )
        return identifier

    async def expire(self, reservation_id: UUID) -> None:
        async with self._admin.connection() as connection:
            await connection.execute(
                "UPDATE catalog.reservation SET expires_at = now() - interval '1 ms' WHERE id = $1 AND state = 'held'",
                reservation_id,
            )

    async def reserve(self, reservation_id: UUID, wanted: Wanted) -> Answer:
        lines = [Line(*line) for line in wanted]
        try:
            made, body = await reservations.reserve(self.database, reservation_id, lines)
        except DomainError as error:
            return _refused(error)
        return ("made" if made else "known", *_standing(body))

    async def confirm(self, reservation_id: UUID) -> Answer:
        try:
            return _standing(await reservations.confirm(self.database, reservation_id))
        except DomainError as error:
            return _refused(error)

    async def release(self, reservation_id: UUID, reason: str) -> Answer:
        return await _answer(reservations.release(self.database, reservation_id, reason))

    async def give_back(self, reservation_id: UUID, reason: str) -> Answer:
        return await _answer(reservations.give_back(self.database, reservation_id, reason))

    async def sweep(self) -> Answer:
        return await _answer(reservations.sweep(self.database))

    async def change_stock(self, product_id: int, key: str, delta: int, reason: str) -> Answer:
        change = Change(key=key, delta=delta, reason=reason, author="ops")
        try:
            return await stock.change_stock(self.database, product_id, change)
        except DomainError as error:
            return _refused(error)

    async def archive(self, product_id: int) -> Answer:
        try:
            await catalogue.archive_product(self.database, product_id)
        except DomainError as error:
            return _refused(error)
        return ("done",)

    async def edit(self, product_id: int, active: bool, price: int | None = None) -> Answer:
        change = {"active": active} if price is None else {"active": active, "price_cents": price}
        try:
            shown = await catalogue.change_product(self.database, product_id, change, versions=None)
        except DomainError as error:
            return _refused(error)
        return _shown(shown)


async def _answer(work: Awaitable[Any]) -> Answer:
    try:
        return (await work,)
    except DomainError as error:
        return _refused(error)


def _refused(error: DomainError) -> Answer:
    ids = error.members.get("product_ids")
    return ("refused", error.code, ids and tuple(ids))


def _standing(body: bytes) -> Answer:
    reservation = json.loads(body)
    lines = ((line["product_id"], line["qty"], line["unit_price_cents"]) for line in reservation["lines"])
    return (reservation["state"], tuple(lines), reservation["total_cents"])


def _shown(shown: Shown) -> Answer:
    product = json.loads(shown.body)
    return (product["stock"], product["price_cents"], product["active"])
