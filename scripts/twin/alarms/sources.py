"""What CloudWatch would have measured, read from the parts of the twin: who they are there, and what they count.

What happens rarely keeps its number. Requests are scaled: a minute that lasts a second here has a sixtieth of them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.twin.alarms.samples import Series
from scripts.twin.deployment.names import full_name
from scripts.twin.load_balancer.journal import LOAD_BALANCER

Measured = tuple[Series, Sequence[float]]
BALANCING, FUNCTIONS, DATABASE = "AWS/ApplicationELB", "AWS/Lambda", "AWS/RDS"
KNOWN: Mapping[str, frozenset[str]] = {
    BALANCING: frozenset(
        {
            "HTTPCode_ELB_5XX_Count",
            "HTTPCode_Target_5XX_Count",
            "HealthyHostCount",
            "RequestCount",
            "TargetResponseTime",
            "UnHealthyHostCount",
        }
    ),
    FUNCTIONS: frozenset({"Errors", "Invocations", "Throttles"}),
    DATABASE: frozenset({"DatabaseConnections"}),
}
"""Of AWS's own; all of ours are known, since the services say them here, too."""


def knowable(series: Series) -> bool:
    return not series.namespace.startswith("AWS/") or series.name in KNOWN.get(series.namespace, ())


@dataclass(slots=True)
class Balancer:
    """Reads `/status` of the load balancer's control plane: hosts now, and requests since the last time."""

    hurry: float
    _counts: dict[tuple[str, str], dict[str, int]] = field(default_factory=dict)
    _newest: float = 0

    def read(self, status: Mapping[str, Any]) -> Iterator[Measured]:
        balancer = full_name(status["listener"].replace(":listener/", ":loadbalancer/").rpartition("/")[0])
        groups = dict(_groups(status))
        total = {"RequestCount": 0.0, "HTTPCode_Target_5XX_Count": 0.0}
        seconds = self._seconds(status["requests"])
        for group in status["groups"]:
            who = groups.get(group["arn"], ("", group["runtime"]))
            counted = self._since(who, status["answers"])
            for name, values in {
                **_hosts(group),
                **{name: [value] for name, value in counted.items()},
                "TargetResponseTime": seconds.get(who, []),
            }.items():
                yield _of(name, {"TargetGroup": full_name(group["arn"]), "LoadBalancer": balancer}), values
            total = {name: value + counted[name] for name, value in total.items()}
        own = sum(self._since((service, LOAD_BALANCER), status["answers"])[ERRORS] for service in status["answers"])
        for name, value in {**total, "HTTPCode_ELB_5XX_Count": own}.items():
            yield _of(name, {"LoadBalancer": balancer}), [value]

    def _since(self, who: tuple[str, str], answers: Mapping[str, Any]) -> dict[str, float]:
        """Scaled to what a real minute would have had."""
        counted = dict(answers.get(who[0], {}).get(who[1], {}))
        before, self._counts[who] = self._counts.get(who, counted), counted
        new = {kind: count - before.get(kind, 0) for kind, count in counted.items()}
        return {"RequestCount": sum(new.values()) * self.hurry, ERRORS: new.get("5xx", 0) * self.hurry}

    def _seconds(self, requests: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], list[float]]:
        """How long targets took; of the last requests alone, since no more are kept."""
        found: dict[tuple[str, str], list[float]] = {}
        for one in requests:
            if one["at"] > self._newest:
                found.setdefault((one["service"], one["runtime"]), []).append(one["milliseconds"] / 1000)
        self._newest = max([self._newest, *(one["at"] for one in requests)])
        return found


ERRORS = "HTTPCode_Target_5XX_Count"


def _groups(status: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    for rule in status["rules"]:
        for share in rule["action"].get("forward", ()):
            yield share["arn"], (rule["service"], share["runtime"])


def _hosts(group: Mapping[str, Any]) -> dict[str, list[float]]:
    """Without targets nobody says how many are healthy."""
    states = [target["state"] for target in group["targets"] if target["state"] != "draining"]
    healthy = float(states.count("healthy"))
    return {"HealthyHostCount": [healthy], "UnHealthyHostCount": [len(states) - healthy]} if states else {}


def _of(name: str, dimensions: Mapping[str, str]) -> Series:
    return Series.of(BALANCING, name, dimensions)


@dataclass(slots=True)
class Functions:
    """Reads `GET /sandboxes` of a Lambda service: what was called, failed and was refused since the last time."""

    _before: dict[str, dict[str, int]] = field(default_factory=dict)

    def read(self, status: Mapping[str, Any]) -> Iterator[Measured]:
        for name, function in status["functions"].items():
            now = {metric: int(function.get(metric.lower(), 0)) for metric in KNOWN[FUNCTIONS]}
            before, self._before[name] = self._before.get(name, now), now
            for metric, count in now.items():
                if now["Invocations"] > before["Invocations"]:
                    yield Series.of(FUNCTIONS, metric, {"FunctionName": name}), [count - before[metric]]


@dataclass(slots=True)
class Logs:
    """Reads what has been added to the logs of a folder: lines in the embedded metric format."""

    folder: Path | None
    _read: dict[Path, int] = field(default_factory=dict)

    def skip(self) -> None:
        """What was said before is over."""
        self._read = {path: path.stat().st_size for path in self._paths()}

    def read(self) -> Iterator[Measured]:
        for path in self._paths():
            for line in self._new(path):
                yield from embedded(line)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.log")) if self.folder else []

    def _new(self, path: Path) -> list[str]:
        """Whole lines; a log that has become shorter begins again."""
        start = self._read.get(path, 0)
        start = 0 if path.stat().st_size < start else start
        with path.open("rb") as file:
            file.seek(start)
            whole = file.read().rpartition(b"\n")[0]
        self._read[path] = start + len(whole) + bool(whole)
        return whole.decode(errors="replace").splitlines()


def embedded(line: str) -> Iterator[Measured]:
    """The metrics of a line, once for each set of dimensions: "Embedded metric format specification"."""
    if '"_aws"' not in line or "{" not in line:
        return
    try:
        members = json.loads(line[line.index("{") :])
        described = members["_aws"]["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError):
        return
    for one in described:
        for dimensions in one["Dimensions"]:
            given = {name: str(members[name]) for name in dimensions}
            for metric in one["Metrics"]:
                values = members[metric["Name"]]
                series = Series.of(one["Namespace"], metric["Name"], given)
                yield series, values if isinstance(values, list) else [values]
