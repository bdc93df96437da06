"""Forget the local data: the database, its passwords, the keys and the logs. The next `up` starts from nothing."""

import argparse
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from scripts.places import LOCAL
from scripts.terminal import Problem, Terminal
from scripts.twin.cluster import settle
from scripts.twin.lock import HeldElsewhereError, held

SUMMARY = "forget the local data"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> int:
    if not options.yes and not agreed():
        Terminal().say("Nothing was removed.")
        return 1
    _, _, data = settle(LOCAL)
    with ExitStack() as stack:
        try:
            stack.enter_context(held(LOCAL / "up.lock"))
            stack.enter_context(held(data.with_suffix(".lock")))
        except HeldElsewhereError as holder:
            raise Problem(f"process {holder} is using the data; stop it first.") from None
        for path in [*LOCAL.iterdir(), data]:
            if path.suffix != ".lock":  # held at this moment, and empty of anything worth forgetting
                remove(path)
    Terminal().say("Everything local has been forgotten.")
    return 0


def agreed() -> bool:
    if not sys.stdin.isatty():
        raise Problem("nobody is there to ask; add --yes.")
    return input(f"Remove the database, keys and logs in {LOCAL}? [y/N] ").lower() in {"y", "yes"}


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
