"""Watches the load balancer, raises the alarms of the templates, and wakes the operations app, which runs for real."""

import asyncio
import contextlib
import json
import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp

from scripts.twin.alarms.evaluation import Change, Watched
from scripts.twin.alarms.messages import event
from scripts.twin.alarms.reading import Alarm, Woken
from scripts.twin.functions.service import LambdaService

KNOWN = frozenset({"HealthyHostCount", "UnHealthyHostCount", "HTTPCode_Target_5XX_Count", "RequestCount"})
PATIENCE = aiohttp.ClientTimeout(total=5)
KEPT = 200


@dataclass(slots=True)
class Run:
    """One run of a function: when it began (seconds since 1970), how long it took, and what it answered."""

    function: str
    why: str
    began: float
    seconds: float
    failed: bool
    answer: str


@dataclass(slots=True)
class Desk:
    """`control` is the URL of the load balancer's control plane. Time runs `hurry` times as fast: a period of a minute
    is over, and a schedule of every minute is due, after 60/hurry seconds."""

    alarms: Iterable[Alarm]
    functions: Iterable[Woken]
    service: LambdaService
    control: str
    hurry: float
    watched: dict[str, Watched] = field(init=False)
    runs: deque[Run] = field(default_factory=lambda: deque(maxlen=KEPT))
    _counts: dict[str, dict[str, int]] = field(default_factory=dict)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.watched = {alarm.name: Watched(alarm, KNOWN) for alarm in self.alarms}

    @contextlib.asynccontextmanager
    async def open(self) -> Any:
        """At work until the block ends."""
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
        """Every alarm once in each of its periods; all of the templates' periods are multiples of the shortest."""
        knowable = [one for one in self.watched.values() if one.knowable]
        tick = min((one.alarm.period for one in knowable), default=60.0)
        turn = 0
        while True:
            metrics = await self._metrics(http)
            now = datetime.now(UTC)
            for one in knowable if metrics is not None else ():
                if turn % max(1, round(one.alarm.period / tick)) == 0 and metrics is not None:
                    change = one.add(metrics.get(one.alarm.group, {}), now)
                    if change:
                        self._tell(change)
            turn += 1
            await asyncio.sleep(tick / self.hurry)

    async def _metrics(self, http: aiohttp.ClientSession) -> Mapping[str, Mapping[str, float | None]] | None:
        """By the ARN of the target group; None while the load balancer cannot be asked."""
        try:
            async with http.get(f"{self.control}/status", headers={"Accept": "application/json"}) as answer:
                return self.metrics(await answer.json())
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return None

    def metrics(self, status: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
        """What `/status` says, as CloudWatch would: hosts now, and requests since the last time, scaled to a period."""
        services = {
            share["arn"]: rule["service"] for rule in status["rules"] for share in rule["action"].get("forward", ())
        }
        found: dict[str, dict[str, float | None]] = {}
        for group in status["groups"]:
            states = [target["state"] for target in group["targets"] if target["state"] != "draining"]
            service, runtime = services.get(group["arn"], ""), group["runtime"]
            counted = status["answers"].get(service, {}).get(runtime, {})
            before, self._counts[group["arn"]] = self._counts.get(group["arn"], counted), dict(counted)
            found[group["arn"]] = {
                "HealthyHostCount": states.count("healthy") if states else None,
                "UnHealthyHostCount": len(states) - states.count("healthy") if states else None,
                "HTTPCode_Target_5XX_Count": (counted.get("5xx", 0) - before.get("5xx", 0)) * self.hurry,
                "RequestCount": (sum(counted.values()) - sum(before.values())) * self.hurry,
            }
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
