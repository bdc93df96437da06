"""Prepares what the Lambda functions run: AWS's runtime client in an environment of its own, and the unpacked zips.

`python -m scripts.twin.fallback FILE.json` does it at the lowest priority and ends: the shop comes first.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.places import ROOT
from scripts.terminal import Problem
from scripts.twin.identity import die_with
from scripts.twin.programs import inherited, python

LOWEST = 19


async def prepared(file: Path, log: Path, *, urgent: bool) -> None:
    """Prepare the functions that the file describes, in a process of its own. Raises Problem."""
    await finished(python("scripts.twin.fallback", str(file), *(["--urgent"] if urgent else [])), log)


async def finished(command: list[str], log: Path, *, nice: int = 0) -> None:
    """Run a program of ours to its end. Raises Problem with its last words when that is no good one."""
    parent = os.getpid()

    def begin() -> None:
        os.nice(nice)
        die_with(parent, signal.SIGTERM)

    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=inherited(),
            cwd=ROOT,
            start_new_session=True,
            preexec_fn=begin,
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            os.killpg(process.pid, signal.SIGTERM)  # and what it has started
            await process.wait()
            raise
    if code != 0:
        raise Problem(last_words(log))


def last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"see {log}"


def main(arguments: Sequence[str] | None = None) -> int:
    from scripts.twin.functions import code  # noqa: PLC0415 - `up` imports this module and builds nothing itself
    from scripts.twin.lambda_runtime import read  # noqa: PLC0415

    parser = argparse.ArgumentParser(prog="python -m scripts.twin.fallback")
    parser.add_argument("functions", type=Path)
    parser.add_argument("--urgent", action="store_true", help="somebody waits for it")
    options = parser.parse_args(arguments)
    if not options.urgent:
        os.nice(LOWEST)
    try:
        code.runtime()
        for function in read(options.functions):
            code.unpacked(function)
    except Problem as problem:
        print(problem)
        return 1
    except OSError as error:
        print(f"{error.strerror}: {error.filename}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
