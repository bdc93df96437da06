"""Statements about reservations.

Locks are always taken in this order: the reservation, then its products by ascending id. Each statement that touches
several products locks them itself, in a CTE that its UPDATE reads from, so a lock is held for one round trip.

That is sound at READ COMMITTED (https://www.postgresql.org/docs/current/transaction-iso.html): FOR UPDATE above
ORDER BY locks in that order and returns the newest committed version of each row, not the snapshot's; the UPDATE that
joins it finds the snapshot's version, follows it to the newest one, which nobody else can have changed meanwhile, and
computes `stock` from that.
"""

from collections.abc import Sequence
from uuid import UUID

from services.chassis.connection import Connection
from services.product.model.reservations import Attempt, Known, Line

_BODY = """
       json_build_object('id', {r}.id, 'state', {r}.state, 'expires_at', {r}.expires_at,
                         'lines', coalesce({l}.lines, '[]'), 'total_cents', coalesce({l}.total_cents, 0))::text"""
_LINES = """
       json_agg(json_build_object('product_id', product_id, 'qty', qty, 'unit_price_cents', unit_price_cents,
                                  'name', name, 'sku', sku) ORDER BY product_id) AS lines,
       sum(qty * unit_price_cents)::bigint AS total_cents"""


async def insert_reservation(
    connection: Connection, reservation_id: UUID, lines: Sequence[Line], fingerprint: bytes, seconds: float
) -> Attempt:
    """Take the units of every line or of none. A refused reservation is left held and without lines: turn it into a
    tombstone before the transaction ends.
    """
    row = await connection.fetch_row(
        f"""
        WITH made AS (
            INSERT INTO reservation (id, fingerprint, state, expires_at)
            VALUES ($1::uuid, $2::bytea, 'held', now() + make_interval(secs => $3::float8))
            ON CONFLICT (id) DO NOTHING
            RETURNING id, state, expires_at
        ), locked AS MATERIALIZED (
            SELECT id, active, stock, price_cents, name, sku
              FROM product
             WHERE id = ANY($4::bigint[])
               AND EXISTS (SELECT FROM made)
             ORDER BY id
               FOR UPDATE
        ), verdict AS MATERIALIZED (
            SELECT wanted.product_id, wanted.qty, locked.price_cents, locked.name, locked.sku,
                   CASE WHEN locked.active IS NOT TRUE THEN 'unknown-product'
                        WHEN locked.stock < wanted.qty THEN 'insufficient-stock' END AS refusal
              FROM unnest($4::bigint[], $5::int[]) AS wanted (product_id, qty)
              LEFT JOIN locked ON locked.id = wanted.product_id
        ), taken AS (
            UPDATE product
               SET stock = product.stock - verdict.qty
              FROM verdict
             WHERE product.id = verdict.product_id
               AND NOT EXISTS (SELECT FROM verdict WHERE refusal IS NOT NULL)
            RETURNING product.id AS product_id, verdict.qty, verdict.price_cents AS unit_price_cents,
                      verdict.name, verdict.sku
        ), line AS (
            INSERT INTO reservation_line (reservation_id, product_id, qty, unit_price_cents, name, sku)
            SELECT $1::uuid, product_id, qty, unit_price_cents, name, sku FROM taken
        ), movement AS (
            INSERT INTO stock_movement (product_id, delta, reason, ref)
            SELECT product_id, -qty, 'reserve', $1::uuid FROM taken
        ), basket AS (
            SELECT {_LINES} FROM taken
        )
        SELECT (SELECT json_agg(json_build_array(refusal, product_id) ORDER BY product_id)
                  FROM verdict WHERE refusal IS NOT NULL),
               {_BODY.format(r="made", l="basket")}
          FROM made, basket
        """,  # noqa: S608 - fragments of this module only
        reservation_id,
        fingerprint,
        seconds,
        [line.product_id for line in lines],
        [line.qty for line in lines],
    )
    if row is None:
        return Attempt(made=False, refused=(), body=b"")
    return Attempt(
        made=True, refused=[(reason, identifier) for reason, identifier in row[0] or ()], body=row[1].encode()
    )


async def update_reservation_refused(
    connection: Connection, reservation_id: UUID, reason: str, product_ids: Sequence[int]
) -> int:
    """Turn a reservation that this transaction made in vain into a tombstone."""
    return await connection.execute(
        """
        UPDATE reservation
           SET state = 'released', reason = $2, product_ids = $3::bigint[], decided_at = now()
         WHERE id = $1::uuid
        """,
        reservation_id,
        reason,
        list(product_ids),
    )


async def select_reservation(connection: Connection, reservation_id: UUID) -> Known | None:
    row = await connection.fetch_row(
        f"""
        SELECT r.state, r.reason, r.product_ids, r.fingerprint,
               {_BODY.format(r="r", l="basket")}
          FROM reservation r,
               LATERAL (SELECT {_LINES} FROM reservation_line WHERE reservation_id = r.id) AS basket
         WHERE r.id = $1::uuid
        """,  # noqa: S608 - fragments of this module only
        reservation_id,
    )
    if row is None:
        return None
    state, reason, product_ids, wanted, body = row
    return Known(state, reason, product_ids, wanted, body.encode())


async def update_reservation_committed(connection: Connection, reservation_id: UUID) -> int:
    """Whether its time is over does not matter: expiry permits the sweeper to act and decides nothing."""
    return await connection.execute(
        """
        UPDATE reservation
           SET state = 'committed', decided_at = now()
         WHERE id = $1::uuid
           AND state = 'held'
        """,
        reservation_id,
    )


async def insert_tombstone(connection: Connection, reservation_id: UUID, reason: str) -> int:
    """Release an id never seen, so that a late request to reserve it cannot come alive."""
    return await connection.execute(
        """
        INSERT INTO reservation (id, state, reason, decided_at)
        VALUES ($1::uuid, 'released', $2, now())
        ON CONFLICT (id) DO NOTHING
        """,
        reservation_id,
        reason,
    )


async def update_reservation_released(connection: Connection, reservation_id: UUID, reason: str) -> int:
    return await connection.execute(_GIVE_BACK, reservation_id, "held", "released", reason, "release")


async def update_reservation_returned(connection: Connection, reservation_id: UUID, reason: str) -> int:
    return await connection.execute(_GIVE_BACK, reservation_id, "committed", "returned", reason, "return")


_GIVE_BACK = """
    WITH closed AS (
        UPDATE reservation
           SET state = $3, reason = $4, decided_at = now()
         WHERE id = $1::uuid
           AND state = $2
        RETURNING id
    ), locked AS MATERIALIZED (
        SELECT product.id, reservation_line.qty
          FROM closed
          JOIN reservation_line ON reservation_line.reservation_id = closed.id
          JOIN product ON product.id = reservation_line.product_id
         ORDER BY product.id
           FOR UPDATE OF product
    ), given AS (
        UPDATE product
           SET stock = product.stock + locked.qty
          FROM locked
         WHERE product.id = locked.id
        RETURNING product.id, locked.qty
    ), movement AS (
        INSERT INTO stock_movement (product_id, delta, reason, ref)
        SELECT id, qty, $5, $1::uuid FROM given
    )
    SELECT id FROM closed
    """


async def select_reservation_due(connection: Connection) -> UUID | None:
    """The reservation that has been over for longest and that no other sweeper or driver is busy with, locked."""
    identifier: UUID | None = await connection.fetch_value(
        """
        SELECT id
          FROM reservation
         WHERE state = 'held'
           AND expires_at < now()
         ORDER BY expires_at
         LIMIT 1
           FOR UPDATE SKIP LOCKED
        """
    )
    return identifier
