"""Bring both schemas up to date: in the local database, in the one of DATABASE_URL, or in the one that is named."""

import argparse
import asyncio
import os

from scripts.databases import migrate_all
from scripts.places import LOCAL
from scripts.terminal import Problem, Terminal
from scripts.twin import keys
from scripts.twin.postgres import PostgresError, available
from services.chassis.errors import DomainError
from services.chassis.migrations import MigrationError

SUMMARY = "apply the migrations that the database lacks"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--database-url", metavar="URL", help="an administrator's: roles and extensions are created")


def run(options: argparse.Namespace) -> int:
    environment = {"DATABASE_URL": options.database_url} if options.database_url else os.environ
    try:
        with available(LOCAL, environment=environment) as server:
            applied = asyncio.run(migrate_all(server.url, keys.load(LOCAL).passwords))
    except (DomainError, MigrationError, PostgresError) as error:
        raise Problem(f"nothing was migrated: {error}") from None
    terminal = Terminal()
    for service, names in applied.items():
        for name in names:
            terminal.say(f"  {service:<8} {name}")
    terminal.say("Applied." if any(applied.values()) else "Up to date.")
    return 0
