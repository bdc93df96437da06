"""Each guard of the protocol taken away in a copy of the tree: some test must notice.

    python -m tests.chaos.hunt [WORD…]

A text that is no longer there, or a test that is gone, is a failure too: whoever moves a guard moves its mutant along.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from scripts.places import ROOT
from scripts.twin.postgres import running
from tests.chaos.mutants import MUTANTS, Mutant

WORKERS = 2
COPIED = ("services", "scripts", "cfn", "tests", "pyproject.toml")
# What pytest would load by itself takes longer than the tests here.
PYTEST = ("-m", "pytest", "-x", "-q", "-rf", "-p", "no:cacheprovider", "-p", "pytest_asyncio.plugin")
FAILED = re.compile(r"^FAILED \S+::(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`killer` is the test that failed. With `trouble` things are not as they should be, and that is why."""

    mutant: Mutant
    killer: str
    trouble: str
    seconds: float


def hunt(mutants: Sequence[Mutant], *, workers: int = WORKERS) -> Iterator[Verdict]:
    """The verdict on each mutant as it is found, each worker with a copy of the tree and a PostgreSQL of its own.

    The first verdict is on no mutant at all: the tests that are to fail must pass as long as nothing is mutated.
    """
    sound = Mutant("nothing", "", "", "", tuple(dict.fromkeys(test for mutant in mutants for test in mutant.tests)))
    with tempfile.TemporaryDirectory(prefix="tandem-mutants-") as name, ExitStack() as stack:
        grounds: SimpleQueue[tuple[Path, dict[str, str]]] = SimpleQueue()
        for number in range(workers):
            tree = _copied(Path(name) / f"tree-{number}")
            server = stack.enter_context(running(Path(name) / f"postgres-{number}", durable=False, environment={}))
            grounds.put((tree, _environment(server.url)))

        def judged(mutant: Mutant) -> Verdict:
            tree, environment = ground = grounds.get()
            try:
                return _judge(mutant, tree, environment)
            finally:
                grounds.put(ground)

        with ThreadPoolExecutor(workers) as threads:
            yield from threads.map(judged, [sound, *mutants])


def _judge(mutant: Mutant, tree: Path, environment: dict[str, str]) -> Verdict:
    began = time.monotonic()
    file = tree / mutant.path
    if mutant.path:
        text = file.read_text() if file.exists() else ""
        if text.count(mutant.old) != 1:
            return Verdict(mutant, "", f"its text stands {text.count(mutant.old)} times in {mutant.path}", 0)
        file.write_text(text.replace(mutant.old, mutant.new))
    try:
        code, output = _tested(mutant.tests, tree, environment)
    finally:
        if mutant.path:
            _restore(file, text)
    killers = FAILED.findall(output)
    as_it_should_be = code == 1 and killers if mutant.path else code == 0
    trouble = "" if as_it_should_be else output[-3000:]
    return Verdict(mutant, killers[0] if killers else "", trouble, time.monotonic() - began)


def _tested(tests: Sequence[str], tree: Path, environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, *PYTEST, *tests], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def _restore(file: Path, text: str) -> None:
    """As it was, and without bytecode: mutants may follow each other within one tick of the file system."""
    file.write_text(text)
    for bytecode in (file.parent / "__pycache__").glob(f"{file.stem}.*.pyc"):
        bytecode.unlink()


def _copied(tree: Path) -> Path:
    tree.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name)
        else:
            shutil.copy2(ROOT / name, tree / name)
    return tree


def _environment(database_url: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "PYTEST"))}
    return kept | {"TEST_DATABASE_URL": database_url, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def main(words: Sequence[str]) -> int:
    chosen = [mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)]
    alive = 0
    for verdict in hunt(chosen):
        fate = "passes" if not verdict.mutant.path else "killed"
        line = f"{'LIVES' if verdict.trouble else fate:<7} {verdict.seconds:5.1f} s  {verdict.mutant.name:<50}"
        print(f"{line} {verdict.killer}".rstrip(), flush=True)
        if verdict.trouble:
            print(verdict.trouble, flush=True)
            alive += 1
    print(f"{len(chosen)} mutants; {alive or 'nothing'} not as it should be.")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
