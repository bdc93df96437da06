"""Add the demo products that are not there yet; what is there stays as it is."""

import argparse
import asyncio

from scripts.databases import migrate_all, service_url
from scripts.places import LOCAL
from scripts.terminal import Problem, Terminal
from scripts.twin import keys
from scripts.twin.postgres import PostgresError, available
from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.chassis.migrations import MigrationError
from services.product.demo import seed

SUMMARY = "add the demo products"


def arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(options: argparse.Namespace) -> int:  # noqa: ARG001 - every verb has it
    try:
        with available(LOCAL) as server:
            added = asyncio.run(fill(server.url, keys.load(LOCAL).passwords))
    except (DomainError, MigrationError, PostgresError) as error:
        raise Problem(f"nothing was added: {error}") from None
    Terminal().say(f"{added} products added.")
    return 0


async def fill(admin_url: str, passwords: dict[str, str]) -> int:
    await migrate_all(admin_url, passwords)
    catalogue = Database(service_url(admin_url, "product", passwords), size=1)
    try:
        return await seed(catalogue)
    finally:
        await catalogue.close()
