"""Orders as they are read: one JSON text for all who answer with an order, built by PostgreSQL."""

# ruff: noqa: S608 - the f-strings below are put together from constants of this module, never from values

from typing import Any
from uuid import UUID

from services.chassis.connection import Connection
from services.order.model import Order, Status


def _document(status: str, tracking: str) -> str:
    """The JSON of the order `o`. Everything that answers with an order uses this text, so the bytes are the same."""
    return f"""row_to_json((SELECT document FROM (SELECT
        o.id, o.customer_id, {status} AS status, o.reject_code, o.total_cents, {tracking} AS tracking,
        (SELECT json_agg(row_to_json(line)) FROM (
            SELECT product_id, sku, name, qty, unit_price_cents, qty * unit_price_cents AS line_total_cents
              FROM ordering.order_line WHERE order_id = o.id ORDER BY product_id) line) AS lines,
        {_utc("o.created_at")} AS created_at, {_utc("o.decided_at")} AS decided_at) document))"""


def _utc(moment: str) -> str:
    return f"""to_char({moment} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


NOW = _document("o.status", "o.tracking")
# As it was when it was decided: what a repeated request gets, however far the order has moved on since.
DECIDED = _document("CASE WHEN o.status IN ('pending', 'rejected') THEN o.status ELSE 'confirmed' END", "NULL::text")
_ORDER = "o.id, o.status, o.reject_code, o.tracking, o.total_cents, o.fingerprint"
MINE = "($2::uuid IS NULL OR o.customer_id = $2::uuid)"

SELECT_DECIDED_BY_KEY = f"""
SELECT {_ORDER}, {DECIDED}::text FROM ordering.orders o
 WHERE o.customer_id = $1::uuid AND o.idem_key = $2::text"""


async def select_decided_by_key(connection: Connection, customer_id: UUID, key: str) -> Order | None:
    """The order placed under a key, as it was decided."""
    return _order(await connection.fetch_row(SELECT_DECIDED_BY_KEY, customer_id, key))


SELECT_DECIDED = f"SELECT {_ORDER}, {DECIDED}::text FROM ordering.orders o WHERE o.id = $1::uuid"


async def select_decided(connection: Connection, order_id: UUID) -> Order | None:
    """An order as it was decided."""
    return _order(await connection.fetch_row(SELECT_DECIDED, order_id))


SELECT_ORDER = f"SELECT {_ORDER}, {NOW}::text FROM ordering.orders o WHERE o.id = $1::uuid AND {MINE}"


async def select_order(connection: Connection, order_id: UUID, owner: UUID | None) -> Order | None:
    """An order as it is; with an owner, only that customer's."""
    return _order(await connection.fetch_row(SELECT_ORDER, order_id, owner))


SELECT_EVENTS = f"""
SELECT json_build_object('items', (SELECT json_agg(row_to_json(event)) FROM (
    SELECT e.was, e.status, CASE WHEN $2::uuid IS NULL THEN e.actor ELSE split_part(e.actor, ':', 1) END AS actor,
           {_utc("e.at")} AS at
      FROM ordering.order_event e WHERE e.order_id = o.id ORDER BY e.id) event))
  FROM ordering.orders o WHERE o.id = $1::uuid AND {MINE}"""


async def select_events(connection: Connection, order_id: UUID, owner: UUID | None) -> bytes | None:
    """The log of an order; an owner sees that it was the staff, not who."""
    return await connection.fetch_json(SELECT_EVENTS, order_id, owner)


def _order(row: tuple[Any, ...] | None) -> Order | None:
    if row is None:
        return None
    order_id, status, code, tracking, total_cents, fingerprint, body = row
    return Order(
        id=order_id,
        status=Status(status),
        reject_code=code,
        tracking=tracking,
        total_cents=total_cents,
        fingerprint=fingerprint,
        body=body.encode(),
    )
