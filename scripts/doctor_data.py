"""`tandem doctor --data`: the invariants of stock and orders on a live database, with every row that breaks one."""

import asyncio
import json
import os
from dataclasses import asdict

from scripts.invariants import INVARIANTS, Breach, breaches
from scripts.places import LOCAL
from scripts.terminal import Problem, Terminal
from scripts.twin.postgres import PostgresError, available
from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.chassis.session import ServerError


def check_data(database_url: str | None, *, as_json: bool = False, terminal: Terminal | None = None) -> int:
    """Print what was found; 1 when something was. Raises Problem when the database cannot be read."""
    terminal = terminal or Terminal()
    environment = {"DATABASE_URL": database_url} if database_url else os.environ
    try:
        with available(LOCAL, environment=environment) as server:
            found = asyncio.run(_breaches(server.url))
    except (DomainError, PostgresError, ValueError) as error:
        raise Problem(f"the data could not be read: {error}") from None
    except ServerError as error:
        raise Problem(f"the data could not be read: {error}; is this the administrator of a migrated shop?") from None
    terminal.say(json.dumps([asdict(breach) for breach in found], indent=2) if as_json else _table(found))
    return 1 if found else 0


async def _breaches(url: str) -> list[Breach]:
    database = Database(url, size=1)
    try:
        return await breaches(database)
    finally:
        await database.close()


def _table(found: list[Breach]) -> str:
    lines = []
    for invariant in INVARIANTS:
        rows = [breach.row for breach in found if breach.invariant == invariant.name]
        lines.append(f"  {'no' if rows else 'ok'}  {invariant.name}  {invariant.rule}")
        lines += [f"          {row}" for row in rows]
    verdict = f"{len(found)} broken rows." if found else "Stock and orders agree."
    return "\n".join([*lines, verdict])
