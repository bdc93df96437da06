"""Pages of orders, newest first, by keyset: the last page of a million costs what the first does."""

# ruff: noqa: S608 - the f-strings below are put together from constants of this module, never from values

from typing import Any
from uuid import UUID

from services.chassis.connection import Connection
from services.order.model import Cursor, Status
from services.order.store.documents import NOW


async def select_orders(
    connection: Connection,
    *,
    customer_id: UUID | None = None,
    status: Status | None = None,
    after: Cursor | None = None,
    limit: int,
) -> bytes:
    """A page, newest first, with the cursor of the next one."""
    parameters: list[Any] = [limit, limit + 1]
    conditions = ["true"]

    def require(condition: str, *values: Any) -> None:
        positions = range(len(parameters) + 1, len(parameters) + len(values) + 1)
        conditions.append(condition.format(*(f"${position}" for position in positions)))
        parameters.extend(values)

    # Only the conditions that are asked for: each combination is a statement of its own with an index that fits.
    if customer_id is not None:
        require("customer_id = {}::uuid", customer_id)
    if status is not None:
        require("status = {}::text", str(status))
    if after is not None:
        require("(created_at, id) < ({}::timestamptz, {}::uuid)", after.created_at, after.id)
    page = await connection.fetch_json(_page(" AND ".join(conditions)), *parameters)
    return page or b""


def _page(condition: str) -> str:
    return f"""
WITH found AS (
    SELECT *, row_number() OVER (ORDER BY created_at DESC, id DESC) AS position FROM (
        SELECT * FROM ordering.orders WHERE {condition} ORDER BY created_at DESC, id DESC LIMIT $2::bigint) newest
)
SELECT json_build_object(
    'items', (SELECT coalesce(json_agg({NOW} ORDER BY position), '[]') FROM found o WHERE position <= $1::bigint),
    'next', (SELECT (extract(epoch FROM created_at) * 1000000)::bigint || '-' || id FROM found
              WHERE position = $1::bigint AND EXISTS (SELECT FROM found WHERE position > $1::bigint)))"""
