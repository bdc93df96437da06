"""Child processes that are kept running: started, watched, started again when they end, and never left behind."""

import asyncio
import contextlib
import http.client
import json
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.terminal import Problem
from scripts.twin.guard import Guard
from scripts.twin.identity import die_with

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a program that ended is started again; doubles each time
SETTLED = 30.0  # a program that ran so long has not crashed in a loop
PATIENCE = 12.0  # seconds to leave in peace: longer than a service gives the requests it still has
LINE_LIMIT = 1 << 20
METRICS = "metrics"  # the level of lines that are for CloudWatch
POLL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    name: str
    command: list[str]
    environment: Mapping[str, str]
    folder: Path
    port: int
    health_path: str = "/healthz"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a program's output; `level` is empty when the program did not say."""

    source: str
    level: str
    text: str

    @property
    def matters(self) -> bool:
        return self.level not in {"debug", "info", METRICS}


Listen = Callable[[Line], None]


@dataclass(slots=True)
class Child:
    program: Program
    process: asyncio.subprocess.Process
    started: float = field(default_factory=time.monotonic)
    tail: list[str] = field(default_factory=list)


class Supervisor:
    """Belongs to the main thread: Linux ends a child when the thread that started it ends."""

    def __init__(self, logs: Path, listen: Listen) -> None:
        self._logs = logs
        self._listen = listen
        self._guard = Guard()
        self._stopping = False
        self._children: dict[str, Child] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    async def start(self, program: Program) -> None:
        (self._logs / f"{program.name}.log").write_bytes(b"")
        child = await self._spawn(program)
        self._tasks[program.name] = asyncio.create_task(self._keep(child))

    async def ready(self, program: Program, seconds: float = 60.0) -> None:
        """Wait until the program's health is good. Raises Problem when it ends before, or takes too long."""
        first, deadline = self._children[program.name], time.monotonic() + seconds
        while not await asyncio.to_thread(healthy, program):
            log = self._logs / f"{program.name}.log"
            if self._children[program.name] is not first or first.process.returncode is not None:
                last = f": {first.tail[-1]}" if first.tail else ""
                raise Problem(f"{program.name} ended while it was starting{last} (all of it: {log})")
            if time.monotonic() > deadline:
                raise Problem(f"{program.name} did not become healthy within {seconds:.0f} s; see {log}")
            await asyncio.sleep(POLL)

    async def stop(self) -> None:
        """Ask everybody to leave and wait; when cancelled, or after too long, make them."""
        self._stopping = True
        children = [child.process for child in self._children.values()]
        for name, child in self._children.items():
            if child.process.returncode is not None:
                self._tasks[name].cancel()  # it is waiting to start it again
        signal_all(children, signal.SIGTERM)
        try:
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=PATIENCE)
        finally:
            signal_all(children, signal.SIGKILL)
            for process in children:
                self._guard.forget(process.pid)
            self._guard.close()

    async def _spawn(self, program: Program) -> Child:
        parent = os.getpid()
        process = await asyncio.create_subprocess_exec(
            *program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=dict(program.environment),
            cwd=program.folder,
            start_new_session=True,  # Ctrl-C reaches us alone; we decide who leaves when
            preexec_fn=lambda: die_with(parent, signal.SIGTERM),
            limit=LINE_LIMIT,
        )
        self._guard.watch(process.pid)
        child = Child(program, process)
        self._children[program.name] = child
        return child

    async def _keep(self, child: Child) -> None:
        pause = FIRST_PAUSE
        while True:
            await self._pump(child)
            code = await child.process.wait()
            self._guard.forget(child.process.pid)
            if self._stopping:
                return
            if time.monotonic() - child.started > SETTLED:
                pause = FIRST_PAUSE
            reason = f"code {code}" if code >= 0 else signal.Signals(-code).name
            self._listen(Line(child.program.name, "warning", f"ended ({reason}); starting again in {pause:g} s"))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            child = await self._spawn(child.program)

    async def _pump(self, child: Child) -> None:
        """Everything a program says goes to its log; the listener decides what of it is shown."""
        output = child.process.stdout
        with (self._logs / f"{child.program.name}.log").open("ab", buffering=0) as log:
            while output is not None:
                try:
                    raw = await output.readline()
                except ValueError:  # a line above the limit
                    continue
                if not raw:
                    return
                log.write(raw)
                line = parse(child.program.name, raw.decode(errors="replace").rstrip())
                if line.level != METRICS:
                    child.tail = [*child.tail[-4:], line.text]
                self._listen(line)


def signal_all(children: list[asyncio.subprocess.Process], how: signal.Signals) -> None:
    for child in children:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, how)


def healthy(program: Program) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=2)
    try:
        connection.request("GET", program.health_path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def parse(source: str, text: str) -> Line:
    """A line of JSON becomes its level, its message and the rest as key=value; anything else is shown as it is."""
    try:
        members = json.loads(text)
        if "_aws" in members:
            return Line(source, METRICS, text)
        level, message = members.pop("level"), members.pop("message")
    except (ValueError, KeyError, TypeError, AttributeError):
        return Line(source, "", text)
    rest = {key: value for key, value in members.items() if key not in {"time", "service", "logger"}}
    return Line(source, level, " ".join([str(message), *(f"{key}={value}" for key, value in rest.items())]))
