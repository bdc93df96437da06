"""The lines of the logs that belong to a trace, from the files that the supervisor writes."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.twin.traces.spans import Span

NEWEST = 1024 * 1024  # bytes that are looked at, at the end of each file
LINES = 300
KNOWN = {"time", "level", "service", "logger", "message", "trace_id", "request_id"}


@dataclass(frozen=True, slots=True)
class Line:
    time: str  # as it was written
    source: str
    level: str
    message: str
    rest: dict[str, Any]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def found(folder: Path, trace: str, spans: Iterable[Span]) -> list[Line]:
    """In the order of time: lines with the trace's id, or with the request id of one of its requests."""
    requests = {str(span.facts["request_id"]) for span in spans if "request_id" in span.facts}
    marks = [mark.encode() for mark in (trace, *requests) if mark]
    lines = [line for file in sorted(folder.glob("*.log")) for line in _of(file, marks, trace, requests)]
    return sorted(lines, key=lambda line: line.time)[:LINES]


def _of(file: Path, marks: Collection[bytes], trace: str, requests: Collection[str]) -> Iterator[Line]:
    for raw in _tail(file).splitlines():
        if not any(mark in raw for mark in marks):
            continue
        try:
            members = json.loads(raw)
            if members.get("trace_id") == trace or members.get("request_id") in requests:
                yield _line(members, file.stem)
        except (ValueError, KeyError, TypeError, AttributeError):  # not a line of a logger
            continue


def _tail(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, 2) - NEWEST))
            return opened.read(NEWEST)
    except OSError:
        return b""


def _line(members: dict[str, Any], source: str) -> Line:
    """Raises KeyError."""
    rest = {key: value for key, value in members.items() if key not in KNOWN}
    where = str(members.get("service", source))
    return Line(str(members["time"]), where, str(members["level"]), str(members["message"]), rest)
