"""An alarm as CloudWatch evaluates it: so many of the last data points beyond the threshold, and a word for silence.

"Configuring how CloudWatch alarms treat missing data" and "Evaluating an alarm" in the CloudWatch User Guide.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from scripts.twin.alarms.reading import Alarm

OK, RAISED, UNKNOWN = "OK", "ALARM", "INSUFFICIENT_DATA"
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "LessThanThreshold": lambda value, limit: value < limit,
}
SILENCE: Mapping[str, bool] = {"breaching": True, "notBreaching": False}  # any other keeps the state
Metrics = Mapping[str, float | None]  # by their names; None: no data


def _error_share(metrics: Metrics) -> float:
    requests, errors = metrics["requests"] or 0, metrics["errors"] or 0
    return 100 * errors / requests if requests >= 20 else 0


FORMULAS: Mapping[str, Callable[[Metrics], float | None]] = {
    "": lambda metrics: next(iter(metrics.values())),
    "IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0)": _error_share,
}
"""Those that the templates have, by their text. An alarm with another one is an alarm that the twin cannot know."""


@dataclass(frozen=True, slots=True)
class Change:
    alarm: Alarm
    before: str
    after: str
    reason: str
    at: datetime


@dataclass(slots=True)
class Watched:
    """`known` are the names of the metrics that the twin has. The state is UNKNOWN until there are data."""

    alarm: Alarm
    known: frozenset[str]
    state: str = UNKNOWN
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    reason: str = "Unchecked: Initial alarm creation"
    _points: deque[bool | None] = field(init=False)

    def __post_init__(self) -> None:
        self._points = deque(maxlen=self.alarm.periods)

    @property
    def knowable(self) -> bool:
        alarm = self.alarm
        return bool(alarm.group) and set(alarm.metrics.values()) <= self.known and alarm.formula in FORMULAS

    def add(self, metrics: Metrics, now: datetime) -> Change | None:
        """The data of one more period, by the metrics' own names; the change of state that follows, if any."""
        alarm = self.alarm
        value = FORMULAS[alarm.formula]({label: metrics.get(name) for label, name in alarm.metrics.items()})
        beyond = None if value is None else COMPARISONS[alarm.comparison](value, alarm.threshold)
        self._points.append(SILENCE.get(alarm.missing) if beyond is None else beyond)
        if len(self._points) < alarm.periods or None in self._points:
            return None
        raised = sum(map(bool, self._points))
        state = RAISED if raised >= alarm.datapoints else OK
        if state == self.state:
            return None
        shown = "missing" if value is None else f"{value:g}"
        reason = f"Threshold Crossed: {raised} of the last {alarm.periods} data points; the newest is {shown}"
        change = Change(alarm, self.state, state, f"{reason} ({alarm.comparison} {alarm.threshold:g}).", now)
        self.state, self.since, self.reason = state, now, change.reason
        return change
