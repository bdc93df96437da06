"""What PostgreSQL is asked, as spans: names, rows and refusals, never a text or a value."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from scripts.twin.postgres import Server
from services.chassis.connection import Connection, ConstraintViolation
from services.chassis.database import Database
from services.chassis.errors import OutcomeUnknown, Unavailable
from tests.services.traces import HEADER, Memory, Seen, traced

TABLE = "CREATE TABLE IF NOT EXISTS traced (id bigint PRIMARY KEY, name text)"


async def insert_thing(connection: Connection, identifier: int, name: str) -> int:
    return await connection.execute("INSERT INTO traced VALUES ($1, $2)", identifier, name)


async def select_things(connection: Connection) -> list[int]:
    return [row[0] for row in await connection.fetch("SELECT id FROM traced ORDER BY id")]


async def select_name(connection: Connection, identifier: int) -> bytes | None:
    return await connection.fetch_json("SELECT to_json(name) FROM traced WHERE id = $1", identifier)


@pytest.fixture
async def database(postgres: Server) -> AsyncIterator[Database]:
    database = Database(postgres.url, size=4)
    async with database.connection() as connection:
        await connection.script(TABLE)
        await connection.script("TRUNCATE traced")
    yield database
    await database.close()


@pytest.fixture
def memory() -> Memory:
    return Memory()


def statements(memory: Memory) -> list[tuple[str, int | None]]:
    return [(seen.facts["statement"], seen.facts.get("rows")) for seen in memory.seen if seen.name == "PostgreSQL"]


def refused(memory: Memory) -> Seen:
    (seen,) = (seen for seen in memory.seen if "sqlstate" in seen.facts)
    return seen


async def test_a_statement_is_called_like_the_function_that_asks(database: Database, memory: Memory) -> None:
    with traced(memory).start_request(HEADER, "GET", "/"):
        async with database.connection() as connection:
            await insert_thing(connection, 1, "a")
            await insert_thing(connection, 2, "b")
            assert await select_things(connection) == [1, 2]
            assert await select_name(connection, 3) is None
    assert statements(memory) == [("insert_thing", 1), ("insert_thing", 1), ("select_things", 2), ("select_name", 0)]
    root = memory.seen[-1]
    assert {seen.parent for seen in memory.seen[:-1]} == {root.id}
    assert all(seen.remote for seen in memory.seen[:-1])


async def test_statements_that_are_gathered_keep_their_names_and_their_round_trip(
    database: Database, memory: Memory
) -> None:
    async with database.connection() as connection:
        await asyncio.gather(select_things(connection), select_name(connection, 1))
        before = database.round_trips
        with traced(memory).start_request(HEADER, "GET", "/"):
            await asyncio.gather(select_things(connection), select_name(connection, 1))
        assert database.round_trips == before + 1
    assert sorted(statements(memory)) == [("select_name", 0), ("select_things", 0)]


async def test_whoever_asks_straight_from_a_task_has_no_name(database: Database, memory: Memory) -> None:
    with traced(memory).start_request(HEADER, "GET", "/"):
        async with database.connection() as connection:
            await asyncio.gather(connection.fetch_value("SELECT 1"))
    assert statements(memory) == [("statement", 1)]


async def test_the_end_of_a_transaction_is_a_span(database: Database, memory: Memory) -> None:
    with traced(memory).start_request(HEADER, "GET", "/"):
        async with database.transaction() as connection:
            await insert_thing(connection, 1, "a")
        with pytest.raises(KeyError):
            async with database.transaction() as connection:
                await insert_thing(connection, 2, "b")
                raise KeyError
    expected = [("insert_thing", 1), ("COMMIT", None), ("insert_thing", 1), ("ROLLBACK", None)]
    assert statements(memory) == expected


async def test_a_refusal_is_a_fault_with_its_sqlstate_and_without_its_text(database: Database, memory: Memory) -> None:
    with traced(memory).start_request(HEADER, "GET", "/"):
        async with database.connection() as connection:
            await insert_thing(connection, 1, "a")
            with pytest.raises(ConstraintViolation):
                await insert_thing(connection, 1, "s3cr3t")
    seen = refused(memory)
    assert (seen.facts["sqlstate"], seen.facts["raised"], seen.facts["statement"]) == (
        "23505",
        "ServerError",
        "insert_thing",
    )
    assert "s3cr3t" not in repr(memory.seen)


async def test_waiting_for_a_connection_is_a_span_and_not_waiting_is_none(postgres: Server, memory: Memory) -> None:
    database = Database(postgres.url, size=1)
    with traced(memory).start_request(HEADER, "GET", "/"):
        async with database.connection():
            waiting = asyncio.create_task(database.ping())
            await asyncio.sleep(0.05)
        await waiting
    await database.close()
    (pool,) = (seen for seen in memory.seen if seen.name == "pool")
    assert 0.04 <= pool.seconds < 1
    assert "fault" not in pool.facts
    assert statements(memory) == [("connect", None), ("ping", 1)]


async def test_waiting_in_vain_is_a_fault(postgres: Server, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.chassis.database.CHECKOUT_TIMEOUT", 0.02)
    database = Database(postgres.url, size=1)
    async with database.connection():
        with traced(memory).start_request(HEADER, "GET", "/"), pytest.raises(Unavailable):
            await database.ping()
    await database.close()
    (pool,) = (seen for seen in memory.seen if seen.name == "pool")
    assert pool.facts == {"fault": True, "raised": "Unavailable"}


async def test_a_connection_that_is_lost_ends_its_spans(postgres: Server, memory: Memory) -> None:
    database = Database(postgres.url, size=1)
    with traced(memory).start_request(HEADER, "GET", "/"), pytest.raises(OutcomeUnknown):
        async with database.transaction() as connection:
            await select_things(connection)
            connection.wire.close("gone")  # type: ignore[attr-defined]
    await database.close()
    assert memory.open == 0
    assert memory.seen[-2].facts == {"statement": "COMMIT", "fault": True, "raised": "ConnectionLost"}


async def test_without_a_trace_nobody_looks_who_asks(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("services.chassis.connection._asking")
    with traced(Memory(), rules='[{"rate":0}]').start_request("", "GET", "/"):
        async with database.connection() as connection:
            assert await select_things(connection) == []
