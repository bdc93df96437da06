"""Many products at once: import and export."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from services.chassis.database import Database, retried
from services.product.model.sheet import COLUMNS, Row, problem, read_rows, refuse, write_rows
from services.product.store import transfer as store

WRITTEN = 250  # rows in one statement, well within its time limit even with the longest descriptions
READ = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    rows: int
    created: int
    updated: int
    unchanged: int
    dry_run: bool


class _DryRunOver(Exception):
    """Leaves the transaction without a commit."""


async def import_products(database: Database, body: bytes, *, dry_run: bool) -> Report:
    """Write every row of a CSV file or none. A dry run does the same and takes it back, so its report is exact.

    Rows are matched by article number. `stock` is the opening stock of new products; that of known ones only
    ever moves, so the column is ignored for them.
    """
    rows = await asyncio.to_thread(read_rows, body)
    async with database.read() as connection:
        slugs = await store.select_category_slugs(connection)
    refuse([problem(row.line, "category", "does not exist") for row in rows if row.draft.category not in slugs])
    created, updated = await _write(database, rows, dry_run=dry_run)
    return Report(
        rows=len(rows), created=created, updated=updated, unchanged=len(rows) - created - updated, dry_run=dry_run
    )


@retried
async def _write(database: Database, rows: Sequence[Row], *, dry_run: bool) -> tuple[int, int]:
    created = updated = 0
    ref = uuid4()
    with suppress(_DryRunOver):
        async with database.transaction() as connection:
            await store.lock_products(connection, [row.draft.sku for row in rows])
            for start in range(0, len(rows), WRITTEN):
                made, changed = await store.upsert_products(connection, rows[start : start + WRITTEN], ref)
                created, updated = created + made, updated + changed
            if dry_run:
                raise _DryRunOver
    return created, updated


async def export_products(database: Database) -> AsyncIterator[str]:
    """The whole catalogue as CSV, archived products too, in pieces: memory does not grow with it."""
    yield write_rows([COLUMNS])
    last = 0
    while True:
        async with database.read() as connection:
            rows = await store.select_products_after(connection, last, READ)
        if not rows:
            return
        last = rows[-1][0]
        yield write_rows(row[1:] for row in rows)
