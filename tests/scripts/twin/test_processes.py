"""Keeping child processes running, and ending them."""

import asyncio
import contextlib
import os
import sys
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scripts.terminal import Problem
from scripts.twin import processes
from scripts.twin.postgres import free_port
from scripts.twin.processes import Line, Program, Supervisor, parse
from tests.scripts.survivors import running

SERVER = """
    import http.server, signal, sys
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200); self.end_headers()
        def log_message(self, *_): pass
    print('{"level": "info", "message": "started"}', flush=True)
    {before}
    http.server.HTTPServer(("127.0.0.1", PORT), Health).serve_forever()
"""


def python(tmp_path: Path, text: str) -> Program:
    port = free_port()
    script = textwrap.dedent(text).replace("PORT", str(port))
    return Program(
        name="it", command=[sys.executable, "-c", script], environment=dict(os.environ), folder=tmp_path, port=port
    )


@contextlib.asynccontextmanager
async def supervising(tmp_path: Path) -> AsyncIterator[tuple[Supervisor, list[Line]]]:
    lines: list[Line] = []
    supervisor = Supervisor(tmp_path / "logs", lines.append)
    try:
        yield supervisor, lines
    finally:
        await supervisor.stop()


async def until(lines: list[Line], text: str, count: int = 1) -> None:
    async with asyncio.timeout(20):
        while sum(text in line.text for line in lines) < count:  # noqa: ASYNC110 - lines arrive in a plain list
            await asyncio.sleep(0.02)


async def test_a_program_is_ready_when_its_health_is_good_and_its_output_is_in_its_log(tmp_path: Path) -> None:
    program = python(tmp_path, SERVER.replace("{before}", ""))
    async with supervising(tmp_path) as (supervisor, lines):
        await supervisor.start(program)
        await supervisor.ready(program)
    assert lines == [Line("it", "info", "started")]
    assert (tmp_path / "logs" / "it.log").read_text() == '{"level": "info", "message": "started"}\n'


async def test_a_program_that_ends_while_it_starts_is_a_problem_with_its_last_words(tmp_path: Path) -> None:
    program = python(tmp_path, "raise SystemExit('a setting is missing')")
    async with supervising(tmp_path) as (supervisor, _):
        await supervisor.start(program)
        with pytest.raises(
            Problem, match=r"it ended while it was starting: a setting is missing \(all of it: .*it.log"
        ):
            await supervisor.ready(program)


async def test_a_program_that_never_becomes_healthy_is_a_problem(tmp_path: Path) -> None:
    program = python(tmp_path, "import time; time.sleep(60)")
    async with supervising(tmp_path) as (supervisor, _):
        await supervisor.start(program)
        with pytest.raises(Problem, match="did not become healthy"):
            await supervisor.ready(program, seconds=0.2)


async def test_a_program_that_ends_is_started_again_with_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(processes, "LONGEST_PAUSE", 0.02)
    async with supervising(tmp_path) as (supervisor, lines):
        await supervisor.start(python(tmp_path, "raise SystemExit(3)"))
        await until(lines, "ended", count=3)
    said = [line.text for line in lines]
    pauses = ("0.01", "0.02", "0.02")
    assert said[:3] == [f"ended (code 3); starting again in {pause} s" for pause in pauses]
    assert all(line.matters for line in lines)


async def test_a_program_that_will_not_leave_is_made_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PATIENCE", 0.2)
    deaf = SERVER.replace("{before}", "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)")
    async with supervising(tmp_path) as (supervisor, lines):
        await supervisor.start(python(tmp_path, deaf + "\n"))
        await until(lines, "deaf")
        pid = supervisor._children["it"].process.pid
        assert running(pid)
    await asyncio.sleep(0.2)
    assert not running(pid)


async def test_what_a_program_says_while_it_leaves_is_kept(tmp_path: Path) -> None:
    talking = "signal.signal(signal.SIGTERM, lambda *_: (print('goodbye ' * 20000, flush=True), sys.exit()))"
    program = python(tmp_path, SERVER.replace("{before}", talking))
    async with supervising(tmp_path) as (supervisor, _):
        await supervisor.start(program)
        await supervisor.ready(program)
    assert (tmp_path / "logs" / "it.log").read_text().count("goodbye") == 20000


@pytest.mark.parametrize(
    ("text", "line", "matters"),
    [
        ('{"level": "info", "message": "m", "time": "t", "logger": "l"}', Line("x", "info", "m"), False),
        ('{"level": "error", "message": "m", "a": 1}', Line("x", "error", "m a=1"), True),
        ("Traceback (most recent call last):", Line("x", "", "Traceback (most recent call last):"), True),
        ("[1]", Line("x", "", "[1]"), True),
        ('{"level": "info"}', Line("x", "", '{"level": "info"}'), True),
        ('{"_aws": {}, "Duration": 1}', Line("x", "metrics", '{"_aws": {}, "Duration": 1}'), False),
    ],
)
def test_lines_of_json_are_made_readable_and_anything_else_is_shown(text: str, line: Line, matters: bool) -> None:
    assert parse("x", text) == line
    assert parse("x", text).matters is matters
