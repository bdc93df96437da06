"""Measures the parts of the twin, raises the templates' alarms, and wakes the operations app, which runs for real."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from scripts.twin.alarms.evaluation import Change, Watch, Watched
from scripts.twin.alarms.messages import event
from scripts.twin.alarms.reading import Alarm, Woken
from scripts.twin.alarms.samples import Series
from scripts.twin.alarms.sources import DATABASE, Balancer, Functions, Logs, Measured, knowable
from scripts.twin.functions.service import LambdaService

PATIENCE = aiohttp.ClientTimeout(total=5)
KEPT = 200
MINUTE = 60.0  # seconds between two looks, as CloudWatch looks


@dataclass(slots=True)
class Run:
    """One run of a function: when it began (seconds since 1970), how long it took, and what it answered."""

    function: str
    why: str
    began: float
    seconds: float
    failed: bool
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where to look: URLs of the load balancer's control plane and of the shop's Lambda service, the folder of the
    logs, and who counts the connections of the database (None while it is gone). What is not given is not measured."""

    control: str
    functions: str = ""
    logs: Path | None = None
    connections: Callable[[], Awaitable[int | None]] | None = None


@dataclass(slots=True)
class Desk:
    """Time runs `hurry` times as fast: a period of a minute is over, and a schedule of every minute is due, after
    60/hurry seconds."""

    alarms: Iterable[Alarm]
    functions: Iterable[Woken]
    service: LambdaService
    places: Places
    hurry: float
    watch: Watch = field(init=False)
    runs: deque[Run] = field(default_factory=lambda: deque(maxlen=KEPT))
    _balancer: Balancer = field(init=False)
    _shop: Functions = field(default_factory=Functions)
    _own: Functions = field(default_factory=Functions)
    _logs: Logs = field(init=False)
    _instances: list[Series] = field(init=False)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        alarms = [*self.alarms]
        self.watch = Watch(alarms)
        self._balancer, self._logs = Balancer(self.hurry), Logs(self.places.logs)
        looked = {one.series for alarm in alarms for one in alarm.series.values()}
        self._instances = [one for one in looked if (one.namespace, one.name) == (DATABASE, "DatabaseConnections")]
        self.watch.unknown = frozenset(name for name, one in self.watched.items() if not self.known(one))

    @property
    def watched(self) -> dict[str, Watched]:
        return self.watch.watched

    def known(self, watched: Watched) -> bool:
        """Whether the twin has what the alarm looks at."""
        alarm = watched.alarm
        if alarm.rule:
            return all(self.known(self.watched[name]) for name in self.watched if f'"{name}"' in alarm.rule)
        measured = self.places.connections is not None
        return all(
            knowable(seen.series) and (measured or seen.series not in self._instances) for seen in alarm.series.values()
        )

    @contextlib.asynccontextmanager
    async def open(self) -> Any:
        """At work until the block ends."""
        self._logs.skip()
        async with aiohttp.ClientSession(timeout=PATIENCE) as http:
            self._start(self._watch(http))
            for function in self.functions:
                if function.every:
                    self._start(self._repeat(function))
            try:
                yield
            finally:
                for task in [*self._tasks]:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, http: aiohttp.ClientSession) -> None:
        """Once in a minute of this place; not while the load balancer cannot be asked, for then nobody measures."""
        now = 0.0
        while True:
            status = await asked(http, f"{self.places.control}/status")
            if status is not None:
                now += MINUTE
                for series, values in await self._measured(http, status):
                    self.watch.samples.add(series, values, now)
                for change in self.watch.look(now, datetime.now(UTC)):
                    self._tell(change)
            await asyncio.sleep(MINUTE / self.hurry)

    async def _measured(self, http: aiohttp.ClientSession, status: dict[str, Any]) -> list[Measured]:
        found = [*self._balancer.read(status), *self._own.read(self.service.status()), *self._logs.read()]
        if self.places.functions and (functions := await asked(http, f"{self.places.functions}/sandboxes")):
            found += self._shop.read(functions)
        if self.places.connections and (count := await self.places.connections()) is not None:
            found += [(series, [count]) for series in self._instances]
        return found

    def _tell(self, change: Change) -> None:
        body = json.dumps(event(change)).encode()
        for name in change.alarm.listeners.get(change.after, ()):
            self._start(self._run(name, body, f"{change.alarm.name} {change.before} → {change.after}"))

    async def _repeat(self, function: Woken) -> None:
        while True:
            await asyncio.sleep(function.every / self.hurry)
            await self._run(function.name, b"{}", "schedule")

    async def _run(self, name: str, body: bytes, why: str) -> None:
        """As Lambda takes an event: what is throttled or fails is tried twice more."""
        for _ in range(3):
            began, clock = time.time(), time.monotonic()
            done = await self.service.invoke(name, body)
            answer = done.payload.decode(errors="replace")
            self.runs.append(Run(name, why, began, time.monotonic() - clock, done.failed, answer))
            if not done.failed or why == "schedule":
                return
            await asyncio.sleep(60 / self.hurry)


async def asked(http: aiohttp.ClientSession, url: str) -> dict[str, Any] | None:
    """What it answers, as JSON; None while it does not."""
    try:
        async with http.get(url, headers={"Accept": "application/json"}) as answer:
            found: dict[str, Any] = await answer.json()
            return found
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
