"""What a zip must be, looked at before anybody gets it."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from scripts.builds.bytecode import UNCHECKED_HASH, magic
from scripts.builds.targets import Target
from scripts.terminal import Problem

FOREIGN = {"boto3", "botocore"}  # AWS's runtime has them: 20 MB that every cold start would read for nothing
TESTS = {"tests", "test"}
LARGEST = 10_000_000  # bytes of a zip

# Without site-packages and without this checkout: what is imported comes from the zip or from Python itself.
IMPORT = """
import importlib, json, sys
sys.path[:0] = json.loads(sys.argv[2])
module, _, name = sys.argv[1].rpartition(".")
assert callable(getattr(importlib.import_module(module), name)), "the handler is not a function"
print(json.dumps(sorted(sys.modules)))
"""


def check(files: Mapping[str, Path], target: Target, *, forbidden: Iterable[Path]) -> None:
    """Raises Problem when a file does not belong in a zip, or would not do its work there."""
    marks = [str(path).encode() for path in forbidden]
    modules = {name for name in files if name.endswith(".py")}
    for name, path in files.items():
        parts = PurePosixPath(name).parts
        if TESTS & {*parts[:-1]} or name.endswith(".pyi"):
            raise Problem(f"{name} does not belong in a zip: it is no part of what runs.")
        if parts[0] in FOREIGN:
            raise Problem(f"{name} does not belong in a zip: AWS's runtime has it.")
        if name.endswith(".pyc"):
            _check_bytecode(name, path.read_bytes(), target, marks)
            modules.discard(_source(name))
    if modules:
        raise Problem(f"{min(modules)} has no bytecode: every cold start would compile it.")


def _source(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent.parent / f"{path.name.partition('.')[0]}.py")


def _check_bytecode(name: str, content: bytes, target: Target, marks: list[bytes]) -> None:
    if content[:4] != magic(target.interpreter()):
        raise Problem(f"{name} is not the bytecode of Python {target.python}.")
    if int.from_bytes(content[4:8], "little") != UNCHECKED_HASH:
        raise Problem(f"{name} would be checked against the time of its source, which a reproducible zip sets.")
    if any(mark in content for mark in marks):
        raise Problem(f"{name} holds a path of this machine.")


def modules_of(handler: str, folders: Iterable[Path], target: Target) -> int:
    """How many modules importing the handler loads. Raises Problem when it cannot be imported from these alone."""
    command = [str(target.interpreter()), "-I", "-S", "-B", "-c", IMPORT, handler, json.dumps([*map(str, folders)])]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise Problem(f"{handler} cannot be imported from its zip: {lines[-1]}")
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    if FOREIGN & {*names}:
        raise Problem(f"Importing {handler} loads boto3, which costs half of a cold start; import it where it is used.")
    return len(names)
