"""Statements about stock changes that people ask for."""

from services.chassis.connection import Connection
from services.product.model.stock import Change, Recorded


async def insert_stock_change(connection: Connection, product_id: int, change: Change, most: int) -> bool:
    """Record a change and carry it out when the stock stays between 0 and `most`; false when its key is known or the
    product is not.

    The product is locked first, so changes of one product come one after the other; a refusal is recorded too.
    """
    return (
        await connection.fetch_value(
            """
        WITH locked AS MATERIALIZED (
            SELECT id, stock FROM product WHERE id = $1::bigint FOR UPDATE
        ), change AS (
            INSERT INTO stock_change (product_id, key, delta, reason, author, stock)
            SELECT id, $2, $3::bigint, $4, $5,
                   CASE WHEN stock + $3::bigint BETWEEN 0 AND $6::bigint THEN stock + $3::bigint END
              FROM locked
            ON CONFLICT (product_id, key) DO NOTHING
            RETURNING id, product_id, delta, stock
        ), moved AS (
            UPDATE product
               SET stock = product.stock + change.delta
              FROM change
             WHERE product.id = change.product_id
               AND change.stock IS NOT NULL
            RETURNING product.id, change.delta, change.id AS ref
        ), movement AS (
            INSERT INTO stock_movement (product_id, delta, reason, ref)
            SELECT id, delta, 'change', ref FROM moved
        )
        SELECT true FROM change
        """,
            product_id,
            change.key,
            change.delta,
            change.reason,
            change.author,
            most,
        )
        is True
    )


async def select_stock_change(connection: Connection, product_id: int, key: str) -> Recorded | None:
    row = await connection.fetch_row(
        """
        SELECT delta, reason, stock
          FROM stock_change
         WHERE product_id = $1::bigint
           AND key = $2
        """,
        product_id,
        key,
    )
    return Recorded(*row) if row else None
