"""The event-loop connection against a real server: same values as pg8000, answers in order, nothing half said."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import pg8000.native
import pytest

from scripts.twin.postgres import Server
from services.chassis import wire as wire_module
from services.chassis.session import ConnectionLost, ServerError
from services.chassis.wire import Traffic, Wire


@pytest.fixture
def traffic() -> Traffic:
    return Traffic()


@pytest.fixture
async def wire(postgres: Server, traffic: Traffic) -> AsyncIterator[Wire]:
    wire = await Wire.connect(postgres.url, traffic)
    yield wire
    wire.close()


VALUES: list[tuple[str, Any]] = [
    ("bool", True),
    ("int4", -(2**31)),
    ("int8", 2**63 - 1),
    ("float8", 1.5),
    ("text", "naïve ☂ 🌍 ' \\ \" \n"),
    ("text", ""),
    ("bytea", b"\x00\xff\\'"),
    ("numeric", Decimal("12345.678900")),
    ("date", date(2026, 11, 22)),
    ("timestamptz", datetime(2026, 11, 22, 12, 30, 15, 123456, UTC)),
    ("uuid", UUID("6f1c4a0e-4a53-4f0b-9d0f-0b7f6b1b5a11")),
    ("int8[]", [1, None, 2**40]),
    ("text[]", ["a,b", '"', "\\", "{}", None, ""]),
    ("uuid[]", [UUID(int=1), UUID(int=2)]),
    ("int4", None),
]


@pytest.mark.parametrize(("kind", "value"), VALUES)
async def test_a_value_comes_back_as_pg8000_gives_it(wire: Wire, postgres: Server, kind: str, value: Any) -> None:
    sql = f"SELECT $1::{kind}"
    ours = (await wire.call(sql, [value])).rows
    parts = urlsplit(postgres.url)
    with pg8000.native.Connection(
        unquote(parts.username or ""),
        host=parts.hostname or "",
        port=parts.port or 0,
        password=unquote(parts.password or ""),
        database=parts.path.lstrip("/"),
    ) as reference:
        theirs = reference.run(f"SELECT :value ::{kind}", value=value)
    assert ours == theirs == [[value]]


async def test_a_second_call_of_the_same_statement_is_not_parsed_again(wire: Wire) -> None:
    assert (await wire.call("SELECT $1::int + 1", [1])).rows == [[2]]
    assert (await wire.call("SELECT $1::int + 1", [5])).rows == [[6]]
    names = (await wire.call("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%+ 1'")).rows
    assert names == [[1]]


async def test_more_statements_than_are_kept_prepared_still_work(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "_STATEMENTS", 2)
    for number in range(5):
        assert (await wire.call(f"SELECT {number} + $1::int", [1])).rows == [[number + 1]]


async def test_calls_of_one_turn_of_the_loop_are_one_round_trip(wire: Wire, traffic: Traffic) -> None:
    before = traffic.round_trips
    results = await asyncio.gather(*(wire.call("SELECT $1::int", [n]) for n in range(50)))
    assert [result.rows for result in results] == [[[n]] for n in range(50)]
    assert traffic.round_trips == before + 1


async def test_json_is_handed_on_as_bytes(wire: Wire) -> None:
    result = await wire.call("""SELECT '{"a":  1}'::json, 2""", raw=True)
    assert result.json == b'{"a":  1}'
    assert (await wire.call("SELECT NULL::json", raw=True)).json is None
    assert (await wire.call("SELECT 1 WHERE false", raw=True)).json is None


async def test_affected_rows_are_counted(wire: Wire) -> None:
    await wire.script("CREATE TEMP TABLE t (n int)")
    assert (await wire.call("INSERT INTO t SELECT generate_series(1, $1::int)", [7])).count == 7
    assert (await wire.call("DELETE FROM t WHERE n > $1", [4])).count == 3


@pytest.mark.parametrize("value", ["\ud800", ["ok", "\udfff"], object(), [object()]])
async def test_a_value_that_cannot_be_encoded_sends_nothing(wire: Wire, traffic: Traffic, value: Any) -> None:
    before = traffic.round_trips
    with pytest.raises((UnicodeEncodeError, TypeError)):
        wire.call("SELECT $1::text", [value])
    await asyncio.sleep(0)
    assert traffic.round_trips == before
    assert (await wire.call("SELECT $1::int", [7])).rows == [[7]]


async def test_an_error_belongs_to_its_call_and_to_no_other(wire: Wire) -> None:
    results = await asyncio.gather(
        wire.call("SELECT $1::int", [1]),
        wire.call("SELECT 1 / $1::int", [0]),
        wire.call("SELECT $1::int", [3]),
        return_exceptions=True,
    )
    first, error, third = results
    assert not isinstance(first, BaseException)
    assert not isinstance(third, BaseException)
    assert (first.rows, third.rows) == ([[1]], [[3]])
    assert isinstance(error, ServerError)
    assert error.sqlstate == "22012"


async def test_a_statement_that_failed_to_parse_may_be_right_later(wire: Wire) -> None:
    with pytest.raises(ServerError):
        await wire.call("SELECT n FROM later")
    await wire.script("CREATE TEMP TABLE later AS SELECT 1 AS n")
    assert (await wire.call("SELECT n FROM later")).rows == [[1]]


async def test_a_caller_that_goes_away_leaves_its_slot(wire: Wire) -> None:
    leaving = asyncio.ensure_future(wire.call("SELECT 'left', pg_sleep(0.1)"))
    staying = wire.call("SELECT 'stayed'")
    await asyncio.sleep(0.02)
    leaving.cancel()
    assert (await staying).rows == [["stayed"]]
    assert wire.idle


async def test_a_terminated_backend_fails_every_waiting_call(wire: Wire, postgres: Server, traffic: Traffic) -> None:
    pid = (await wire.call("SELECT pg_backend_pid()")).rows[0][0]
    waiting = [wire.call("SELECT pg_sleep(5)"), wire.call("SELECT 1")]
    other = await Wire.connect(postgres.url, traffic)
    await asyncio.sleep(0.05)
    await other.call("SELECT pg_terminate_backend($1::int)", [pid])
    other.close()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(outcomes[1], ConnectionLost)
    assert wire.closed
    with pytest.raises(ConnectionLost):
        wire.call("SELECT 1")


async def test_silence_ends_the_connection(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_module, "ANSWER_TIMEOUT", 0.2)
    with pytest.raises(ConnectionLost):
        await wire.call("SELECT pg_sleep(2)")


async def test_an_answer_larger_than_a_packet_arrives_whole(wire: Wire) -> None:
    rows = (await wire.call("SELECT repeat('x', 1000) FROM generate_series(1, 5000)")).rows
    assert len(rows) == 5000
    assert {row[0] for row in rows} == {"x" * 1000}


async def test_a_statement_larger_than_the_socket_buffer_goes_out_whole(wire: Wire) -> None:
    text = "y" * 5_000_000
    assert (await wire.call("SELECT length($1::text)", [text])).rows == [[5_000_000]]


async def test_a_notice_between_answers_disturbs_nothing(wire: Wire) -> None:
    await wire.script("DO $$ BEGIN RAISE WARNING 'look'; END $$")
    assert (await wire.call("SELECT 1")).rows == [[1]]


async def test_nonsense_on_the_stream_closes_the_connection(wire: Wire) -> None:
    waiting = wire.call("SELECT 1")
    wire._incoming += b"?\x00\x00\x00\x04"
    with pytest.raises(ConnectionLost):
        await waiting


async def test_a_wrong_password_is_the_servers_refusal(postgres: Server) -> None:
    parts = urlsplit(postgres.url)
    url = parts._replace(netloc=f"{parts.username}:wrong@{parts.hostname}:{parts.port}").geturl()
    with pytest.raises(ServerError) as caught:
        await Wire.connect(url, Traffic())
    assert caught.value.sqlstate == "28P01"


async def test_nobody_listening_is_a_lost_connection(unused_tcp_port: int) -> None:
    with pytest.raises(ConnectionLost):
        await Wire.connect(f"postgresql://a:b@127.0.0.1:{unused_tcp_port}/c?sslmode=disable", Traffic())
