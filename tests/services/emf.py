"""CloudWatch as a reader of lines: which of them it takes as metrics, and what it would have summed up.

The rules are those of the specification; a line that breaks one is kept as a log line and is no metric, without a word:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

UNITS = {
    *("Seconds", "Microseconds", "Milliseconds", "Percent", "Count", "Count/Second", "None"),
    *(f"{size}{what}" for size in ("", "Kilo", "Mega", "Giga", "Tera") for what in ("bytes", "bits")),
}
_TEXT = re.compile(r"[\x20-\x7e]{1,1024}")
Dimensions = frozenset[tuple[str, str]]


def flaws(line: str) -> list[str]:
    """Why CloudWatch would not take it; nothing, when it would."""
    document = json.loads(line)
    metadata = document["_aws"]
    found = [] if isinstance(metadata["Timestamp"], int) else ["the time is no integer"]
    if len(line.encode()) > 1_000_000:
        found.append("the line is too long")
    for directive in metadata["CloudWatchMetrics"]:
        found += _directive_flaws(document, directive)
    return found


def _directive_flaws(document: Mapping[str, Any], directive: Mapping[str, Any]) -> list[str]:
    found = [] if re.fullmatch(r"[\w/.#:-]{1,1024}", directive["Namespace"]) else ["the namespace is malformed"]
    if not directive["Dimensions"] or not 0 < len(directive["Metrics"]) <= 100:
        found.append("no set of dimensions, or too few or too many metrics")
    for names in directive["Dimensions"]:
        if len(names) > 30 or len(set(names)) != len(names):
            found.append("too many dimensions, or one of them twice")
        found += [f"dimension {name} has no value" for name in names if not _named(document.get(name))]
    for metric in directive["Metrics"]:
        if metric["Unit"] not in UNITS:
            found.append(f"{metric['Unit']} is no unit")
        values = _values(document.get(metric["Name"]))
        if not 0 < len(values) <= 100 or not all(_finite(value) for value in values):
            found.append(f"{metric['Name']} has none, too many or odd values")
    return found


def _named(value: Any) -> bool:
    return isinstance(value, str) and bool(_TEXT.fullmatch(value)) and bool(value.strip())


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@dataclass
class CloudWatch:
    """Takes lines (`hear`) and keeps what it read in them."""

    lines: list[str] = field(default_factory=list)
    _values: dict[tuple[str, Dimensions], list[float]] = field(default_factory=lambda: defaultdict(list))
    _units: dict[str, str] = field(default_factory=dict)

    def hear(self, line: str) -> None:
        assert "\n" not in line
        assert flaws(line) == [], line
        self.lines.append(line)
        document = json.loads(line)
        for directive in document["_aws"]["CloudWatchMetrics"]:
            for metric in directive["Metrics"]:
                assert self._units.setdefault(metric["Name"], metric["Unit"]) == metric["Unit"]
                for names in directive["Dimensions"]:
                    key = metric["Name"], frozenset((name, document[name]) for name in names)
                    self._values[key] += _values(document[metric["Name"]])

    def hear_all(self, output: Iterable[str]) -> None:
        """Those of a process's lines that are metrics."""
        for line in output:
            if line.startswith('{"_aws"'):
                self.hear(line)

    def values(self, metric: str, service: str, environment: str = "local", **own: str) -> list[float]:
        """Every value under exactly these dimensions, as CloudWatch keeps them apart."""
        dimensions = {"environment": environment, "service": service, **own}
        return self._values.get((metric, frozenset(dimensions.items())), [])

    def total(self, metric: str, service: str, **own: str) -> float:
        return sum(self.values(metric, service, **own))

    def by(self, metric: str, service: str, dimension: str) -> dict[str, list[float]]:
        """The values under each value of a dimension of the metric's own."""
        return {
            found: values
            for (name, dimensions), values in self._values.items()
            if name == metric and ("service", service) in dimensions
            for key, found in dimensions
            if key == dimension
        }
