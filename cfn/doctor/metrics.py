"""The series an alarm looks at."""

from collections.abc import Iterator
from typing import Any

from cfn.doctor.graph import Resource
from cfn.doctor.values import dig, items


def metrics(alarm: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each metric it looks at, with its dimensions, from the alarm itself or from its expressions."""
    if alarm.get("MetricName"):
        yield "", alarm.properties
    for index, entry in enumerate(items(alarm.get("Metrics"))):
        if metric := dig(entry, "MetricStat", "Metric"):
            yield f"Metrics.{index}.MetricStat.Metric.", metric


def dimensions(metric: dict[str, Any]) -> dict[str, Any]:
    return {str(d.get("Name")): d.get("Value") for d in items(metric.get("Dimensions"))}
