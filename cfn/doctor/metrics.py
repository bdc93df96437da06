"""Alarms, the series they look at, and who speaks for whom."""

from collections.abc import Iterator
from typing import Any

from cfn.doctor.graph import Resource, World
from cfn.doctor.values import dig, items, number

ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
TOPIC = "AWS::SNS::Topic"


def metrics(alarm: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each metric it looks at, with its dimensions, from the alarm itself or from its expressions."""
    if alarm.get("MetricName"):
        yield "", alarm.properties
    for index, entry in enumerate(items(alarm.get("Metrics"))):
        if metric := dig(entry, "MetricStat", "Metric"):
            yield f"Metrics.{index}.MetricStat.Metric.", metric


def periods_of(alarm: Resource) -> Iterator[tuple[str, float | None]]:
    """The seconds over which each of its series is read, and where they stand."""
    for path, metric in metrics(alarm):
        index = path.split(".")[1:2]
        found = dig(alarm.properties, "Metrics", int(index[0]), "MetricStat") if index else metric
        yield path, number(found.get("Period"))


def dimensions(metric: dict[str, Any]) -> dict[str, Any]:
    return {str(d.get("Name")): d.get("Value") for d in items(metric.get("Dimensions"))}


def spoken_for(world: World, alarm: Resource) -> bool:
    """It tells nobody by itself: a composite alarm that is made of it does."""
    if alarm.type != ALARM or alarm.get("AlarmActions") or alarm.get("OKActions"):
        return False
    return bool(world.users(alarm, COMPOSITE))
