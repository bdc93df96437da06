"""The last line: rows that no statement of ours writes, and that the catalogue's own role could not write if it did."""

from collections.abc import AsyncIterator

import pytest

from services.chassis.connection import ConstraintViolation
from services.chassis.database import Database
from tests.chaos.product import EMPTY, Product

SHOP = """
    INSERT INTO catalog.reservation (id, fingerprint, state, expires_at) VALUES (gen_random_uuid(), 'x', 'held', now());
    INSERT INTO catalog.reservation_line (reservation_id, product_id, qty, unit_price_cents, name, sku)
    SELECT r.id, p.id, 2, 250, p.name, p.sku FROM catalog.product p, catalog.reservation r;
    UPDATE catalog.product SET stock = stock - 2;
    INSERT INTO catalog.stock_movement (product_id, delta, reason, ref)
    SELECT product_id, -qty, 'reserve', reservation_id FROM catalog.reservation_line;
    INSERT INTO catalog.stock_change (product_id, key, delta, reason, author, stock)
    SELECT id, 'k', 1, 'count', 'ops', 9 FROM catalog.product;
"""
REFUSED = {
    "product_stock_check": "UPDATE product SET stock = -1",
    "product_price_cents_check": "UPDATE product SET price_cents = -1",
    "stock_movement_once": """
        INSERT INTO stock_movement (product_id, delta, reason, ref)
        SELECT product_id, delta, reason, ref FROM stock_movement WHERE reason = 'reserve'
    """,
    "stock_movement_delta_check": """
        INSERT INTO stock_movement (product_id, delta, reason, ref)
        SELECT id, 0, 'change', gen_random_uuid() FROM product
    """,
    "stock_change_pkey": """
        INSERT INTO stock_change (product_id, key, delta, reason, author)
        SELECT id, 'k', 5, 'count', 'ops' FROM product
    """,
    "reservation_state_check": "UPDATE reservation SET state = 'lost', reason = 'x'",
    "reservation_reason_check": "UPDATE reservation SET state = 'released'",
    "reservation_expiry_check": "UPDATE reservation SET expires_at = NULL",
    "reservation_pkey": "INSERT INTO reservation SELECT * FROM reservation",
    "reservation_line_qty_check": "UPDATE reservation_line SET qty = 0",
    "reservation_line_unit_price_cents_check": "UPDATE reservation_line SET unit_price_cents = -1",
    "reservation_line_pkey": "INSERT INTO reservation_line SELECT * FROM reservation_line",
    "reservation_line_reservation_id_fkey": "DELETE FROM reservation",
}


@pytest.fixture
async def catalogue(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    """As the product service sees it: one product, of which some is held."""
    admin, database = Database(database_urls["admin"], size=1), Database(database_urls["product"], size=1)
    async with admin.connection() as connection:
        await connection.script(EMPTY)
        await Product(database, admin).add(10, 250)
        await connection.script(SHOP)
    yield database
    await database.close()
    await admin.close()


@pytest.mark.parametrize("constraint", REFUSED)
async def test_the_database_refuses_what_must_never_be(catalogue: Database, constraint: str) -> None:
    with pytest.raises(ConstraintViolation) as violation:
        async with catalogue.connection() as connection:
            await connection.execute(REFUSED[constraint])
    assert violation.value.constraint == constraint
