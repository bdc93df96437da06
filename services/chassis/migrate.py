"""Bring a schema up to date before its service starts: `python -m services.chassis.migrate MODULE:OWNER`.

Takes the settings of the service, whose user and password the role gets, and ADMIN_DATABASE_USER and _PASSWORD of
somebody who may create roles, or ADMIN_DATABASE_URL, which says all of it.
"""

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Mapping

from services.chassis import logs
from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.chassis.migrations import MigrationError, Owner, migrate
from services.chassis.settings import SettingsError, database_url

log = logs.logger("migrate")


async def apply(owner: Owner, env: Mapping[str, str]) -> list[str]:
    """Apply what is new and return its names. Raises SettingsError, MigrationError or Unavailable."""
    url = database_url(env, login="ADMIN_DATABASE")
    for key, given in (("DATABASE_HOST", url), ("DATABASE_PASSWORD", env.get("DATABASE_PASSWORD"))):
        if not given:
            raise SettingsError(f"{key} is missing")
    admin = Database(url, size=1)
    try:
        return await migrate(admin, owner, env["DATABASE_PASSWORD"])
    finally:
        await admin.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.chassis.migrate", description=__doc__)
    parser.add_argument("owner", help="package.module:NAME of the owner of the schema")
    module, _, name = parser.parse_args().owner.partition(":")
    owner: Owner = getattr(importlib.import_module(module), name)
    logs.configure("migrate")
    try:
        applied = asyncio.run(apply(owner, os.environ))
    except (SettingsError, MigrationError, DomainError) as error:
        sys.exit(f"{owner.schema} was not migrated: {error}")
    log.info("migrated", schema=owner.schema, applied=applied)


if __name__ == "__main__":
    main()
