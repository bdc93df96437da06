"""Log lines: one JSON object each, the request's id on it, and no way to forge a second line."""

import json
import logging
from collections.abc import Iterator

import pytest

from services.chassis import logs
from tests.services.traces import ROOT, Memory, traced


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_is_one_json_object_with_its_members(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("things")
    logs.request_id.set("abcdefgh")
    logs.logger("here").info("made %s", "it", order_id=7)
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["service"], line["logger"]) == ("made it", "things", "here")
    assert (line["order_id"], line["request_id"], line["level"]) == (7, "abcdefgh", "info")


@pytest.mark.parametrize("rules", ['[{"rate":1}]', '[{"rate":0}]'])
def test_every_line_of_a_request_has_its_trace_whether_it_is_kept_or_not(
    capsys: pytest.CaptureFixture[str], rules: str
) -> None:
    logs.configure("things")
    with traced(Memory(), rules=rules).start_request(f"Root={ROOT}", "GET", "/"):
        logs.logger("here").info("within")
    logs.logger("here").info("after")
    within, after = map(json.loads, capsys.readouterr().out.splitlines())
    assert within["trace_id"] == ROOT
    assert "trace_id" not in after


def test_a_line_break_in_a_value_does_not_begin_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("things")
    logs.logger("here").warning("bad", value='x\r\n{"level":"info"}')
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_an_exception_is_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("things")
    try:
        int("why")
    except ValueError:
        logs.logger("here").error("failed", exc_info=True)
    assert "ValueError: invalid literal" in json.loads(capsys.readouterr().out)["exception"]
