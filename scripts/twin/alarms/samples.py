"""What was measured and when, and how CloudWatch makes one number of a window of it.

"CloudWatch statistics definitions" in the CloudWatch User Guide.
"""

import math
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

DAY = 86_400.0  # seconds: no alarm of the templates looks back further
PLAIN: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: sum(values) / len(values),
    "Maximum": max,
    "Minimum": min,
    "SampleCount": len,
    "Sum": sum,
}
PERCENTILE = re.compile(r"p(\d+(?:\.\d+)?)")
ABOVE = re.compile(r"(PR|TC)\((\d+(?:\.\d+)?):\)")


class Unreadable(ValueError):
    """A statistic or a formula that the twin does not know: it must not guess what CloudWatch would make of it."""


@dataclass(frozen=True, slots=True)
class Series:
    """Exactly as it was emitted: with a dimension more, less or other it is another series."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, namespace: str, name: str, dimensions: Mapping[str, str]) -> "Series":
        return cls(namespace, name, frozenset(dimensions.items()))


@dataclass(slots=True)
class Samples:
    """Values by series, in order of time (seconds)."""

    _at: dict[Series, list[float]] = field(default_factory=lambda: defaultdict(list))
    _values: dict[Series, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, series: Series, values: Iterable[float], at: float) -> None:
        """Nothing is added later that is older."""
        for value in values:
            self._at[series].append(at)
            self._values[series].append(value)

    def within(self, series: Series, begin: float, end: float) -> Sequence[float]:
        """Those after `begin` and not after `end`."""
        at = self._at.get(series, [])
        first, last = bisect_left(at, math.nextafter(begin, math.inf)), bisect_left(at, math.nextafter(end, math.inf))
        return self._values[series][first:last] if last > first else ()

    def forget(self, before: float) -> None:
        for series, at in self._at.items():
            gone = bisect_left(at, before)
            del at[:gone], self._values[series][:gone]


def statistic(name: str, values: Sequence[float]) -> float | None:
    """None without values. Raises Unreadable."""
    if name in PLAIN:
        return float(PLAIN[name](values)) if values else None
    if found := PERCENTILE.fullmatch(name):
        return _percentile(sorted(values), float(found[1]) / 100) if values else None
    if found := ABOVE.fullmatch(name):
        beyond = sum(value > float(found[2]) for value in values)
        return (100 * beyond / len(values) if found[1] == "PR" else float(beyond)) if values else None
    raise Unreadable(f"The twin has no statistic {name!r}.")


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Between the two nearest values."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
