"""The services that a change concerns, one a line: those whose files differ from a commit, or all of them.

What every image and zip holds concerns all: the chassis, the locks, and how they are built. So does a commit that this
checkout does not know, for then nobody can say what has changed.
"""

import argparse
import subprocess
from collections.abc import Iterable

from cfn.environments import SERVICES
from scripts.places import ROOT

SUMMARY = "name the services that have changed since a commit"
OF_ALL = (
    ".dockerignore",
    "Dockerfile",
    "requirements/function.txt",
    "requirements/service.txt",
    "scripts/builds/",
    "services/__init__.py",
    "services/chassis/",
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", default="", metavar="COMMIT", help="what is deployed; without it, all are named")


def run(options: argparse.Namespace) -> int:
    for name in affected(changed(options.since)):
        print(name)
    return 0


def changed(commit: str) -> list[str] | None:
    """The files that differ, by their names here; None when git cannot tell."""
    if not commit:
        return None
    command = ["git", "diff", "--name-only", "--no-renames", "--end-of-options", commit, "--"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else None


def affected(files: Iterable[str] | None) -> list[str]:
    """In the order of the table of services."""
    names = [service.name for service in SERVICES]
    if files is None:
        return names
    listed = list(files)
    if any(file.startswith(OF_ALL) for file in listed):
        return names
    return [name for name in names if any(file.startswith(f"services/{name}/") for file in listed)]
