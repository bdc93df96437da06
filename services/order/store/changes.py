"""Every change of an order. A change of state and its event are one statement, conditional on the state before."""

# ruff: noqa: S608 - the f-strings below are put together from constants of this module, never from values

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from services.chassis.connection import Connection
from services.order.model import Intent, Line, Reservation, Status, Unfinished
from services.order.store.documents import MINE

LEASE = "interval '10 s'"  # longer than a request may take (8 s): only a driver that is gone loses its order
YOUNG = "interval '60 s'"  # with the longest call far below the 120 s for which the product service holds stock
PENDING_SLOTS = 3

INSERT_ORDER = f"""
WITH room AS (
    SELECT slot FROM generate_series(1, {PENDING_SLOTS}) AS slot
     WHERE NOT EXISTS (SELECT FROM ordering.orders
                        WHERE customer_id = $2::uuid AND status = 'pending' AND pending_slot = slot)
     ORDER BY slot LIMIT 1
), fresh AS (
    INSERT INTO ordering.orders (id, customer_id, idem_key, fingerprint, expected_total_cents, status,
                                 pending_slot, lease_until)
    SELECT $1::uuid, $2::uuid, $3::text, $4::bytea, $5::bigint, 'pending', slot, now() + {LEASE} FROM room
    ON CONFLICT DO NOTHING
    RETURNING id
), lines AS (
    INSERT INTO ordering.order_line (order_id, product_id, qty)
    SELECT fresh.id, line.product_id, line.qty
      FROM fresh, unnest($6::bigint[], $7::int[]) AS line (product_id, qty)
), logged AS (
    INSERT INTO ordering.order_event (order_id, status, actor) SELECT id, 'pending', 'customer' FROM fresh
)
SELECT EXISTS (SELECT FROM fresh), EXISTS (SELECT FROM room)"""


class Inserted(NamedTuple):
    """Without `done`: the key is taken, or (no `room`) so are the customer's slots, or another order won the slot."""

    done: bool
    room: bool


async def insert_order(connection: Connection, intent: Intent) -> Inserted:
    """Write the intent, its lines and its first event, unless the key is known or too much is pending."""
    row = await connection.fetch_row(
        INSERT_ORDER,
        intent.id,
        intent.customer_id,
        intent.key,
        intent.fingerprint,
        intent.expected_total_cents,
        *_columns(intent.lines),
    )
    return Inserted(*(row or (False, False)))


TAKE_LEASE = f"""
UPDATE ordering.orders SET lease_until = now() + {LEASE}
 WHERE customer_id = $1::uuid AND idem_key = $2::text AND fingerprint = $3::bytea
   AND status = 'pending' AND lease_until < now()
RETURNING id"""


async def take_lease(connection: Connection, intent: Intent) -> UUID | None:
    """The id of the pending order of this request when nobody drives it any more; it is ours now."""
    found: UUID | None = await connection.fetch_value(TAKE_LEASE, intent.customer_id, intent.key, intent.fingerprint)
    return found


YIELD_LEASE = "UPDATE ordering.orders SET lease_until = now() WHERE id = $1::uuid AND status = 'pending'"


async def yield_lease(connection: Connection, order_id: UUID) -> None:
    """Let anybody drive the order on at once."""
    await connection.execute(YIELD_LEASE, order_id)


TAKE_UNFINISHED = f"""
UPDATE ordering.orders o SET lease_until = now() + {LEASE}
 WHERE id = (SELECT id FROM ordering.orders
              WHERE status IN ('pending', 'cancelling', 'refunding') AND lease_until < now()
              ORDER BY lease_until LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, status, expected_total_cents, created_at > now() - {YOUNG},
    (SELECT array_agg(product_id ORDER BY product_id) FROM ordering.order_line WHERE order_id = o.id),
    (SELECT array_agg(qty ORDER BY product_id) FROM ordering.order_line WHERE order_id = o.id)"""


async def take_unfinished(connection: Connection) -> Unfinished | None:
    """The order that has waited longest without a driver; the lease is ours now."""
    row = await connection.fetch_row(TAKE_UNFINISHED)
    if row is None:
        return None
    order_id, status, expected, young, products, quantities = row
    lines = tuple(Line(*pair) for pair in zip(products, quantities, strict=True))
    return Unfinished(id=order_id, status=Status(status), lines=lines, expected_total_cents=expected, young=young)


CONFIRM_ORDER = """
WITH decided AS (
    UPDATE ordering.orders SET status = 'confirmed', total_cents = $2::bigint, decided_at = now()
     WHERE id = $1::uuid AND status = 'pending'
    RETURNING id
), priced AS (
    UPDATE ordering.order_line l SET unit_price_cents = p.unit_price_cents, sku = p.sku, name = p.name
      FROM decided, unnest($3::bigint[], $4::bigint[], $5::text[], $6::text[])
                    AS p (product_id, unit_price_cents, sku, name)
     WHERE l.order_id = decided.id AND l.product_id = p.product_id
)
INSERT INTO ordering.order_event (order_id, was, status, actor)
SELECT id, 'pending', 'confirmed', $7::text FROM decided"""


async def confirm_order(connection: Connection, order_id: UUID, reservation: Reservation, actor: str) -> bool:
    """Follow a committed reservation; False when somebody has decided the order before."""
    lines = reservation.lines
    return (
        await connection.execute(
            CONFIRM_ORDER,
            order_id,
            reservation.total_cents,
            [line.product_id for line in lines],
            [line.unit_price_cents for line in lines],
            [line.sku for line in lines],
            [line.name for line in lines],
            actor,
        )
        == 1
    )


REJECT_ORDER = """
WITH decided AS (
    UPDATE ordering.orders SET status = 'rejected', reject_code = $2::text, decided_at = now()
     WHERE id = $1::uuid AND status = 'pending'
    RETURNING id
)
INSERT INTO ordering.order_event (order_id, was, status, actor)
SELECT id, 'pending', 'rejected', $3::text FROM decided"""


async def reject_order(connection: Connection, order_id: UUID, code: str, actor: str) -> bool:
    """Follow a refusal; False when somebody has decided the order before."""
    return await connection.execute(REJECT_ORDER, order_id, code, actor) == 1


# The row is locked before its state is copied, so that the event names the state that was really left.
MOVE_ORDER = f"""
WITH found AS (
    SELECT o.id, o.status FROM ordering.orders o
     WHERE o.id = $1::uuid AND {MINE} AND o.status = ANY($3::text[]) FOR UPDATE
), moved AS (
    UPDATE ordering.orders o SET status = $4::text, tracking = coalesce($6::text, o.tracking),
                                 lease_until = now() + {LEASE}
      FROM found WHERE o.id = found.id
    RETURNING o.id, found.status AS was
)
INSERT INTO ordering.order_event (order_id, was, status, actor)
SELECT id, was, $4::text, $5::text FROM moved"""


async def move_order(
    connection: Connection,
    order_id: UUID,
    *,
    owner: UUID | None = None,
    was: Sequence[Status],
    status: Status,
    actor: str,
    tracking: str | None = None,
) -> bool:
    """Change the state if it is one of `was`, and, with an owner, only of that customer's order."""
    return (
        await connection.execute(
            MOVE_ORDER, order_id, owner, [str(state) for state in was], str(status), actor, tracking
        )
        == 1
    )


def _columns(lines: Sequence[Line]) -> tuple[list[int], list[int]]:
    return [line.product_id for line in lines], [line.qty for line in lines]
