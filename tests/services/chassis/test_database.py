"""The pool and the transactions, and the meaning of every refusal, against a real server."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from scripts.twin.postgres import Server
from services.chassis import database as database_module
from services.chassis.connection import Connection, ConstraintViolation, InvalidValue
from services.chassis.database import Database, retried
from services.chassis.errors import Contention, DomainError, OutcomeUnknown, Unavailable
from services.chassis.session import ServerError

TABLE = """
DROP TABLE IF EXISTS pool_row;
CREATE TABLE pool_row (
    id    int PRIMARY KEY,
    n     int CONSTRAINT pool_row_n CHECK (n >= 0),
    label varchar(5),
    ref   int CONSTRAINT pool_row_ref REFERENCES pool_row,
    doc   jsonb
);
INSERT INTO pool_row (id, n) VALUES (1, 1), (2, 2)
"""


@pytest.fixture
async def database(postgres: Server) -> AsyncIterator[Database]:
    database = Database(postgres.url, size=4)
    async with database.connection() as connection:
        await connection.script(TABLE)
    yield database
    await database.close()


async def backend(connection: Connection) -> int:
    pid: int = await connection.fetch_value("SELECT pg_backend_pid()")
    return pid


async def terminate(database: Database, pid: int) -> None:
    async with database.connection() as connection:
        await connection.execute("SELECT pg_terminate_backend($1::int)", pid)


async def test_nothing_is_opened_before_it_is_used() -> None:
    database = Database("postgresql://nobody:x@192.0.2.1/nowhere")
    assert database.round_trips == 0
    await database.close()


async def test_a_transaction_commits_when_its_block_is_left(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("UPDATE pool_row SET n = 10 WHERE id = 1")
    async with database.read() as connection:
        assert await connection.fetch_value("SELECT n FROM pool_row WHERE id = 1") == 10


async def test_a_transaction_rolls_back_on_any_exception(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute("UPDATE pool_row SET n = 10 WHERE id = 1")
            raise ZeroDivisionError
    async with database.read() as connection:
        assert await connection.fetch_value("SELECT n FROM pool_row WHERE id = 1") == 1


async def test_a_cancelled_transaction_closes_its_connection(database: Database) -> None:
    started = asyncio.Event()
    pids = []

    async def work() -> None:
        async with database.transaction() as connection:
            pids.append(await backend(connection))
            await connection.execute("UPDATE pool_row SET n = 10 WHERE id = 1")
            started.set()
            await asyncio.sleep(10)

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with database.connection() as connection:
        assert await backend(connection) not in pids
        assert await connection.fetch_value("SELECT n FROM pool_row WHERE id = 1") == 1


async def test_begin_rides_with_the_first_statement(database: Database) -> None:
    await database.ping()
    before = database.round_trips
    async with database.transaction() as connection:
        await connection.fetch_value("SELECT 1")
    assert database.round_trips == before + 2


async def test_a_clean_connection_is_used_again(database: Database) -> None:
    async with database.connection() as connection:
        first = await backend(connection)
    async with database.connection() as connection:
        assert await backend(connection) == first


async def test_a_connection_left_inside_a_transaction_is_not_used_again(database: Database) -> None:
    async with database.connection() as connection:
        first = await backend(connection)
        await connection.script("BEGIN")
    async with database.connection() as connection:
        assert await backend(connection) != first


async def test_a_dead_idle_connection_is_replaced_before_it_gets_work(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.connection() as connection:
        pid = await backend(connection)
        async with database.connection() as other:
            await other.execute("SELECT pg_terminate_backend($1::int)", pid)
            await asyncio.sleep(0.05)
    monkeypatch.setattr(database_module, "PROBE_AFTER", 0.0)
    for _ in range(5):
        async with database.connection() as connection:
            assert await backend(connection) != pid


async def test_an_old_connection_is_replaced(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with database.connection() as connection:
        first = await backend(connection)
    monkeypatch.setattr(database_module, "MAX_AGE", 0.0)
    async with database.connection() as connection:
        assert await backend(connection) != first


async def test_waiting_for_a_connection_ends_with_503(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "CHECKOUT_TIMEOUT", 0.1)
    async with database.connection(), database.connection(), database.connection():
        with pytest.raises(Unavailable):
            async with database.connection():
                pass
    await database.ping()


async def test_shared_reads_travel_together(database: Database) -> None:
    async def read(n: int) -> int:
        async with database.read() as connection:
            value: int = await connection.fetch_value("SELECT $1::int", n)
            return value

    assert await read(0) == 0
    before = database.round_trips
    assert await asyncio.gather(*(read(n) for n in range(40))) == list(range(40))
    assert database.round_trips == before + 1


async def test_a_broken_shared_connection_is_replaced(database: Database) -> None:
    async with database.read() as connection:
        pid = await backend(connection)
    await terminate(database, pid)
    await asyncio.sleep(0.05)
    async with database.read() as connection:
        assert await backend(connection) != pid


async def test_one_connection_serves_everything_on_a_small_runtime(postgres: Server) -> None:
    database = Database(postgres.url, size=1)
    async with database.read() as connection:
        first = await backend(connection)
    async with database.transaction() as connection:
        assert await backend(connection) == first
    await database.close()


async def test_a_closed_database_says_so(database: Database) -> None:
    await database.close()
    with pytest.raises(Unavailable):
        await database.ping()


MEANINGS: list[tuple[str, type[DomainError] | type[ServerError]]] = [
    ("INSERT INTO pool_row (id) VALUES (1)", ConstraintViolation),
    ("UPDATE pool_row SET n = -1", ConstraintViolation),
    ("UPDATE pool_row SET ref = 99", ConstraintViolation),
    ("INSERT INTO pool_row (id) VALUES (NULL)", InvalidValue),
    ("UPDATE pool_row SET label = 'too long'", InvalidValue),
    ("SELECT 9223372036854775808::int8", InvalidValue),
    ("SELECT 2147483648::int4", InvalidValue),
    ("SELECT 1 LIMIT -1", InvalidValue),
    ("SELECT 'x'::uuid", InvalidValue),
    ("SELECT 'x'::int", InvalidValue),
    ("SELECT '2026-02-30'::date", InvalidValue),
    ("SELECT now() AT TIME ZONE 'Nowhere/None'", InvalidValue),
    ("SELECT 'x' ~ '('", InvalidValue),
    ("SELECT '\"\\u0000\"'::jsonb", InvalidValue),
    ("SELECT 'Infinity'::numeric(12, 2)", InvalidValue),
    ("SELECT '" + "[" * 100_000 + "'::jsonb", InvalidValue),
    ("SET statement_timeout = 50; SELECT pg_sleep(1)", Unavailable),
    ("SELECT nothing FROM nowhere", ServerError),
]


@pytest.mark.parametrize(("sql", "meaning"), MEANINGS, ids=[sql[:40] for sql, _ in MEANINGS])
async def test_a_refusal_has_its_meaning_and_the_connection_is_usable_after_it(
    database: Database, sql: str, meaning: type[Exception]
) -> None:
    async with database.connection() as connection:
        with pytest.raises(meaning) as caught:
            await connection.script(sql)
        assert type(caught.value) is meaning
        assert await connection.fetch_value("SELECT 7") == 7


async def test_a_nul_in_a_text_is_an_invalid_value(database: Database) -> None:
    for value in ("a\x00b", ["a\x00b"]):
        async with database.connection() as connection:
            with pytest.raises(InvalidValue):
                await connection.fetch_value(
                    "SELECT $1::text" if isinstance(value, str) else "SELECT $1::text[]", value
                )


async def test_half_a_surrogate_pair_is_an_invalid_value_and_the_next_answer_is_right(database: Database) -> None:
    async with database.connection() as connection:
        pid = await backend(connection)
        with pytest.raises(InvalidValue):
            await connection.fetch_value("SELECT $1::text", "\ud800")
        assert await connection.fetch_value("SELECT $1::int", 4) == 4
        assert await backend(connection) == pid


async def test_a_violation_names_its_constraint(database: Database) -> None:
    async with database.connection() as connection:
        with pytest.raises(ConstraintViolation) as caught:
            await connection.execute("UPDATE pool_row SET n = -1")
    assert (caught.value.constraint, caught.value.sqlstate) == ("pool_row_n", "23514")


async def test_a_lock_timeout_is_contention(database: Database) -> None:
    async with database.transaction() as holder:
        await holder.execute("UPDATE pool_row SET n = 5 WHERE id = 1")
        with pytest.raises(Contention):
            async with database.transaction() as waiter:
                await waiter.script("SET LOCAL lock_timeout = 50")
                await waiter.execute("UPDATE pool_row SET n = 6 WHERE id = 1")


async def test_a_deadlock_is_retried_and_both_succeed(database: Database) -> None:
    met = asyncio.Barrier(2)
    tries = []

    @retried
    async def both(first: int, second: int) -> None:
        tries.append(first)
        async with database.transaction() as connection:
            await connection.execute("UPDATE pool_row SET n = n + 1 WHERE id = $1", first)
            if len(tries) <= 2:
                await met.wait()
            await connection.execute("UPDATE pool_row SET n = n + 1 WHERE id = $1", second)

    await asyncio.gather(both(1, 2), both(2, 1))
    async with database.read() as connection:
        assert await connection.fetch("SELECT n FROM pool_row ORDER BY id") == [(3,), (4,)]
    assert len(tries) == 3


async def test_contention_that_stays_is_given_up_after_three_tries() -> None:
    tries = []

    @retried
    async def hopeless() -> None:
        tries.append(1)
        raise Contention

    with pytest.raises(Contention):
        await hopeless()
    assert len(tries) == 3


async def test_a_commit_of_a_failed_transaction_is_a_mistake_of_ours(database: Database) -> None:
    with pytest.raises(ServerError):
        async with database.transaction() as connection:
            with pytest.raises(InvalidValue):
                await connection.script("SELECT 1/0")


class DroppedCommit:
    """Stands between client and server, and resets the connection when the answer to COMMIT comes back."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._port))
        with closing(client), closing(server), closing(self._listener):
            threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
            while data := server.recv(65536):
                if b"COMMIT\x00" in data:
                    return
                client.sendall(data)

    @staticmethod
    def _forward(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            return


async def test_a_commit_without_an_answer_is_unknown_and_not_failed(database: Database, postgres: Server) -> None:
    port = int(postgres.address.rpartition(":")[2])
    proxy = DroppedCommit(port)
    behind = Database(postgres.url.replace(f":{port}", f":{proxy.port}"), size=1)
    with pytest.raises(OutcomeUnknown):
        async with behind.transaction() as connection:
            await connection.execute("UPDATE pool_row SET n = 77 WHERE id = 1")
    await behind.close()
    async with database.read() as connection:
        assert await connection.fetch_value("SELECT n FROM pool_row WHERE id = 1") == 77


async def test_a_server_that_became_read_only_costs_every_pooled_connection(database: Database) -> None:
    async with database.connection() as connection, database.connection() as other:
        pids = {await backend(connection), await backend(other)}
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.script("SET default_transaction_read_only = on")
            await connection.execute("UPDATE pool_row SET n = 1")
    async with database.connection() as connection, database.connection() as other:
        assert not pids & {await backend(connection), await backend(other)}


@pytest.mark.slow
async def test_poisoned_calls_never_hand_a_caller_anothers_row(database: Database) -> None:
    """A twentieth of 10,000 calls is a surrogate, an unknown object, a cancellation or a killed backend."""
    wrong = []

    async def caller(lane: int) -> None:
        for step in range(1250):
            n = lane * 10_000 + step
            try:
                async with database.read() if step % 2 else database.connection() as connection:
                    match step % 80:
                        case 7:
                            await connection.fetch_value("SELECT $1::text", "\ud800")
                        case 27:
                            await connection.fetch_value("SELECT $1::text", object())  # type: ignore[arg-type]
                        case 47:
                            async with asyncio.timeout(0):
                                await connection.fetch_value("SELECT $1::int, pg_sleep(0.002)", -1)
                        case 67 if step % 400 == 67:
                            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
                    if await connection.fetch_value("SELECT $1::int", n) != n:
                        wrong.append(n)
            except (Unavailable, InvalidValue, TypeError, TimeoutError):
                continue

    await asyncio.gather(*(caller(lane) for lane in range(8)))
    assert wrong == []
