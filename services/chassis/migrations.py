"""Numbered SQL files per service, applied in order and once, under a lock, and recorded with their hash.

A service owns one schema through one role, and has no rights on another's: `Owner` says which.

While a version is rolled out, and after a rollback, code meets a schema that is ahead of it. It takes that as long as
nothing but additions came: whether a file takes something away stands in its name, which is all that older code can
know of it (`scripts/releases/expansion.py` holds files to their names). On a schema that is behind it no code starts.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.chassis.connection import Connection
from services.chassis.database import Database

_LOCK = 7_218_031_904  # any number that nobody else in this database uses as an advisory lock
EXTENSIONS = ("pg_trgm", "unaccent")


class MigrationError(Exception):
    """The database and the files do not fit together; the message says how."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    sql: str

    @property
    def contracts(self) -> bool:
        """Whether it takes away what earlier code may need: `NNNN_contract_….sql`."""
        return self.name.partition("_")[2].startswith("contract_")

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Owner:
    """`folder` holds NNNN_name.sql files of plain DDL; they run with `schema` first on the search path."""

    schema: str
    role: str
    folder: Path

    def migrations(self) -> Sequence[Migration]:
        return [Migration(path.name, path.read_text()) for path in sorted(self.folder.glob("[0-9]*.sql"))]


async def migrate(admin: Database, owner: Owner, password: str) -> list[str]:
    """Create role and schema where they are missing, apply what is new, and return its names.

    Everything happens in one transaction. Raises MigrationError when an applied file was changed, or when the schema is
    ahead of this code by more than additions.
    """
    async with admin.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock($1::bigint)", _LOCK)
        await connection.script("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        await _prepare(connection, owner, password)
        await connection.script(f"SET LOCAL ROLE {owner.role}; SET LOCAL search_path = {owner.schema}, public")
        pending = _pending(owner, await _applied(connection))
        for migration in pending:
            await connection.script(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migration (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256
            )
        return [migration.name for migration in pending]


async def check(database: Database, owner: Owner) -> None:
    """Raise MigrationError unless the schema is what this code was written for, or has additions on top of that."""
    async with database.transaction() as connection:
        await connection.script(f"SET LOCAL search_path = {owner.schema}, public")
        if await connection.fetch_value("SELECT to_regclass('schema_migration')::text") is None:
            raise MigrationError(f"Schema {owner.schema} has not been migrated; run: tandem migrate")
        pending = _pending(owner, await _applied(connection))
    if pending:
        raise MigrationError(f"Schema {owner.schema} lacks {pending[0].name}; run: tandem migrate")


async def _prepare(connection: Connection, owner: Owner, password: str) -> None:
    for extension in EXTENSIONS:
        await connection.script(f"CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public")
    if not await connection.fetch_value("SELECT 1 FROM pg_roles WHERE rolname = $1", owner.role):
        await connection.script(f"CREATE ROLE {owner.role} LOGIN")
    # DDL takes no parameters; quote_literal makes the password a literal on the server's own terms.
    literal = await connection.fetch_value("SELECT quote_literal($1::text)", password)
    await connection.script(f"ALTER ROLE {owner.role} PASSWORD {literal}")
    await connection.script(f"ALTER ROLE {owner.role} SET search_path = {owner.schema}, public")
    await connection.script(f"GRANT {owner.role} TO CURRENT_USER")
    await connection.script(f"CREATE SCHEMA IF NOT EXISTS {owner.schema} AUTHORIZATION {owner.role}")
    await connection.script(
        f"CREATE TABLE IF NOT EXISTS {owner.schema}.schema_migration ("
        " name text PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());"
        f"ALTER TABLE {owner.schema}.schema_migration OWNER TO {owner.role}"
    )


async def _applied(connection: Connection) -> list[tuple[str, str]]:
    return [
        (name, sha) for name, sha in await connection.fetch("SELECT name, sha256 FROM schema_migration ORDER BY name")
    ]


def _pending(owner: Owner, applied: Sequence[tuple[str, str]]) -> Sequence[Migration]:
    known = owner.migrations()
    for migration, (name, sha256) in zip(known, applied, strict=False):
        if migration.name != name:
            raise MigrationError(f"Schema {owner.schema} holds {name}, where this version has {migration.name}")
        if migration.sha256 != sha256:
            raise MigrationError(f"{name} was changed after it had been applied to schema {owner.schema}")
    for name, _ in applied[len(known) :]:
        if Migration(name, "").contracts:
            raise MigrationError(f"Schema {owner.schema} holds {name}, which took away what this version may need")
    return known[len(applied) :]
