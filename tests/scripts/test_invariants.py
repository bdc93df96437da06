"""Each invariant is silent on a sound database and names the row once somebody has broken it."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from scripts.doctor_data import check_data
from scripts.invariants import INVARIANTS, breaches
from scripts.terminal import Problem
from scripts.twin.postgres import Server
from services.chassis.database import Database

ORDER = "11111111-1111-4111-8111-111111111111"
CUSTOMER = "22222222-2222-4222-8222-222222222222"
SOUND = f"""

TRUNCATE catalog.product, catalog.reservation, catalog.stock_movement, ordering.orders CASCADE;
INSERT INTO catalog.category (slug, name) VALUES ('tools', 'Tools') ON CONFLICT DO NOTHING;
INSERT INTO catalog.product (id, sku, name, category, price_cents, stock) OVERRIDING SYSTEM VALUE
VALUES (1, 'a', 'A', 'tools', 500, 8);
INSERT INTO catalog.stock_movement (product_id, delta, reason, ref)
VALUES (1, 10, 'initial', gen_random_uuid()), (1, -2, 'reserve', '{ORDER}');
INSERT INTO catalog.reservation (id, fingerprint, state, expires_at, decided_at)
VALUES ('{ORDER}', 'x', 'committed', now(), now());
INSERT INTO catalog.reservation_line (reservation_id, product_id, qty, unit_price_cents, name, sku)
VALUES ('{ORDER}', 1, 2, 500, 'A', 'a');
INSERT INTO ordering.orders (id, customer_id, idem_key, fingerprint, status, pending_slot, total_cents, lease_until,
                             decided_at)
VALUES ('{ORDER}', '{CUSTOMER}', 'k', sha256('x'), 'confirmed', 1, 1000, now(), now());
INSERT INTO ordering.order_line (order_id, product_id, qty, unit_price_cents, sku, name)
VALUES ('{ORDER}', 1, 2, 500, 'a', 'A');
INSERT INTO ordering.order_event (order_id, was, status, actor)
VALUES ('{ORDER}', NULL, 'pending', 'customer'), ('{ORDER}', 'pending', 'confirmed', 'customer');
"""  # noqa: S608 - the two ids above are all that is put in

BREAKS = [
    ("ALTER TABLE catalog.product DROP CONSTRAINT product_stock_check; UPDATE catalog.product SET stock = -1", "I1"),
    ("UPDATE catalog.product SET stock = 7", "I2"),
    ("DELETE FROM catalog.stock_movement WHERE reason = 'reserve'; UPDATE catalog.product SET stock = 10", "I3"),
    ("UPDATE ordering.orders SET status = 'cancelled'", "I4"),
    ("UPDATE catalog.reservation SET state = 'held', expires_at = now() + interval '1 h'", "I5"),
    (
        """INSERT INTO catalog.reservation (id, fingerprint, state, expires_at)
        VALUES (gen_random_uuid(), 'x', 'committed', now())""",
        "I5",
    ),
    ("UPDATE ordering.order_line SET qty = 3", "I5"),
    ("UPDATE ordering.orders SET total_cents = 999", "I6"),
    ("UPDATE ordering.order_line SET unit_price_cents = 400; UPDATE ordering.orders SET total_cents = 800", "I6"),
    (
        """ALTER TABLE ordering.orders DROP CONSTRAINT one_order_per_key;
        INSERT INTO ordering.orders SELECT gen_random_uuid(), customer_id, idem_key, fingerprint, status, 1, null,
        total_cents, null, null, now(), now(), now() FROM ordering.orders""",
        "I7",
    ),
    ("DELETE FROM ordering.order_event WHERE status = 'confirmed'", "I8"),
    (
        """UPDATE ordering.orders SET status = 'pending', decided_at = null, total_cents = null,
        created_at = now() - interval '91 s'""",
        "I9",
    ),
    ("UPDATE catalog.reservation SET state = 'held', expires_at = now() - interval '11 s'", "I9"),
]


@pytest.fixture
async def admin(database_urls: dict[str, str]) -> AsyncIterator[Database]:
    database = Database(database_urls["admin"], size=1)
    async with database.connection() as connection:
        await connection.script(SOUND)
    yield database
    await database.close()


async def test_a_sound_database_has_no_breach(admin: Database) -> None:
    assert await breaches(admin) == []


@pytest.mark.parametrize(("damage", "name"), BREAKS, ids=[f"{name}: {sql[:50]}" for sql, name in BREAKS])
async def test_a_broken_row_is_named(admin: Database, damage: str, name: str) -> None:
    async with admin.transaction() as connection:
        await connection.script(damage)
        # The same queries, inside the transaction that did the damage and is rolled back below.
        found = [(i.name, row) for i in INVARIANTS for (row,) in await connection.fetch(i.sql)]
        await connection.script("ROLLBACK; BEGIN")
    assert name in {breached for breached, _ in found}, found
    assert all(row for _, row in found)


def test_every_invariant_is_broken_by_some_case() -> None:
    assert {name for _, name in BREAKS} == {invariant.name for invariant in INVARIANTS}


def test_the_doctor_names_the_broken_row_and_exits_with_one(
    database_urls: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    async def prepare(damage: str) -> None:
        database = Database(database_urls["admin"], size=1)
        async with database.connection() as connection:
            await connection.script(SOUND + damage)
        await database.close()

    asyncio.run(prepare(""))
    assert check_data(database_urls["admin"]) == 0
    assert "Stock and orders agree." in capsys.readouterr().out
    asyncio.run(prepare("UPDATE catalog.product SET stock = 7"))
    assert check_data(database_urls["admin"]) == 1
    assert "product 1 has stock 7 and a ledger of 8" in capsys.readouterr().out
    assert check_data(database_urls["admin"], as_json=True) == 1
    assert {breach["invariant"] for breach in json.loads(capsys.readouterr().out)} == {"I2", "I3", "I4"}


def test_a_database_that_cannot_be_read_is_one_sentence(postgres: Server) -> None:
    with pytest.raises(Problem, match="could not be read"):
        check_data(postgres.url_for("template1"))
    with pytest.raises(Problem, match="could not be read"):
        check_data("postgresql://a:b@127.0.0.1:1/c?sslmode=disable")
