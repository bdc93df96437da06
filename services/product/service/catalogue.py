"""Reading and editing the catalogue."""

import asyncio
from dataclasses import asdict

from services.chassis.connection import ConstraintViolation
from services.chassis.database import Database, retried
from services.chassis.errors import DomainError, NotFound, PreconditionFailed
from services.product.model.catalogue import Change, Draft, Shown, SkuTaken, UnknownCategory
from services.product.model.listing import Query, read_cursor, write_cursor
from services.product.model.picture import draw
from services.product.store import catalogue as store
from services.product.store import listing


async def list_products(database: Database, query: Query, *, limit: int, cursor: str | None) -> bytes:
    """A page as JSON: `items`, and `next` to ask for the one after it."""
    after = read_cursor(query, cursor) if cursor is not None else None
    async with database.read() as connection:
        items, position = await listing.select_page(connection, query, after, limit)
    following = f'"{write_cursor(query, position)}"'.encode() if position else b"null"
    return b'{"items":%b,"next":%b}' % (items, following)


async def read_product(database: Database, product_id: int, *, archived: bool) -> Shown:
    """A product that is for sale; with `archived`, one that no longer is, too."""
    async with database.read() as connection:
        shown = await store.select_product(connection, product_id)
    if shown is None or not (shown.active or archived):
        raise NotFound
    return shown


async def read_picture(database: Database, product_id: int) -> bytes:
    async with database.read() as connection:
        category = await store.select_picture_category(connection, product_id)
    if category is None:
        raise NotFound
    return draw(category, product_id)


async def list_categories(database: Database) -> bytes:
    async with database.read() as connection:
        return await store.select_categories(connection) or b""


@retried
async def name_category(database: Database, slug: str, name: str) -> None:
    async with database.connection() as connection:
        await store.upsert_category(connection, slug, name)


@retried
async def create_product(database: Database, draft: Draft, *, stock: int) -> tuple[int, Shown]:
    try:
        async with database.connection() as connection:
            return await store.insert_product(connection, draft, stock)
    except ConstraintViolation as violation:
        raise _meaning(violation) from violation


async def replace_product(database: Database, product_id: int, draft: Draft, *, versions: list[int] | None) -> Shown:
    return await change_product(database, product_id, asdict(draft), versions=versions)


@retried
async def change_product(database: Database, product_id: int, change: Change, *, versions: list[int] | None) -> Shown:
    """Write some fields of a product that is still at one of `versions`; None is any."""
    try:
        async with database.connection() as connection:
            changed, shown = await asyncio.gather(
                store.update_product(connection, product_id, change, versions),
                store.select_product(connection, product_id),
            )
    except ConstraintViolation as violation:
        raise _meaning(violation) from violation
    if shown is None:
        raise NotFound
    if not changed:
        raise PreconditionFailed
    return shown


@retried
async def archive_product(database: Database, product_id: int) -> None:
    """Take a product off the shelf. What is reserved stays reserved, and orders keep what they were told of it."""
    async with database.connection() as connection:
        if not await store.update_product_archived(connection, product_id):
            raise NotFound


def _meaning(violation: ConstraintViolation) -> DomainError:
    if violation.constraint == "product_sku_key":
        return SkuTaken()
    if violation.constraint == "product_category_fkey":
        return UnknownCategory(errors=[{"field": "category", "message": "There is no such category"}])
    return violation
