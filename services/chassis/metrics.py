"""What a process counts and times, written as lines in CloudWatch's embedded metric format: nothing is sent, so nothing
waits and nothing fails.

Beside a server values are gathered and leave once a minute; on Lambda they leave with the event. The limits:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, Protocol, Self

from services.chassis import logs
from services.chassis.settings import Settings

NAMESPACE = "Tandem/Shop"
MOST_VALUES = 100  # of one metric in one line
EVERYWHERE = ("environment", "service")  # the dimensions of every metric
UNMATCHED = "unmatched"  # the route of a request that has none: what a stranger asks for names no metric


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """A metric, declared once. With `by`, a dimension of its own, CloudWatch has it both with and without that.

    A `summed` one leaves as one number for a flush; any other value by value, which is what percentiles need.
    """

    name: str
    unit: str
    why: str
    by: str = ""
    summed: bool = True

    @property
    def dimensions(self) -> list[list[str]]:
        """Every combination under which CloudWatch keeps it, and asks to be paid for it."""
        return _dimensions(self.by)


DURATION = Metric(
    name="Duration",
    unit="Milliseconds",
    by="route",
    summed=False,
    why="How long an answer takes; its SampleCount is the number of requests. Health checks are not among them.",
)
FAULTS = Metric(
    name="Faults",
    unit="Count",
    by="route",
    why="Answers of 500 and above, and those that broke off. 0 where there were requests, so that a rate has data.",
)
POOL_WAIT = Metric(
    name="PoolWait",
    unit="Milliseconds",
    summed=False,
    why="How long work waited for a free connection to the database; at 1,000 it is refused.",
)
POOL_IN_USE = Metric(
    name="PoolInUse",
    unit="Count",
    summed=False,
    why="Connections lent out, this one included, each time one is lent.",
)
COLD_STARTS = Metric(name="ColdStarts", unit="Count", why="Sandboxes on Lambda that got their first event.")
BACKGROUND_FAILURES = Metric(
    name="BackgroundFailures", unit="Count", by="step", why="Background steps that failed; the log says why."
)
METRICS = (DURATION, FAULTS, POOL_WAIT, POOL_IN_USE, COLD_STARTS, BACKGROUND_FAILURES)


class Observe(Protocol):
    def __call__(self, metric: Metric, value: float = 1, key: str = "") -> None:
        """Note one value; `key` is the value of the metric's own dimension."""


def unheard(metric: Metric, value: float = 1, key: str = "") -> None:
    """For work that nobody counts."""


class Metrics:
    """The registry of one app. Any thread may note values; what a flush takes, no other one has.

    `every` is how many seconds lie between two flushes beside a server.
    """

    def __init__(
        self,
        service: str,
        *,
        environment: str,
        runtime: str,
        version: str,
        every: float = 60,
        write: Callable[[str], None] = logs.write,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._members = {"environment": environment, "service": service, "runtime": runtime, "version": version}
        self._every = every
        self._write = write
        self._clock = clock
        self._lock = RLock()
        self._standing: dict[Metric, list[float]] = {}
        self._seen: dict[tuple[str, str], dict[Metric, list[float]]] = {}

    @classmethod
    def of(cls, settings: Settings, *, write: Callable[[str], None] = logs.write) -> Self:
        return cls(
            settings.service,
            environment=settings.environment,
            runtime=settings.served_by,
            version=settings.version,
            every=settings.metrics_seconds,
            write=write,
        )

    def always(self, metric: Metric) -> None:
        """Let a metric without a dimension of its own leave with every flush, as 0 when nothing was noted."""
        self._standing[metric] = [0]

    def observe(self, metric: Metric, value: float = 1, key: str = "") -> None:
        """Note one value. A full line leaves at once, so memory is bounded by the number of routes."""
        full = None
        with self._lock:
            noted = self._seen.get((metric.by, key))
            if noted is None:
                noted = self._seen[metric.by, key] = {}
            values = noted.get(metric)
            if values is None:
                noted[metric] = [value]
            elif metric.summed:
                values[0] += value
            else:
                values.append(value)
                if len(values) == MOST_VALUES:
                    full = {metric: noted.pop(metric)}
        if full:
            self._write(self._line(metric.by, key, full))

    def flush(self) -> None:
        """Write what has been noted since the last time."""
        with self._lock:
            taken, self._seen = self._seen, {}
        if self._standing:
            taken["", ""] = {**self._standing, **taken.get(("", ""), {})}
        for (by, key), noted in taken.items():
            if noted:
                self._write(self._line(by, key, noted))

    async def loop(self) -> None:
        """Flush for ever."""
        while True:
            await asyncio.sleep(self._every)
            self.flush()

    def _line(self, by: str, key: str, noted: Mapping[Metric, Sequence[float]]) -> str:
        described = {
            "Namespace": NAMESPACE,
            "Dimensions": _dimensions(by),
            "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric in noted],
        }
        line: dict[str, Any] = {
            "_aws": {"Timestamp": int(self._clock() * 1000), "CloudWatchMetrics": [described]},
            **self._members,
            **({by: key} if by else {}),
        }
        for metric, values in noted.items():
            line[metric.name] = values[0] if len(values) == 1 else values
        return json.dumps(line, separators=(",", ":"))


def _dimensions(by: str) -> list[list[str]]:
    return [[*EVERYWHERE], [*EVERYWHERE, by]] if by else [[*EVERYWHERE]]
