"""Everything a change has to pass: style, format, types, tests. With arguments, pytest alone runs, with them."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from scripts import bootstrap
from scripts.browser import chromium
from scripts.places import ROOT
from scripts.terminal import Terminal

SUMMARY = "check style, format and types, and run every test"
CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
}
PYTEST = ("-m", "pytest")
# Side by side they keep two cores busy; one after the other each leaves one idle. What computes, what drives whole
# programs (images, a browser, the platform), and what waits for the services' own answers.
COMPUTING = (
    "tests/architecture",
    "tests/chalice_app",
    "tests/cfn",
    "tests/scripts/test_build.py",
    "tests/scripts/test_build_ops.py",
    "tests/scripts/releases",
    "tests/services/test_contract.py",
    "tests/services/test_events.py",
    "tests/workflows",
    "tests/chaos/test_mutants.py",  # at the end, when the other lanes are done: it takes both cores
)
DRIVING = ("tests/images", "tests/browser", "tests/chaos", "tests/scripts")
WAITING = ("tests",)


def lane(paths: Sequence[str], *others: Sequence[str]) -> list[str]:
    """These paths, without what the others take of them."""
    return [*paths, *(f"--ignore={path}" for other in others for path in other)]


LANES = (lane(COMPUTING), lane(DRIVING, COMPUTING), lane(WAITING, COMPUTING, DRIVING))


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(rest=[])


def run(options: argparse.Namespace) -> int:
    terminal = Terminal()
    drive_a_browser(terminal)
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is pytest's, which has a database to stop
    try:
        failed = chosen(options.rest) if options.rest else everything(terminal)
    finally:
        signal.signal(signal.SIGINT, before)
    if failed:
        terminal.say(terminal.paint(f"Failed: {', '.join(failed)}.", "red"))
        return 1
    terminal.say(terminal.paint("Passed." if options.rest else "Everything passed.", "green"))
    return 0


def drive_a_browser(terminal: Terminal) -> None:
    """Where there is a Chromium, add what drives it. Without either, its tests say what is missing."""
    if chromium() is None or bootstrap.current("browser"):
        return
    try:
        with terminal.step("browser driver"):
            bootstrap.add("browser")
    except bootstrap.BootstrapError as error:
        terminal.say(terminal.paint(str(error), "yellow"))


def everything(terminal: Terminal) -> list[str]:
    computes, drives, waits = LANES
    with beside(computes) as computing, beside(drives) as driving:
        failed = [name for name in CHECKS if not passes(terminal, name)]
        failed += ["pytest"] * (pytest(*waits).wait() != 0)
    failed += ["pytest of what computes"] * (computing.returncode != 0)
    return failed + ["pytest of whole programs"] * (driving.returncode != 0)


def chosen(rest: Sequence[str]) -> list[str]:
    return ["pytest"] * (pytest(*rest).wait() != 0)


@contextmanager
def beside(tests: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Tests that run while the block does; what they say comes when both are done."""
    with tempfile.TemporaryFile() as said:
        process = pytest(*tests, output=said.fileno())
        yield process
        process.wait()
        said.seek(0)
        sys.stdout.write(said.read().decode(errors="replace"))
        sys.stdout.flush()


def passes(terminal: Terminal, name: str) -> bool:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", *CHECKS[name]], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        terminal.done(name, time.monotonic() - began)
        return True
    terminal.failed(name)
    terminal.say(done.stdout + done.stderr)
    return False


def pytest(*arguments: str, output: int | None = None) -> subprocess.Popen[bytes]:
    command = [sys.executable, *PYTEST, *arguments]
    errors = None if output is None else subprocess.STDOUT
    return subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"PYTHONFAULTHANDLER": "1"}, stdout=output, stderr=errors
    )
