"""The alarms of the templates and the functions of the operations app, as values that the twin runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cfn.doctor.graph import Resource, World
from cfn.doctor.metrics import ALARM, COMPOSITE, TOPIC, dimensions, metrics
from cfn.doctor.rules.events_to_functions import SUBSCRIPTION, operations
from cfn.doctor.values import Reference, Text, items, number
from scripts.twin.alarms.samples import Series
from scripts.twin.deployment.names import Names, Remote, own_name


@dataclass(frozen=True, slots=True)
class Looked:
    """A series, and what is made of a period of it."""

    series: Series
    statistic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """`series` are those that it watches, by their names in its formula ("" without one); a composite alarm has a
    `rule` in their place. `listeners` are names of functions by the state that they hear of, `told` the topics."""

    name: str
    description: str
    series: Mapping[str, Looked] = field(default_factory=dict)
    formula: str = ""
    rule: str = ""
    threshold: float = 0
    comparison: str = ""
    period: float = 60  # seconds
    periods: int = 1
    datapoints: int = 1
    missing: str = "missing"
    listeners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Woken:
    """A function of the operations app. `every` is the seconds between two of its scheduled runs; 0 without any."""

    name: str
    handler: str
    timeout: int
    memory: int
    concurrency: int
    settings: Mapping[str, str]
    every: float = 0


def alarms(world: World) -> Iterator[Alarm]:
    names = Names(world)
    for alarm in world.of(ALARM):
        queries = [query for query in items(alarm.get("Metrics")) if query.get("MetricStat")]
        formulas = [str(query["Expression"]) for query in items(alarm.get("Metrics")) if query.get("Expression")]
        yield Alarm(
            name=own_name(alarm, "AlarmName"),
            description=str(alarm.get("AlarmDescription") or ""),
            series=dict(_series(names, alarm, queries)),
            formula=formulas[0] if formulas else "",
            threshold=number(alarm.get("Threshold")) or 0,
            comparison=str(alarm.get("ComparisonOperator")),
            period=_period(alarm, queries),
            periods=int(number(alarm.get("EvaluationPeriods")) or 1),
            datapoints=int(number(alarm.get("DatapointsToAlarm")) or number(alarm.get("EvaluationPeriods")) or 1),
            missing=str(alarm.get("TreatMissingData") or "missing"),
            **_actions(world, alarm),
        )
    for alarm in world.of(COMPOSITE):
        yield Alarm(
            name=own_name(alarm, "AlarmName"),
            description=str(alarm.get("AlarmDescription") or ""),
            rule=_rule(world, alarm.get("AlarmRule")),
            **_actions(world, alarm),
        )


def _series(names: Names, alarm: Resource, queries: list[dict[str, Any]]) -> Iterator[tuple[str, Looked]]:
    """The path of a metric leads to its query; an alarm without any is its own."""
    labels = [str(query["Id"]) for query in queries] or [""]
    stats = [str(query["MetricStat"]["Stat"]) for query in queries]
    stats = stats or [str(alarm.get("Statistic") or alarm.get("ExtendedStatistic"))]
    for label, stat, (_, metric) in zip(labels, stats, metrics(alarm), strict=True):
        given = {name: value_of(names, value) for name, value in dimensions(metric).items()}
        yield label, Looked(Series.of(str(metric.get("Namespace")), str(metric.get("MetricName")), given), stat)


def value_of(names: Names, value: Any) -> str:
    """Of a dimension. What only AWS can name stands for itself, by what it refers to."""
    try:
        return names.text(value)
    except Remote as remote:
        return str(remote)


def _period(alarm: Resource, queries: list[dict[str, Any]]) -> float:
    stated = [query["MetricStat"].get("Period") for query in queries] or [alarm.get("Period")]
    return number(stated[0]) or 60


def _rule(world: World, rule: Any) -> str:
    """With the names of alarms where they are referred to."""
    parts = rule.parts if isinstance(rule, Text) else (rule,)
    return "".join(_called(world, part) if isinstance(part, Reference) else str(part) for part in parts)


def _called(world: World, reference: Reference) -> str:
    found = world.at(reference, ALARM, COMPOSITE)
    return own_name(found, "AlarmName") if found else str(reference)


def _actions(world: World, alarm: Resource) -> dict[str, Any]:
    states = (("ALARM", "AlarmActions"), ("OK", "OKActions"))
    return {
        "told": {
            state: tuple(topic.name for topic in world.all_at(alarm.get(action), TOPIC)) for state, action in states
        },
        "listeners": {state: tuple(_listeners(world, alarm.get(action))) for state, action in states},
    }


def _listeners(world: World, actions: Any) -> Iterator[str]:
    topics = {topic.key for topic in world.all_at(actions, TOPIC)}
    for subscription in world.of(SUBSCRIPTION):
        topic = world.at(subscription.get("TopicArn"), TOPIC)
        function = world.at(subscription.get("Endpoint"), "AWS::Lambda::Function")
        if topic and function and topic.key in topics:
            yield own_name(function, "FunctionName")


def functions(world: World) -> Iterator[Woken]:
    names = Names(world)
    for function in operations(world):
        yield Woken(
            name=own_name(function, "FunctionName"),
            handler=str(function.get("Handler")),
            timeout=int(number(function.get("Timeout")) or 3),
            memory=int(number(function.get("MemorySize")) or 128),
            concurrency=int(number(function.get("ReservedConcurrentExecutions")) or 1),
            settings=dict(_settings(names, function.get("Environment", "Variables") or {})),
            every=_every(world, function),
        )


def _settings(names: Names, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What only AWS has, such as a table, is left out: the app then does without."""
    for key, value in given.items():
        try:
            yield key, names.text(value)
        except Remote:
            continue


def _every(world: World, function: Resource) -> float:
    """Daily work is nothing to wait for here: it counts as not scheduled."""
    rates = {"rate(1 minute)": 60.0}
    found = [rates.get(str(one.get("ScheduleExpression")), 0.0) for one in world.users(function, "AWS::Events::Rule")]
    return max(found, default=0.0)
