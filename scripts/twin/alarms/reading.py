"""The alarms of the templates and the functions of the operations app, as values that the twin runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cfn.doctor.graph import Resource, World
from cfn.doctor.metrics import dimensions, metrics
from cfn.doctor.rules.events_to_functions import SUBSCRIPTION, operations
from cfn.doctor.values import items, number
from scripts.twin.deployment.names import Names, Remote, own_name

ALARM, GROUP, TOPIC = "AWS::CloudWatch::Alarm", "AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::SNS::Topic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """`metrics` are those that it watches, by the name in its formula ("" without one), all of one target group; no
    group means that the twin cannot know it. `listeners` are names of functions by the state that they hear of."""

    name: str
    description: str
    group: str = ""  # ARN
    metrics: Mapping[str, str] = field(default_factory=dict)
    formula: str = ""
    threshold: float = 0
    comparison: str = ""
    period: float = 60  # seconds
    periods: int = 1
    datapoints: int = 1
    missing: str = "missing"
    listeners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


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
        found = [metric for _, metric in metrics(alarm)]
        groups = {
            group.key: group for metric in found for group in world.all_at(list(dimensions(metric).values()), GROUP)
        }
        (group,) = groups.values() if len(groups) == 1 else (None,)
        queries = [query for query in items(alarm.get("Metrics")) if query.get("MetricStat")]
        labels = [str(query["Id"]) for query in queries] or [""]
        formulas = [str(query["Expression"]) for query in items(alarm.get("Metrics")) if query.get("Expression")]
        yield Alarm(
            name=own_name(alarm, "AlarmName"),
            description=str(alarm.get("AlarmDescription") or ""),
            group=names.arn(group) or "" if group else "",
            metrics={label: str(metric.get("MetricName")) for label, metric in zip(labels, found, strict=True)},
            formula=formulas[0] if formulas else "",
            threshold=number(alarm.get("Threshold")) or 0,
            comparison=str(alarm.get("ComparisonOperator")),
            period=_period(alarm, queries),
            periods=int(number(alarm.get("EvaluationPeriods")) or 1),
            datapoints=int(number(alarm.get("DatapointsToAlarm")) or number(alarm.get("EvaluationPeriods")) or 1),
            missing=str(alarm.get("TreatMissingData") or "missing"),
            listeners={
                state: tuple(_listeners(world, alarm.get(action)))
                for state, action in (("ALARM", "AlarmActions"), ("OK", "OKActions"))
            },
        )


def _period(alarm: Resource, queries: list[dict[str, Any]]) -> float:
    stated = [query["MetricStat"].get("Period") for query in queries] or [alarm.get("Period")]
    return number(stated[0]) or 60


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
