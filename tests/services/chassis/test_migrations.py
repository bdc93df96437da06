"""Migrations: in order, once, under a lock, and never on a schema that this code does not know."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scripts.twin.postgres import Server, with_login
from services.chassis.database import Database
from services.chassis.migrations import MigrationError, Owner, check, migrate


@pytest.fixture
async def admin(postgres: Server) -> AsyncIterator[Database]:
    database = Database(postgres.url, size=4)
    async with database.connection() as connection:
        await connection.script("DROP SCHEMA IF EXISTS ours CASCADE")
    yield database
    await database.close()


@pytest.fixture
def owner(tmp_path: Path) -> Owner:
    (tmp_path / "0001_first.sql").write_text("CREATE TABLE a (id int); CREATE TABLE b (id int)")
    (tmp_path / "0002_second.sql").write_text("ALTER TABLE a ADD name text")
    (tmp_path / "notes.sql").write_text("this is not one")
    return Owner("ours", "ours_svc", tmp_path)


async def test_what_is_new_is_applied_in_order_and_once(admin: Database, owner: Owner) -> None:
    assert await migrate(admin, owner, "p") == ["0001_first.sql", "0002_second.sql"]
    assert await migrate(admin, owner, "p") == []
    (owner.folder / "0003_third.sql").write_text("DROP TABLE b")
    assert await migrate(admin, owner, "p") == ["0003_third.sql"]


async def test_the_role_owns_its_tables_and_may_log_in(admin: Database, owner: Owner, postgres: Server) -> None:
    await migrate(admin, owner, "it's a 'password'")
    service = Database(with_login(postgres.url, "ours_svc", "it's a 'password'"), size=1)
    async with service.connection() as connection:
        await connection.script("INSERT INTO ours.a (id, name) VALUES (1, 'x')")
    await check(service, owner)
    await service.close()


async def test_many_at_once_apply_each_file_once(admin: Database, owner: Owner) -> None:
    applied = await asyncio.gather(*(migrate(admin, owner, "p") for _ in range(3)))
    assert sorted(name for names in applied for name in names) == ["0001_first.sql", "0002_second.sql"]


async def test_a_file_that_fails_leaves_nothing_behind(admin: Database, owner: Owner) -> None:
    (owner.folder / "0002_second.sql").write_text("CREATE TABLE c (id int); SELECT nonsense")
    with pytest.raises(Exception, match="nonsense"):
        await migrate(admin, owner, "p")
    async with admin.connection() as connection:
        assert await connection.fetch_value("SELECT to_regclass('ours.a')::text") is None


async def test_a_changed_file_is_refused(admin: Database, owner: Owner) -> None:
    await migrate(admin, owner, "p")
    (owner.folder / "0001_first.sql").write_text("CREATE TABLE a (id bigint)")
    with pytest.raises(MigrationError, match=r"0001_first\.sql was changed"):
        await migrate(admin, owner, "p")


async def test_a_service_refuses_a_schema_that_is_behind_it(admin: Database, owner: Owner) -> None:
    with pytest.raises(MigrationError, match="has not been migrated"):
        await check(admin, owner)
    await migrate(admin, owner, "p")
    await check(admin, owner)
    (owner.folder / "0003_third.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match=r"lacks 0003_third\.sql"):
        await check(admin, owner)


async def test_additions_on_top_are_taken_by_code_from_before_them(admin: Database, owner: Owner) -> None:
    (owner.folder / "0003_third.sql").write_text("ALTER TABLE a ADD more text")
    await migrate(admin, owner, "p")
    (owner.folder / "0003_third.sql").unlink()
    await check(admin, owner)
    assert await migrate(admin, owner, "p") == []


async def test_what_was_taken_away_stops_code_from_before_it(admin: Database, owner: Owner) -> None:
    (owner.folder / "0003_contract_b.sql").write_text("DROP TABLE b")
    await migrate(admin, owner, "p")
    (owner.folder / "0003_contract_b.sql").unlink()
    for look in (check(admin, owner), migrate(admin, owner, "p")):
        with pytest.raises(MigrationError, match=r"holds 0003_contract_b\.sql, which took away"):
            await look


async def test_a_history_that_is_another_one_is_refused(admin: Database, owner: Owner) -> None:
    await migrate(admin, owner, "p")
    (owner.folder / "0002_second.sql").rename(owner.folder / "0002_other.sql")
    with pytest.raises(MigrationError, match=r"holds 0002_second\.sql, where this version has 0002_other\.sql"):
        await check(admin, owner)
