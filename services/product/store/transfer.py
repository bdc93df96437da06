"""Statements that carry many products at once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.chassis.connection import Connection
from services.product.model.sheet import Row


async def select_category_slugs(connection: Connection) -> set[str]:
    return {row[0] for row in await connection.fetch("SELECT slug FROM category")}


async def lock_products(connection: Connection, skus: Sequence[str]) -> None:
    """Lock in id order what the import will touch, so that it cannot deadlock with an order."""
    await connection.execute(
        "SELECT id FROM product WHERE sku = ANY($1::text[]) ORDER BY id FOR UPDATE",
        list(skus),
    )


async def upsert_products(connection: Connection, rows: Sequence[Row], ref: UUID) -> tuple[int, int]:
    """Write rows by article number; how many products were made, and how many changed.

    Stock is written only for new ones.
    """
    result = await connection.fetch_row(
        """
        WITH written AS (
            INSERT INTO product (sku, name, description, category, price_cents, active, image, stock)
            SELECT *
              FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],
                          $5::bigint[], $6::boolean[], $7::text[], $8::bigint[])
            ON CONFLICT (sku) DO UPDATE
               SET name = excluded.name, description = excluded.description, category = excluded.category,
                   price_cents = excluded.price_cents, active = excluded.active, image = excluded.image,
                   version = product.version + 1, updated_at = now()
             WHERE (product.name, product.description, product.category,
                    product.price_cents, product.active, product.image)
                   IS DISTINCT FROM
                   (excluded.name, excluded.description, excluded.category,
                    excluded.price_cents, excluded.active, excluded.image)
            RETURNING id, stock, version = 1 AS made
        ), movement AS (
            INSERT INTO stock_movement (product_id, delta, reason, ref)
            SELECT id, stock, 'initial', $9::uuid FROM written WHERE made AND stock > 0
        )
        SELECT count(*) FILTER (WHERE made), count(*) FILTER (WHERE NOT made) FROM written
        """,
        [row.draft.sku for row in rows],
        [row.draft.name for row in rows],
        [row.draft.description for row in rows],
        [row.draft.category for row in rows],
        [row.draft.price_cents for row in rows],
        [row.draft.active for row in rows],
        [row.draft.image for row in rows],
        [row.stock for row in rows],
        ref,
    )
    assert result is not None  # noqa: S101 - an aggregate always has a row
    created, updated = result
    return created, updated


async def select_products_after(connection: Connection, identifier: int, limit: int) -> list[tuple[Any, ...]]:
    """The next rows of an export: the id, then the columns of a sheet."""
    return await connection.fetch(
        """
        SELECT id, sku, name, description, category, price_cents, stock, active, image
          FROM product
         WHERE id > $1::bigint
         ORDER BY id
         LIMIT $2::int
        """,
        identifier,
        limit,
    )
