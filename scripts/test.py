"""Everything a change has to pass: style, format, types, tests. With arguments, pytest alone runs, with them."""

import argparse
import os
import signal
import subprocess
import sys
import time

from scripts.places import ROOT
from scripts.terminal import Terminal

SUMMARY = "check style, format and types, and run every test"
CHECKS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(rest=[])


def run(options: argparse.Namespace) -> int:
    terminal = Terminal()
    failed = [] if options.rest else [name for name in CHECKS if not passes(terminal, name)]
    if not tested(options.rest):
        failed.append("pytest")
    if failed:
        terminal.say(terminal.paint(f"Failed: {', '.join(failed)}.", "red"))
        return 1
    terminal.say(terminal.paint("Passed." if options.rest else "Everything passed.", "green"))
    return 0


def passes(terminal: Terminal, name: str) -> bool:
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", *CHECKS[name]], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        terminal.done(name, time.monotonic() - began)
        return True
    terminal.failed(name)
    terminal.say(done.stdout + done.stderr)
    return False


def tested(arguments_of_pytest: list[str]) -> bool:
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is pytest's, which has a database to stop
    environment = os.environ | {"PYTHONFAULTHANDLER": "1"}
    return subprocess.call([sys.executable, "-m", "pytest", *arguments_of_pytest], cwd=ROOT, env=environment) == 0
