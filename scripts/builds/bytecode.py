"""Bytecode that is valid wherever the zip is unpacked.

Lambda cannot write caches beside the code, so without bytecode every cold start compiles everything; bytecode that is
checked by the time of its source is invalid as soon as a reproducible zip sets that time. PEP 552 has the third way.
"""

import functools
import os
import subprocess
from pathlib import Path

from scripts import bootstrap
from scripts.builds.targets import Target
from scripts.terminal import Problem

TASK_ROOT = "/var/task"  # where Lambda unpacks the zip: what tracebacks name
UNCHECKED_HASH = 1  # the flags in a file's header, PEP 552


def compile_all(folder: Path, target: Target, *, sources: bool) -> None:
    """Beside the sources, or instead of them. One process in one order: what is written depends on what was compiled
    before, because marshal notes what is shared."""
    command = [str(target.interpreter()), "-S", "-P", "-m", "compileall", "-q", "-f", *["-b"] * (not sources)]
    command += ["--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", TASK_ROOT, str(folder)]
    alone = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=alone, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Problem(f"Python {target.python} cannot compile what is to be built: {done.stdout.strip()[:500]}")
    for source in [] if sources else sorted(folder.rglob("*.py")):
        source.unlink()


@functools.cache
def magic(python: Path) -> bytes:
    """What its bytecode begins with."""
    asked = bootstrap.run([str(python), "-I", "-S", "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"])
    return bytes.fromhex(asked.stdout)
