"""Resolve every .in file again into a lock with hashes and without hosts, for every platform and Python 3.11 up."""

import argparse
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

from scripts import bootstrap
from scripts.places import ROOT
from scripts.terminal import Problem, Terminal

SUMMARY = "resolve the requirements again"
TOGETHER = (
    *("service", "function", "runtime", "local", "aws", "dev", "ops", "browser", "lint", "audit", "checkov"),
    *("rehearse", "uv"),
)
LOCKS = (
    *(f"requirements/{name}" for name in TOGETHER),
    "chalice_app/requirements",  # where the packager of that app looks
)
WITHOUT = {"requirements/function": ("botocore", "urllib3")}
"""What a lock leaves out though something in it needs it: AWS's Python runtime has these, 20 MB that no zip needs."""
REST_DAYS = 7  # what was uploaded since is left out: malicious uploads are mostly found within days


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--upgrade", action="store_true", help="take newer versions, not only what is missing")
    newest = datetime.now(UTC).date() - timedelta(days=REST_DAYS)
    parser.add_argument("--exclude-newer", metavar="DATE", default=newest.isoformat(), help="default: %(default)s")


def run(options: argparse.Namespace) -> int:
    terminal = Terminal()
    uv = shutil.which("uv") or bootstrap.fetch_uv(bootstrap.VENV / "install.log")
    if uv is None:
        raise Problem(f"uv could not be fetched; see {bootstrap.VENV / 'install.log'}")
    for name in LOCKS:
        with terminal.step(f"{name}.txt") as step:
            step.detail = f"{resolve(uv, name, options)} packages"
    return 0


def resolve(uv: str, name: str, options: argparse.Namespace) -> int:
    lock = ROOT / f"{name}.txt"
    command = [uv, "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--quiet", "--exclude-newer", options.exclude_newer]
    command += ["--custom-compile-command", "scripts/tandem lock", "--output-file", str(lock)]
    command += [f"--no-emit-package={package}" for package in WITHOUT.get(name, ())]
    command += ["--upgrade"] * options.upgrade + [f"{name}.in"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | bootstrap.UV, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"{name}.in has no solution: {done.stderr.strip()}")
    return sum("==" in line for line in lock.read_text().splitlines())
