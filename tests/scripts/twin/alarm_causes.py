"""For each alarm of the templates, data that are its cause and data that are not; and who is subscribed to what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cfn.doctor.graph import World
from cfn.doctor.metrics import TOPIC
from cfn.doctor.rules.events_to_functions import SUBSCRIPTION
from chalicelib.notices import handle
from scripts.twin.alarms.evaluation import Change, Watch
from scripts.twin.alarms.messages import event
from scripts.twin.alarms.reading import Alarm
from scripts.twin.alarms.samples import ABOVE, Series
from scripts.twin.deployment.names import own_name
from tests.chalice_app.office import Office

Data = Mapping[Series, Sequence[float]]  # of one period
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
# By the names in a formula: the values of a period that is well, and of one that is not.
FORMULAS: Mapping[frozenset[str], tuple[Mapping[str, Sequence[float]], Mapping[str, Sequence[float]]]] = {
    frozenset({"errors", "requests"}): ({"requests": [100]}, {"errors": [6], "requests": [100]}),
    frozenset({"orders", "visits"}): ({"orders": [1], "visits": [5.0] * 2000}, {"visits": [5.0] * 2000}),
    frozenset({"refused", "placed"}): ({"refused": [5], "placed": [15]}, {"refused": [15], "placed": [5]}),
    frozenset({"own", "targets", "total"}): ({"total": [100]}, {"own": [10], "targets": [10], "total": [100]}),
}


def well(alarm: Alarm) -> Data:
    return _data(alarm, broken=False)


def broken(alarm: Alarm) -> Data:
    return _data(alarm, broken=True)


def _data(alarm: Alarm, *, broken: bool) -> Data:
    if not alarm.formula:
        return {alarm.series[""].series: [_beyond(alarm) if broken else _within(alarm)]}
    labels = frozenset(alarm.series)
    if labels == {"bad", "total"}:
        return _budget(alarm, broken=broken)
    values = FORMULAS[labels][broken]
    return {alarm.series[label].series: found for label, found in values.items()}


def _limit(alarm: Alarm) -> float:
    """Of a single value: a statistic of its own kind knows what is too much."""
    found = ABOVE.fullmatch(alarm.series[""].statistic)
    return float(found[2]) if found else alarm.threshold


def _beyond(alarm: Alarm) -> float:
    return _limit(alarm) + 1 if alarm.comparison.startswith("Greater") else 0


def _within(alarm: Alarm) -> float:
    return 0 if alarm.comparison.startswith("Greater") else _limit(alarm) + 1


def _budget(alarm: Alarm, *, broken: bool) -> Data:
    """Twenty requests, of which all are late, or have failed."""
    bad, total = alarm.series["bad"], alarm.series["total"]
    if found := ABOVE.fullmatch(bad.statistic):
        return {total.series: [float(found[2]) + 1 if broken else 1.0] * 20}
    return {bad.series: [20 if broken else 0], total.series: [1.0] * 20}


@dataclass(slots=True)
class Cloud:
    """CloudWatch, SNS and the function that tells Slack, in one process. A clock that only `period` moves."""

    world: World
    alarms: Iterable[Alarm]
    watch: Watch = field(init=False)
    office: Office = field(default_factory=Office)
    delivered: list[tuple[str, str, Change]] = field(default_factory=list)  # topic, subscriber, what it was told
    now: float = 0

    def __post_init__(self) -> None:
        self.watch = Watch(self.alarms)

    def pass_by(self, parts: Sequence[Alarm], data: Mapping[str, Data]) -> None:
        """So much time that each of these alarms has data, by its name, in all of its periods; then one look."""
        begin = self.now
        self.now += max(alarm.period * alarm.periods for alarm in parts)
        found = [
            (self.now - (back + 0.5) * alarm.period, series, values)
            for alarm in parts
            for back in range(alarm.periods)
            for series, values in data[alarm.name].items()
        ]
        for at, series, values in sorted(found, key=lambda one: one[0]):
            assert at > begin
            self.watch.samples.add(series, values, at)
        for change in self.watch.look(self.now, NOON + timedelta(seconds=self.now)):
            self._publish(change)

    def state(self, alarm: Alarm) -> str:
        return self.watch.watched[alarm.name].state

    def told(self, alarm: Alarm) -> list[str]:
        """The states that somebody has heard of, in their order."""
        return list(dict.fromkeys(change.after for _, _, change in self.delivered if change.alarm is alarm))

    def _publish(self, change: Change) -> None:
        """To every subscriber of every topic of the action; the function runs, with Slack alone in another's place."""
        for topic in change.alarm.told[change.after]:
            for subscriber in self._subscribers(topic):
                self.delivered.append((topic, subscriber, change))
                if subscriber.endswith("-ops-notify"):
                    assert handle(event(change), self.office.desk) == {"records": 1}

    def _subscribers(self, topic: str) -> Iterable[str]:
        for subscription in self.world.of(SUBSCRIPTION):
            found = self.world.at(subscription.get("TopicArn"), TOPIC)
            if found and found.name == topic:
                function = self.world.at(subscription.get("Endpoint"), "AWS::Lambda::Function")
                yield own_name(function, "FunctionName") if function else str(subscription.get("Protocol"))


def parts_of(alarm: Alarm, known: Mapping[str, Alarm]) -> list[Alarm]:
    """The alarms with data of their own that a composite is made of; any other is its own."""
    if not alarm.rule:
        return [alarm]
    inner = [one for name, one in known.items() if f'"{name}"' in alarm.rule]
    return [part for one in inner for part in parts_of(one, known)]


def elsewhere(data: Data) -> list[Data]:
    """The same with one dimension less, one more, and one other value."""

    def moved(change: Any) -> Data:
        return {Series(one.namespace, one.name, change(one.dimensions)): values for one, values in data.items()}

    first = {one: min(one.dimensions) for one in data}
    one_less = {Series(s.namespace, s.name, s.dimensions - {first[s]}): values for s, values in data.items()}
    return [
        one_less,
        moved(lambda dimensions: dimensions | {("route", "/")}),
        moved(lambda dimensions: frozenset((name, f"{value}-other") for name, value in dimensions)),
    ]
