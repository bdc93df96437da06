"""Statements that fill an empty shop. Each puts in only what is missing, so several processes may do it at once."""

from collections.abc import Mapping, Sequence

from services.chassis.connection import Connection
from services.product.model.sheet import Row


async def insert_categories(connection: Connection, names: Mapping[str, str]) -> int:
    """The first statement of a seeding: whoever comes second waits here until the first has committed."""
    return await connection.execute(
        """
        WITH turn AS MATERIALIZED (
            SELECT pg_advisory_xact_lock('category'::regclass::oid::bigint)
        )
        INSERT INTO category (slug, name)
        SELECT named.slug, named.name
          FROM turn, unnest($1::text[], $2::text[]) AS named (slug, name)
        ON CONFLICT (slug) DO NOTHING
        """,
        list(names),
        list(names.values()),
    )


async def insert_products(connection: Connection, rows: Sequence[Row]) -> int:
    """How many were missing. The opening stock is the first row of each one's ledger."""
    count: int = await connection.fetch_value(
        """
        WITH made AS (
            INSERT INTO product (sku, name, description, category, price_cents, stock)
            SELECT *
              FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
            ON CONFLICT (sku) DO NOTHING
            RETURNING id, stock
        ), movement AS (
            INSERT INTO stock_movement (product_id, delta, reason, ref)
            SELECT id, stock, 'initial', gen_random_uuid() FROM made WHERE stock > 0
        )
        SELECT count(*) FROM made
        """,
        [row.draft.sku for row in rows],
        [row.draft.name for row in rows],
        [row.draft.description for row in rows],
        [row.draft.category for row in rows],
        [row.draft.price_cents for row in rows],
        [row.stock for row in rows],
    )
    return count
