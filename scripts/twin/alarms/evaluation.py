"""Alarms as CloudWatch evaluates them: so many of the last data points beyond the threshold, and a word for silence.

"Configuring how CloudWatch alarms treat missing data" and "Evaluating an alarm" in the CloudWatch User Guide. A window
of a period ends now and moves on with every look; CloudWatch looks once a minute.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from scripts.twin.alarms.expression import calculated, holds
from scripts.twin.alarms.reading import Alarm
from scripts.twin.alarms.samples import DAY, Samples, statistic

OK, RAISED, UNKNOWN = "OK", "ALARM", "INSUFFICIENT_DATA"
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, limit: value > limit,
    "GreaterThanOrEqualToThreshold": lambda value, limit: value >= limit,
    "LessThanThreshold": lambda value, limit: value < limit,
}
SILENCE: Mapping[str, bool] = {"breaching": True, "notBreaching": False}  # any other keeps the state


@dataclass(frozen=True, slots=True)
class Change:
    alarm: Alarm
    before: str
    after: str
    reason: str
    at: datetime
    children: tuple[str, ...] = ()  # of a composite alarm, those that are on


@dataclass(slots=True)
class Watched:
    """An alarm and its state. The state is UNKNOWN until there is enough to say."""

    alarm: Alarm
    state: str = UNKNOWN
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    reason: str = "Unchecked: Initial alarm creation"

    def measured(self, samples: Samples, now: float, began: float) -> tuple[str, str]:
        """The state that the last data points make of it, and why. `began` is when measuring did: a window that begins
        before is waited for, unless its silence is nothing to worry about. Raises Unreadable."""
        alarm, points, newest = self.alarm, [], "missing"
        for back in range(alarm.periods):
            end = now - back * alarm.period
            value = self._value(samples, end - alarm.period, end)
            if value is not None:
                points.append(COMPARISONS[alarm.comparison](value, alarm.threshold))
                newest = f"{value:g}" if not back else newest
            elif alarm.missing not in SILENCE or (SILENCE[alarm.missing] and end - alarm.period < began):
                return self.state, self.reason
            else:
                points.append(SILENCE[alarm.missing])
        raised = sum(points)
        compared = f"{alarm.comparison} {alarm.threshold:g}"
        reason = (
            f"Threshold Crossed: {raised} of the last {alarm.periods} data points; the newest is {newest} ({compared})."
        )
        return (RAISED if raised >= alarm.datapoints else OK), reason

    def _value(self, samples: Samples, begin: float, end: float) -> float | None:
        alarm = self.alarm
        known = {
            label: statistic(looked.statistic, samples.within(looked.series, begin, end))
            for label, looked in alarm.series.items()
        }
        return calculated(alarm.formula, known) if alarm.formula else known[""]

    def turn(self, state: str, reason: str, now: datetime, children: tuple[str, ...] = ()) -> Change | None:
        """The change of state, if it is one."""
        if state == self.state:
            return None
        change = Change(self.alarm, self.state, state, reason, now, children)
        self.state, self.since, self.reason = state, now, reason
        return change


class Watch:
    """All alarms over the same samples, the composite ones after those that they are made of."""

    def __init__(self, alarms: Iterable[Alarm], *, began: float = 0) -> None:
        """`began` is the second from which on there are samples."""
        self.samples = Samples()
        self.watched = {alarm.name: Watched(alarm) for alarm in alarms}
        self.unknown: frozenset[str] = frozenset()  # what these look at is not measured: they stay as they are
        self._began = began

    def look(self, now: float, at: datetime) -> Iterator[Change]:
        """What has changed by this second. Raises Unreadable."""
        known = [one for name, one in self.watched.items() if name not in self.unknown]
        plain, composite = ([one for one in known if bool(one.alarm.rule) is made] for made in (False, True))
        for one in plain:
            if change := one.turn(*one.measured(self.samples, now, self._began), at):
                yield change
        for _ in composite:  # one may be made of another: as often as there are, at most
            for one in composite:
                children = self.children(one.alarm)
                on = holds(one.alarm.rule, children.__contains__)
                said = f"{one.alarm.rule} is {'' if on else 'not '}true."
                if change := one.turn(RAISED if on else OK, said, at, children):
                    yield change
        self.samples.forget(now - DAY)

    def children(self, composite: Alarm, state: str = RAISED) -> tuple[str, ...]:
        """Those alarms of its rule that are in this state."""
        return tuple(name for name, one in self.watched.items() if f'"{name}"' in composite.rule and one.state == state)
