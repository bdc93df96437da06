"""What the commands write: steps with their times, in colour on a terminal, as plain lines everywhere else."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

COLOURS = {
    "green": "32",
    "red": "31",
    "yellow": "33",
    "cyan": "36",
    "magenta": "35",
    "blue": "34",
    "dim": "2",
    "bold": "1",
}


class Problem(Exception):
    """Something the person at the terminal can act on: printed as one sentence, without a traceback."""


@dataclass(slots=True)
class Step:
    """A step in progress; what it learns on the way goes into `detail`."""

    label: str
    detail: str = ""


class Terminal:
    def __init__(self, stream: TextIO | None = None, environment: Mapping[str, str] = os.environ) -> None:
        self._stream = stream
        plain = any(environment.get(key) for key in ("CI", "NO_COLOR")) or environment.get("TERM") == "dumb"
        self.rich = self.stream.isatty() and not plain

    @property
    def stream(self) -> TextIO:
        """Asked for each time: while something spins, lines written to standard output go above it."""
        return self._stream or sys.stdout

    def say(self, text: str = "") -> None:
        with contextlib.suppress(BrokenPipeError):
            print(text, file=self.stream, flush=True)

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self.rich else text

    def done(self, label: str, seconds: float, detail: str = "") -> None:
        self.say(f"  {self.paint('ok', 'green')}  {label:<30}{seconds:6.2f} s   {self.paint(detail, 'dim')}".rstrip())

    def failed(self, label: str) -> None:
        self.say(f"  {self.paint('no', 'red')}  {label}")

    @contextlib.contextmanager
    def step(self, label: str) -> Iterator[Step]:
        """Says when the block is done and how long it took; while it runs, a terminal shows that it does."""
        step, began = Step(label), time.monotonic()
        try:
            with self.waiting(label):
                yield step
        except BaseException:
            self.failed(step.label)
            raise
        self.done(step.label, time.monotonic() - began, step.detail)

    def waiting(self, label: str) -> contextlib.AbstractContextManager[object]:
        """Shows on a terminal that something goes on."""
        if not self.rich:
            return contextlib.nullcontext()
        from rich.console import Console  # noqa: PLC0415 - a seventh of a second that plain output need not pay

        return Console(file=self._stream).status(f"{label} …", spinner="dots")
