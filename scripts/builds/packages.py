"""The third-party part of the functions' zips: wheels of requirements/function.txt for a target, less what no function
needs, as bytecode without sources (they are a fifth of the zip; a traceback still names file and line), as one zip that
each service's files are added to.

Kept under `.local`: what the index gave (by lock and target), and what was made of it (by the builder's code, too).
"""

import functools
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from scripts import bootstrap
from scripts.builds import archive, inspection
from scripts.builds.bytecode import compile_all
from scripts.builds.cache import digest, digest_of, forget_old, whole
from scripts.builds.targets import LINUX, Target
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem

LOCK = ROOT / "requirements" / "function.txt"
CACHE = LOCAL / "build" / "cache"

NOT_NEEDED = {"bin", "tests", "test", "__pycache__"}  # folders
# Declarations, sources of what is compiled, texts, and what browsers would read.
NOT_READ = {".pyi", ".pyx", ".pxd", ".pxi", ".c", ".h", ".md", ".js", ".css", "py.typed"}
NEVER_USED = (
    "aws_lambda_powertools/event_handler/",  # a web framework beside ours
    "aws_xray_sdk/ext/",  # its patches for other libraries
    "dateutil/zoneinfo/dateutil-zoneinfo.tar.gz",  # time zones for who has none; PostgreSQL answers in UTC
)
READ_BY_METADATA = {"METADATA", "entry_points.txt"}


@dataclass(frozen=True, slots=True)
class Packages:
    """The zip, the same files as a folder, and a hash of what they were made of."""

    archive: Path
    tree: Path
    key: str


def packages(target: Target, *, lock: Path = LOCK, cache: Path = CACHE) -> Packages:
    """Raises Problem, also when there is neither a network nor a copy in the cache."""
    key = digest(origin_key(target, lock).encode(), builder().encode(), full_version(target.interpreter()).encode())
    made = cache / f"packages-{key[:20]}"
    cache.mkdir(parents=True, exist_ok=True)
    with bootstrap.alone(cache / "packages.lock"):
        if not made.exists():
            with whole(made) as new:
                make(wheels(target, lock, cache), new, target)
        os.utime(made)
        forget_old(cache, "packages-*[0-9a-f]")
    return Packages(made / "packages.zip", made / "tree", key)


def wheels(target: Target, lock: Path = LOCK, cache: Path = CACHE) -> Path:
    """What the wheels of the lock hold, as a folder. Raises Problem."""
    folder = cache / f"wheels-{origin_key(target, lock)[:20]}"
    if not folder.exists():
        try:
            with whole(folder) as new:
                install(target, lock, new)
        except bootstrap.BootstrapError as error:
            raise Problem(str(error)) from None
    os.utime(folder)
    forget_old(cache, "wheels-*")
    return folder


def origin_key(target: Target, lock: Path) -> str:
    return digest(lock.read_bytes(), str(target).encode())


def builder() -> str:
    """A hash of the code that builds."""
    return digest_of({name: Path(__file__).with_name(name) for name in ("archive.py", "bytecode.py", "packages.py")})


@functools.cache
def full_version(python: Path) -> str:
    """All of it: bytecode of one minor version is valid in each of its patches, but not the same bytes."""
    return bootstrap.run([str(python), "-I", "-S", "-c", "import sys; print(sys.version)"]).stdout


def install(target: Target, lock: Path, folder: Path) -> None:
    """uv when it is there, pip otherwise, as for `.venv`. Wheels alone: nothing is built, nothing of theirs runs.

    Raises Problem and BootstrapError."""
    log = folder.parent / "install.log"
    log.write_bytes(b"")
    demands = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--target", str(folder), "-r", str(lock)]
    uv = shutil.which("uv") or bootstrap.fetch_uv(log)
    if uv is not None:
        command = [uv, "pip", "install", "--python", str(target.interpreter()), *uv_platform(target), *demands]
        if bootstrap.record(bootstrap.run(command, {**bootstrap.UV, "UV_LINK_MODE": "copy"}), log) == 0:
            return
        bootstrap.explain(log, lock.stem, (bootstrap.MISMATCH,))  # pip would only say the same, and slower
    command = [*bootstrap.find_pip(bootstrap.PYTHON), "install", "--no-compile", *pip_platform(target), *demands]
    if bootstrap.record(bootstrap.run(command, bootstrap.PIP), log) != 0:
        bootstrap.explain(log, lock.stem, (bootstrap.MISMATCH, bootstrap.OFFLINE))
        raise Problem(f"requirements/{lock.name} could not be installed for the functions; see {log}.")


def uv_platform(target: Target) -> list[str]:
    if target.native:
        return []
    level = target.levels[0].removesuffix(f"_{LINUX[target.architecture]}")
    return ["--python-version", target.python, "--python-platform", f"{LINUX[target.architecture]}-{level}"]


def pip_platform(target: Target) -> list[str]:
    """pip evaluates markers for the machine it runs on; a test keeps those out of the lock that would differ."""
    levels = [] if target.native else [f"--platform={level}" for level in target.levels]
    return [*levels, "--implementation=cp", f"--python-version={target.python}"]


def make(origin: Path, folder: Path, target: Target) -> None:
    files = grow(folder / "tree", origin, target)
    inspection.check(files, target, forbidden=(folder, origin))
    archive.write(folder / "packages.zip", files)


def grow(tree: Path, origin: Path, target: Target) -> dict[str, Path]:
    """Fill a folder with what the zip holds. Returns its files by their names."""
    for name, source in archive.below(origin).items():
        if needed(name):
            place = tree / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(minimal(name, source.read_bytes()))
    compile_all(tree, target, sources=False)
    return archive.below(tree)


def needed(name: str) -> bool:
    path = Path(name)
    if name.startswith(NEVER_USED) or any(part.startswith(".") for part in path.parts):
        return False
    if any(part in NOT_NEEDED for part in path.parts[:-1]) or path.suffix in NOT_READ or path.name in NOT_READ:
        return False
    return not path.parts[0].endswith(".dist-info") or (path.name in READ_BY_METADATA and len(path.parts) == 2)


def minimal(name: str, content: bytes) -> bytes:
    """Of the metadata the headers; the readme behind them is as long as the code."""
    return content.partition(b"\n\n")[0] + b"\n" if name.endswith(".dist-info/METADATA") else content
