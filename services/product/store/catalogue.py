"""Statements about products and categories. What answers a request is written as JSON by PostgreSQL."""

from collections.abc import Sequence

from services.chassis.connection import Connection, Parameter
from services.product.model.catalogue import Change, Draft, Shown

# `version.stock`: whatever shows in the JSON changes one of the two.
_ETAG = """'"' || p.version || '.' || p.stock || '"'"""
PRODUCT = """json_build_object(
            'id', p.id, 'sku', p.sku, 'name', p.name, 'description', p.description, 'category', p.category,
            'price_cents', p.price_cents, 'stock', p.stock, 'active', p.active, 'version', p.version,
            'image', coalesce(p.image, '/products/' || p.id || '/image.svg'),
            'created_at', p.created_at, 'updated_at', p.updated_at)"""


async def select_product(connection: Connection, product_id: int) -> Shown | None:
    row = await connection.fetch_row(
        f"SELECT {_ETAG}, p.active, {PRODUCT}::text FROM product p WHERE p.id = $1::bigint",  # noqa: S608 - fragments of this module only
        product_id,
    )
    return Shown(etag=row[0], active=row[1], body=row[2].encode()) if row else None


async def insert_product(connection: Connection, draft: Draft, stock: int) -> tuple[int, Shown]:
    """The opening stock is the first row of the product's ledger."""
    rows = await connection.fetch(
        f"""
        WITH p AS (
            INSERT INTO product (sku, name, description, category, price_cents, active, image, stock)
            VALUES ($1, $2, $3, $4, $5::bigint, $6::boolean, $7, $8::bigint)
            RETURNING *
        ), movement AS (
            INSERT INTO stock_movement (product_id, delta, reason, ref)
            SELECT id, stock, 'initial', gen_random_uuid() FROM p WHERE stock > 0
        )
        SELECT p.id, {_ETAG}, p.active, {PRODUCT}::text FROM p
        """,  # noqa: S608 - fragments of this module only
        draft.sku,
        draft.name,
        draft.description,
        draft.category,
        draft.price_cents,
        draft.active,
        draft.image,
        stock,
    )
    identifier, etag, active, body = rows[0]
    return identifier, Shown(etag=etag, active=active, body=body.encode())


async def update_product(
    connection: Connection, product_id: int, change: Change, versions: Sequence[int] | None
) -> int:
    """Write some fields if the version is one of `versions`; None is any."""
    columns = ", ".join(f"{column} = ${number}" for number, column in enumerate(change, 3))
    values: list[Parameter] = list(change.values())
    return await connection.execute(
        f"""
        UPDATE product
           SET {columns}, version = version + 1, updated_at = now()
         WHERE id = $1::bigint
           AND ($2::bigint[] IS NULL OR version = ANY($2::bigint[]))
        """,  # noqa: S608 - the columns are those of Draft
        product_id,
        None if versions is None else list(versions),
        *values,
    )


async def update_product_archived(connection: Connection, product_id: int) -> int:
    return await connection.execute(
        """
        UPDATE product
           SET active = false, version = version + 1, updated_at = now()
         WHERE id = $1::bigint
           AND active
        """,
        product_id,
    )


async def select_picture_category(connection: Connection, product_id: int) -> str | None:
    category: str | None = await connection.fetch_value(
        "SELECT category FROM product WHERE id = $1::bigint", product_id
    )
    return category


async def select_categories(connection: Connection) -> bytes | None:
    return await connection.fetch_json(
        """
        SELECT json_build_object('items', coalesce(json_agg(c ORDER BY c.name), '[]'))
          FROM (SELECT category.slug, category.name, count(product.id) AS products
                  FROM category
                  LEFT JOIN product ON product.category = category.slug AND product.active
                 GROUP BY category.slug) AS c
        """
    )


async def upsert_category(connection: Connection, slug: str, name: str) -> int:
    return await connection.execute(
        """
        INSERT INTO category (slug, name)
        VALUES ($1, $2)
        ON CONFLICT (slug) DO UPDATE SET name = excluded.name
        """,
        slug,
        name,
    )
