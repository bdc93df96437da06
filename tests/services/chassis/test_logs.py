"""Log lines: one JSON object each, the request's id on it, no way to forge a second line, none without an end."""

import gc
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from services.chassis import logs
from services.chassis.metrics import DURATION, Metrics
from tests.services.traces import ROOT, Memory, traced


@contextmanager
def configured(service: str) -> Iterator[None]:
    """Logs as a process that serves has them, and afterwards as they were."""
    root = logging.getLogger()
    before, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook, sys.unraisablehook)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure(service)
        uvicorn = logging.getLogger("uvicorn.error")
        level_before = uvicorn.level
        uvicorn.setLevel(logging.NOTSET)  # a load balancer of the twin in this process lets it say nothing
        yield
        uvicorn.setLevel(level_before)
        logging.captureWarnings(False)
    root.handlers[:] = before
    root.setLevel(level)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    with configured("things"):
        yield


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_one_json_object_with_its_members(capsys: pytest.CaptureFixture[str]) -> None:
    logs.request_id.set("abcdefgh")
    logs.logger("here").info("made %s", "it", order_id=7)
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["service"], line["logger"]) == ("made it", "things", "here")
    assert (line["order_id"], line["request_id"], line["level"]) == (7, "abcdefgh", "info")


@pytest.mark.parametrize("rules", ['[{"rate":1}]', '[{"rate":0}]'])
def test_every_line_of_a_request_has_its_trace_whether_it_is_kept_or_not(
    capsys: pytest.CaptureFixture[str], rules: str
) -> None:
    with traced(Memory(), rules=rules).start_request(f"Root={ROOT}", "GET", "/"):
        logs.logger("here").info("within")
    logs.logger("here").info("after")
    within, after = map(json.loads, capsys.readouterr().out.splitlines())
    assert within["trace_id"] == ROOT
    assert "trace_id" not in after


def test_a_line_break_in_a_value_does_not_begin_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.logger("here").warning("bad", value='x\r\n{"level":"info"}')
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_an_exception_is_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int("why")
    except ValueError:
        logs.logger("here").error("failed", exc_info=True)
    assert "ValueError: invalid literal" in json.loads(capsys.readouterr().out)["exception"]


def fail(text: str, cause: Exception | None = None) -> None:
    raise ValueError(text) from cause


@pytest.mark.parametrize("evil", ["\r\n", "\n", "\u2028", "\u2029", "\x85", "\x1b[31m", "\x1b]0;title\x07", "\0"])
def test_no_value_can_end_a_line_or_move_a_cursor(capsys: pytest.CaptureFixture[str], evil: str) -> None:
    text = f'{evil}{{"level": "critical"}}'
    members: dict[str, Any] = {"value": text, f"key{evil}": [text, {text: text}]}
    logs.logger(f"log{evil}").warning(text, **members)
    out = capsys.readouterr().out
    assert out.endswith("\n")
    assert out[:-1].isprintable()
    line = json.loads(out)
    assert (line["message"], line["value"], line["level"]) == (text, text, "warning")


def test_a_text_that_is_too_long_is_cut_where_one_sees_it_and_keeps_both_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        fail("ann@example.org said \0" * 20_000 + "and left")
    except ValueError:
        logs.logger("here").error("failed", exc_info=True, short="whole")
    out = capsys.readouterr().out
    assert len(out) < 256 * 1024
    line = json.loads(out)
    assert line["short"] == "whole"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("and left")
    assert "characters cut]" in line["exception"]
    assert "ann" not in line["exception"]


def test_a_line_that_is_too_long_as_a_whole_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    members: dict[str, Any] = {f"member{number}": "x" * 9000 for number in range(25)}
    logs.logger("here").error("failed", **members)
    (line,) = written(capsys)
    assert (line["message"], line["level"]) == ("failed", "error")
    assert line["cut"].endswith(" characters")


def test_secrets_do_not_stand_in_values_keys_or_exceptions(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        fail("ann@example.org", KeyError("Bearer 0123456789"))
    except ValueError:
        logs.logger("here").error("adm_a_%s", "x" * 20, exc_info=True, mail=["ann@example.org"], a={"b": "b@b.example"})
    out = capsys.readouterr().out
    assert [text for text in ("0123456789", "ann@", "x" * 20, "b@b") if text in out] == []
    assert out.count("[redacted]") >= 5


def test_what_cannot_be_said_is_said_to_have_been_there(capsys: pytest.CaptureFixture[str]) -> None:
    class Mute:
        def __str__(self) -> str:
            raise RuntimeError("a secret detail")

    logs.configure("things")  # again: pytest has added a handler of its own, which would raise
    logging.getLogger("other").info("%d things", "no number")
    logs.logger("here").info("value", value=Mute())
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert [line["error"] for line in lines] == ["TypeError", "RuntimeError"]
    assert captured.err == ""


def test_warnings_and_what_nobody_caught_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    class Lost:
        def __del__(self) -> None:
            raise ValueError("in a destructor")

    warnings.warn("old", DeprecationWarning, stacklevel=1)
    Lost()
    gc.collect()
    thread = threading.Thread(target=lambda: int("in a thread"))
    thread.start()
    thread.join()
    try:
        int("in the program")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    captured = capsys.readouterr()
    lines = [json.loads(line) for line in captured.out.splitlines()]
    assert "DeprecationWarning: old" in lines[0]["message"]
    for line, text in zip(lines[1:], ("in a destructor", "in a thread", "in the program"), strict=True):
        assert line["exception"].count("Traceback") == 1
        assert text in line["exception"]
    assert captured.err == ""


def test_lines_and_metrics_share_stdout_without_tearing(capfd: pytest.CaptureFixture[str]) -> None:
    """On a real descriptor, from several threads, with lines longer than a pipe takes at once."""
    metrics = Metrics("things", environment="local", runtime="local", version="v1")

    def work(number: int) -> None:
        for _ in range(300):
            logs.logger("here").info("line", number=number, long="y" * (5000 if number else 5))
            metrics.observe(DURATION, number, "/a")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    metrics.flush()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert sum(line.get("message") == "line" for line in lines) == 1200
    assert sum(len(line["Duration"]) for line in lines if "_aws" in line) == 1200
