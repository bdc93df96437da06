"""What has become known since it was locked: vulnerabilities of every lock's packages, and faults of the workflows.

Both ask the network. With GH_TOKEN the actions themselves are looked at: known vulnerabilities, pins that belong to no
tag, and comments beside a pin that name another version.
"""

import argparse
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts import bootstrap
from scripts.lock import LOCKS
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem, Terminal

SUMMARY = "look for known vulnerabilities in what is locked"
TOOLS = LOCAL / "build" / "tools"


def arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(options: argparse.Namespace) -> int:  # noqa: ARG001 - every verb has it
    terminal, failed = Terminal(), []
    for name, command in checks(tool("audit", "pip-audit"), tool("lint", "zizmor"), os.environ).items():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            failed.append(name)
            terminal.failed(name)
            terminal.say(done.stdout + done.stderr)
        else:
            terminal.say(f"  {terminal.paint('ok', 'green')}  {name}")
    terminal.say(f"Found something in {', '.join(failed)}." if failed else "Nothing is known.")
    return 1 if failed else 0


def checks(pip_audit: Path, zizmor: Path, env: Mapping[str, str]) -> dict[str, Sequence[str]]:
    """Locks are complete, so nothing is resolved or installed. A package that nobody knows is a failure."""
    asked = ("--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off", "--requirement")
    found: dict[str, Sequence[str]] = {f"{lock}.txt": [str(pip_audit), *asked, f"{lock}.txt"] for lock in LOCKS}
    found["workflows"] = [str(zizmor), *([] if env.get("GH_TOKEN") else ["--offline"]), ".github"]
    return found


def tool(lock: str, program: str) -> Path:
    """A program of requirements/LOCK.txt, in an environment of its own. Raises Problem."""
    try:
        return bootstrap.environment(lock, TOOLS / lock).with_name(program)
    except bootstrap.BootstrapError as error:
        raise Problem(str(error)) from None
