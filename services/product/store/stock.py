"""Statements about stock: changes that people ask for, the ledger, and what there is of everything."""

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


async def select_ledger(connection: Connection, product_id: int, after: int | None, limit: int) -> bytes | None:
    """A page of the movements of a product as JSON, newest first; None without the product."""
    return await connection.fetch_json(
        """
        WITH found AS (
            SELECT * FROM stock_movement
             WHERE product_id = $1::bigint
               AND ($2::bigint IS NULL OR id < $2::bigint)
             ORDER BY id DESC
             LIMIT $3::bigint + 1
        ), page AS (
            SELECT * FROM found ORDER BY id DESC LIMIT $3::bigint
        )
        SELECT json_build_object(
            'product_id', product.id,
            'stock', product.stock,
            'items', (SELECT coalesce(json_agg(entry ORDER BY entry.id DESC), '[]')
                        FROM (SELECT page.id, page.delta, page.reason, change.reason AS note, change.author,
                                     page.ref, page.at
                                FROM page
                                LEFT JOIN stock_change change ON change.id = page.ref) AS entry),
            'next', (SELECT min(id)::text FROM page HAVING (SELECT count(*) FROM found) > $3::bigint))
          FROM product
         WHERE product.id = $1::bigint
        """,
        product_id,
        after,
        limit,
    )


async def select_inventory(connection: Connection, below: int, limit: int) -> bytes | None:
    """What there is of everything as JSON. Reads every product once: some tens of milliseconds for 100,000."""
    return await connection.fetch_json(
        """
        WITH low AS (
            SELECT id, sku, name, stock, price_cents, category
              FROM product
             WHERE active AND stock < $1::bigint
             ORDER BY stock, id
             LIMIT $2::bigint
        ), shelf AS (
            SELECT category.slug, category.name,
                   count(product.id) FILTER (WHERE active) AS products,
                   count(product.id) FILTER (WHERE NOT active) AS archived,
                   count(product.id) FILTER (WHERE active AND stock = 0) AS sold_out,
                   coalesce(sum(stock) FILTER (WHERE active), 0)::bigint AS units,
                   coalesce(sum(stock * price_cents) FILTER (WHERE active), 0)::bigint AS value_cents
              FROM category
              LEFT JOIN product ON product.category = category.slug
             GROUP BY category.slug
        )
        SELECT json_build_object(
            'products', coalesce(sum(products), 0)::bigint,
            'archived', coalesce(sum(archived), 0)::bigint,
            'sold_out', coalesce(sum(sold_out), 0)::bigint,
            'units', coalesce(sum(units), 0)::bigint,
            'value_cents', coalesce(sum(value_cents), 0)::bigint,
            'low', (SELECT coalesce(json_agg(low ORDER BY low.stock, low.id), '[]') FROM low),
            'categories', coalesce(json_agg(json_build_object(
                'slug', slug, 'name', name, 'products', products, 'units', units, 'value_cents', value_cents
                ) ORDER BY value_cents DESC, slug), '[]'))
          FROM shelf
        """,
        below,
        limit,
    )
