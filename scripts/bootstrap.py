"""Makes a virtual environment, `.venv` or another, hold what a lock lists. Runs on the Python of the machine: standard
library only.

uv installs when it is on the PATH or can be fetched (by the hash in requirements/uv.txt); pip does otherwise. Both
check every file against the lock's hashes. What was installed is stamped with a copy of the lock.
"""

import contextlib
import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCAL = ROOT / ".local"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements"
INCLUDED = {"local": ("local",), "aws": ("aws", "local"), "dev": ("dev", "aws", "local")}  # who has a lock has these

# The certificates of the machine are trusted, and no interpreter is looked for elsewhere or downloaded.
UV = {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "true"}
PIP = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_RETRIES": "1", "PIP_TIMEOUT": "15"}

NO_VENV = "this Python cannot make environments; install its venv package (on Debian and Ubuntu: python3-venv)."
MISMATCH = ("hash mismatch", "do not match the hashes", "in --require-hashes mode")
OFFLINE = ("failed to fetch", "connection", "dns error", "name resolution", "no matching distribution", "timed out")


class BootstrapError(Exception):
    """One sentence for the person at the terminal."""


def main(lock: str) -> int:
    began = time.monotonic()
    try:
        with alone(LOCAL / "bootstrap.lock"):
            if current(lock):
                return 0
            print(f"  ..  installing requirements/{lock}.txt into .venv (the first time only)", flush=True)
            make(lock)
    except BootstrapError as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"tandem: {error.strerror}: {error.filename or VENV}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    version = ".".join(map(str, sys.version_info[:2]))
    print(f"  ok  {f'Python {version} environment':<30}{time.monotonic() - began:6.2f} s", flush=True)
    return 0


def environment(lock: str, folder: Path, python: str = sys.executable) -> Path:
    """Make FOLDER a virtual environment of that Python which holds requirements/LOCK.txt and nothing else, or find that
    it is one. Returns its interpreter. Raises BootstrapError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder.parent / f"{folder.name}.lock"):
        if not current(lock, folder) or not alike(python, folder):
            make(lock, folder, python, clear=True)
    return folder / "bin" / "python"


@contextlib.contextmanager
def alone(path: Path) -> "Iterator[None]":
    """Two commands at once: the second waits, and finds everything done."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def current(lock: str, folder: Path = VENV) -> bool:
    stamp = folder / f"installed-{lock}.txt"
    held = stamp.exists() and stamp.read_bytes() == (REQUIREMENTS / f"{lock}.txt").read_bytes()
    return held and runs(folder / "bin" / "python")


def make(lock: str, folder: Path = VENV, python: str = sys.executable, *, clear: bool = False) -> None:
    for stamp in folder.glob("installed-*.txt"):
        stamp.unlink()
    if clear or not alike(python, folder):
        make_venv(folder, python)
    log = folder / "install.log"
    log.write_bytes(b"")
    install(lock, folder, shutil.which("uv") or fetch_uv(log), log)
    for name in INCLUDED.get(lock, (lock,)):
        shutil.copyfile(REQUIREMENTS / f"{name}.txt", folder / f"installed-{name}.txt")


def add(lock: str, folder: Path = VENV) -> None:
    """Install another lock into an environment that stays what it is. Raises BootstrapError."""
    log = folder / f"install-{lock}.log"
    log.write_bytes(b"")
    install(lock, folder, shutil.which("uv") or fetch_uv(log), log)
    shutil.copyfile(REQUIREMENTS / f"{lock}.txt", folder / f"installed-{lock}.txt")


def alike(python: str, folder: Path) -> bool:
    """Whether the environment runs, on the same minor version as that Python."""
    version = version_of(folder / "bin" / "python")
    return version is not None and version == version_of(Path(python))


def make_venv(folder: Path, python: str) -> None:
    done = run([python, "-I", "-m", "venv", "--clear", "--without-pip", str(folder)])
    if "No module named venv" in done.stdout:
        raise BootstrapError(NO_VENV)
    if done.returncode != 0:
        raise BootstrapError(f"cannot create {folder}: {last_line(done.stdout)}")


def fetch_uv(log: Path) -> str | None:
    """The uv of `.venv`, whatever environment it shall fill."""
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        pip(["--no-deps", "-r", str(REQUIREMENTS / "uv.txt")], PYTHON, log)
    return str(uv) if uv.exists() else None


def install(lock: str, folder: Path, uv: str | None, log: Path) -> None:
    file, python = str(REQUIREMENTS / f"{lock}.txt"), folder / "bin" / "python"
    if uv is not None:
        command = [uv, "pip", "install", "--python", str(python), "--require-hashes", "-r", file]
        if record(run(command, UV), log) == 0:
            return
        explain(log, lock, (MISMATCH,))  # pip would only say the same, and slower
    if pip(["-r", file], python, log) != 0:
        explain(log, lock, (MISMATCH, OFFLINE))
        raise BootstrapError(f"requirements/{lock}.txt could not be installed; see {log}.")


def pip(arguments: list[str], python: Path, log: Path) -> int:
    return record(run([*find_pip(python), "install", "--require-hashes", *arguments], PIP), log)


def find_pip(python: Path) -> list[str]:
    """The pip of this Python if it can install elsewhere, else the one within the wheel that ensurepip carries.

    Neither is unpacked into the environment: that takes longer than what there is to do.
    """
    if pip_version() >= (22, 3):  # the first with --python
        return [sys.executable, "-I", "-m", "pip", "--python", str(python)]
    if importlib.util.find_spec("ensurepip"):
        import ensurepip  # noqa: PLC0415 - Debian packs it apart

        folders = (str(Path(ensurepip.__file__).parent / "_bundled"), sysconfig.get_config_var("WHEEL_PKG_DIR"))
        for folder in filter(None, folders):
            for wheel in sorted(Path(folder).glob("pip-*.whl"), reverse=True):
                return [str(python), str(wheel / "pip")]
    raise BootstrapError(NO_VENV)


def pip_version() -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in importlib.metadata.version("pip").split(".")[:2])
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return (0,)


def explain(log: Path, lock: str, kinds: tuple[tuple[str, ...], ...]) -> None:
    text = log.read_text(errors="replace").lower()
    if MISMATCH in kinds and any(sign in text for sign in MISMATCH):
        raise BootstrapError(
            f"requirements/{lock}.txt does not fit what the package index serves (hash mismatch); see {log}."
        )
    if OFFLINE in kinds and any(sign in text for sign in OFFLINE):
        raise BootstrapError(f"packages could not be downloaded; is there a network connection? See {log}.")


def run(command: list[str], extra: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command,
        env={**os.environ, **(extra or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def record(done: "subprocess.CompletedProcess[str]", log: Path) -> int:
    with log.open("a") as file:
        file.write(f"$ {' '.join(done.args)}\n{done.stdout}\n")
    return done.returncode


def runs(python: Path) -> bool:
    return version_of(python) is not None


def version_of(python: Path) -> str | None:
    """Its minor version, as "3.13"; None when it does not run."""
    try:
        done = run([str(python), "-I", "-S", "-c", 'import sys; print("%d.%d" % sys.version_info[:2])'])
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
