"""A PostgreSQL server for this checkout: started on demand, kept under `.local/`, gone with the process that needs it.

`DATABASE_URL` comes first and means a server that somebody else runs. Otherwise the programs of the wheel, or of the
machine, run on a data directory of our own: TCP on 127.0.0.1 only (no socket file, so no path can be too long and
none is left over), a port that the operating system chose, SCRAM with a random password in a file of mode 0600.
"""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit, urlunsplit

from scripts.twin import identity
from scripts.twin.binaries import Binaries, PostgresError
from scripts.twin.cluster import DATABASE, QUIET, USER, initialise, last_line, password_file, settle
from scripts.twin.guard import Guard
from scripts.twin.lock import HeldElsewhereError, held

ATTEMPTS = 3  # a port that was free a moment ago can be taken
PATIENCE = 60.0  # recovery after a crash takes the longest
LISTENING = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
LASTING = {"max_connections": "200", "timezone": "UTC", "log_timezone": "UTC"}
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

__all__ = ["PostgresError", "Server", "attach", "available", "local", "running", "with_database", "with_login"]


@dataclass(slots=True)
class Server:
    """A running server, ours or somebody else's; `url` is the administrator's."""

    url: str
    version: str
    origin: str  # "embedded", "machine" or "DATABASE_URL"
    binaries: Binaries | None = None
    data: Path | None = None
    process: "subprocess.Popen[bytes] | None" = None
    seconds: float = 0.0
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def address(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or 5432}"

    def url_for(self, database: str) -> str:
        return with_database(self.url, database)

    def stop(self) -> None:
        """Fast shutdown: clients are disconnected, everything committed is on disk."""
        self.closing.close()


def with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def with_login(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))


@contextlib.contextmanager
def running(root: Path, *, durable: bool = True, environment: Mapping[str, str] = os.environ) -> Iterator[Server]:
    """The server that `DATABASE_URL` names, or our own under `root` for as long as the block lasts."""
    given = environment.get("DATABASE_URL")
    if given:
        yield external(given)
        return
    server = local(root, durable=durable)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def available(root: Path, *, environment: Mapping[str, str] = os.environ) -> Iterator[Server]:
    """Like `running`, but joins the server of a `tandem up` in this checkout when there is one."""
    joined = None if environment.get("DATABASE_URL") else attach(root)
    if joined is not None:
        yield joined
        return
    with running(root, environment=environment) as server:
        yield server


def external(url: str) -> Server:
    if urlsplit(url).scheme not in {"postgresql", "postgres"} or not urlsplit(url).hostname:
        raise PostgresError("DATABASE_URL is not of the form postgresql://user:password@host:port/database.")
    return Server(url=url, version="", origin="DATABASE_URL")


def local(root: Path, *, durable: bool = True) -> Server:
    """Start our own server. Call it from the main thread: Linux ties the child's life to the thread that forked it."""
    began = time.monotonic()
    binaries, who, data = settle(root)
    with contextlib.ExitStack() as stack:
        stack.enter_context(sole_user(data.with_suffix(".lock")))
        password = initialise(binaries, who, data, durable=durable)
        identity.give(data, who.owner)
        end_orphan(data, password)
        process, port = launch(binaries, who, data, durable=durable)
        guard = Guard()
        guard.watch(process.pid, signal.SIGINT)  # PostgreSQL sets its own handler; SIGINT is its fast shutdown
        stack.callback(end, process, guard)
        return Server(
            url=admin_url(port, password),
            version=binaries.version,
            origin=binaries.origin,
            binaries=binaries,
            data=data,
            process=process,
            seconds=time.monotonic() - began,
            closing=stack.pop_all(),
        )


def attach(root: Path) -> Server | None:
    """The server that another process of this checkout is running at the moment, if there is one."""
    binaries, _, data = settle(root)
    state = read_state(data)
    if state is None or state.status != "ready" or not alive(state.pid):
        return None
    url = admin_url(state.port, password_file(data).read_text())
    return Server(url=url, version=binaries.version, origin=binaries.origin, binaries=binaries, data=data)


def admin_url(port: int, password: str) -> str:
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}?sslmode=disable"


def launch(
    binaries: Binaries, who: identity.Identity, data: Path, *, durable: bool
) -> tuple["subprocess.Popen[bytes]", int]:
    settings = LISTENING | LASTING | ({} if durable else FORGETFUL)
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    log = data.with_suffix(".log")
    for attempt in range(ATTEMPTS):
        port = free_port()
        with log.open("wb") as output:
            process = spawn([binaries.program("postgres"), "-D", str(data), "-p", str(port), *options], who, output)
        if wait_until_ready(process, data):
            return process, port
        if attempt == ATTEMPTS - 1 or "could not bind" not in log.read_text(errors="replace"):
            break
    raise PostgresError(f"PostgreSQL did not start: {last_line(log.read_text(errors='replace'))} (all of it: {log})")


def spawn(command: list[str], who: identity.Identity, output: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        preexec_fn=who.entering(signal.SIGINT),  # noqa: PLW1509 - the child must change its ids, and threads are few
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=QUIET,
        cwd="/",
        start_new_session=True,  # Ctrl-C is ours to handle: services leave first, the database last
    )


@dataclass(frozen=True, slots=True)
class State:
    """What postmaster.pid says; after a crash it still says it."""

    pid: int
    port: int
    status: str


def read_state(data: Path) -> State | None:
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return State(int(lines[0]), int(lines[3]), lines[7].strip())
    except (OSError, IndexError, ValueError):
        return None


def wait_until_ready(process: "subprocess.Popen[bytes]", data: Path) -> bool:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        state = read_state(data)
        if state is not None and state.pid == process.pid and state.status == "ready":
            return True
        time.sleep(0.005)
    end(process)
    return False


def end(process: "subprocess.Popen[bytes]", guard: Guard | None = None) -> None:
    for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, immediate, none of our business any more
        if process.poll() is not None:
            break
        process.send_signal(how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(15)
    if guard is not None:
        guard.forget(process.pid)
        guard.close()


def end_orphan(data: Path, password: str) -> None:
    """Stop a server whose owner is gone; that the lock was free says that the owner is."""
    state = read_state(data)
    if state is None or not alive(state.pid) or not answers(state.port, password):
        return
    os.kill(state.pid, signal.SIGINT)
    deadline = time.monotonic() + 15
    while alive(state.pid) and time.monotonic() < deadline:
        time.sleep(0.02)


def answers(port: int, password: str) -> bool:
    """Whether the server behind the port has our password: a process id alone may long be somebody else's."""
    import pg8000.native  # noqa: PLC0415 - a tenth of a second that only this rare path has to pay

    try:
        pg8000.native.Connection(USER, host="127.0.0.1", port=port, password=password, database=DATABASE).close()
    except (pg8000.native.Error, OSError):
        return False
    return True


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def sole_user(path: Path) -> Iterator[None]:
    try:
        with held(path):
            yield
    except HeldElsewhereError as holder:
        raise PostgresError(f"Process {holder} is using the database in {path.parent}; end it first.") from None


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
