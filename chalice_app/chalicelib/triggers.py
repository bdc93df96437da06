"""What an alarm watches and beyond which threshold, in words: a metric, arithmetic on several, a band, other alarms."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.reading import decoded, mapping, mappings, number, text

COMPARISONS = {
    "GreaterThanThreshold": "above",
    "GreaterThanOrEqualToThreshold": "at or above",
    "LessThanThreshold": "below",
    "LessThanOrEqualToThreshold": "at or below",
    "LessThanLowerOrGreaterThanUpperThreshold": "outside",
    "LessThanLowerThreshold": "below",
    "GreaterThanUpperThreshold": "above",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line of an alarm: a metric, or an expression on others."""

    label: str = ""
    expression: str = ""
    namespace: str = ""
    metric: str = ""
    statistic: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        what = self.expression or " ".join(filter(None, (self.namespace, self.metric)))
        statistic = f" ({self.statistic})" if self.statistic else ""
        return f"{what}{statistic}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """`threshold`, `rule` (of a composite alarm) and `children` (that raised it) are empty where there is none."""

    series: Sequence[Series] = ()
    threshold: str = ""
    rule: str = ""
    children: Sequence[str] = ()

    @property
    def dimensions(self) -> Mapping[str, str]:
        """Those of all metrics together; where two differ, the first counts."""
        return {key: value for one in reversed(self.series) for key, value in one.dimensions.items()}

    @property
    def namespace(self) -> str:
        return next((one.namespace for one in self.series if one.namespace), "")

    def facts(self) -> dict[str, str]:
        lines = [f"{one.label}: {one}" if one.label and len(self.series) > 1 else str(one) for one in self.series]
        found = {
            "Threshold": self.threshold,
            "Metrics" if len(lines) > 1 else "Metric": "\n".join(lines),
            "Dimensions": "\n".join(f"{key} = {value}" for key, value in self.dimensions.items()),
            "Rule": self.rule,
            "Raised by": "\n".join(self.children),
        }
        return {name: value for name, value in found.items() if value.strip()}


def of_notification(document: Mapping[str, Any]) -> Trigger:
    """From the alarm's own message: `Trigger`, or the rule of a composite alarm."""
    trigger = mapping(document.get("Trigger"))
    series = [_series(entry) for entry in mappings(trigger.get("Metrics"))]
    if text(trigger.get("MetricName")):
        statistic = text(trigger.get("ExtendedStatistic")) or text(trigger.get("Statistic")).capitalize()
        series = [_metric(trigger, text(trigger.get("MetricName")), trigger.get("Dimensions"), statistic)]
    children = [_name(text(child.get("Arn"))) for child in mappings(document.get("TriggeringChildren"))]
    return Trigger(
        series=series, threshold=_threshold(trigger), rule=text(document.get("AlarmRule")), children=_known(children)
    )


def of_event(configuration: Mapping[str, Any], state: Mapping[str, Any]) -> Trigger:
    """From EventBridge's form, where the threshold is found in the reason alone."""
    reason = decoded(state.get("reasonData"))
    children = [_name(text(child.get("arn"))) for child in mappings(reason.get("triggeringAlarms"))]
    threshold = number(reason.get("threshold"))
    return Trigger(
        series=[_series(entry) for entry in mappings(configuration.get("metrics"))],
        threshold="" if threshold is None else f"{threshold:g}",
        rule=text(configuration.get("alarmRule")),
        children=_known(children),
    )


def _series(entry: Mapping[str, Any]) -> Series:
    """One entry of `Metrics`; EventBridge begins the same names with small letters."""
    entry = _capitalized(entry)
    label = text(entry.get("Id"))
    if text(entry.get("Expression")):
        return Series(label=label, expression=text(entry["Expression"]))
    measured = _capitalized(mapping(entry.get("MetricStat")))
    metric = _capitalized(mapping(measured.get("Metric")))
    name = text(metric.get("MetricName")) or text(metric.get("Name"))
    return _metric(metric, name, metric.get("Dimensions"), text(measured.get("Stat")), label)


def _metric(entry: Mapping[str, Any], name: str, dimensions: Any, statistic: str, label: str = "") -> Series:
    return Series(
        label=label,
        namespace=text(entry.get("Namespace")),
        metric=name,
        statistic=statistic,
        dimensions=dict(_dimensions(dimensions)),
    )


def _dimensions(value: Any) -> Iterator[tuple[str, str]]:
    """`{name: value}`, or a list of `{name, value}` with either case of letters."""
    for name, content in mapping(value).items():
        yield name, text(content)
    for entry in map(_capitalized, mappings(value)):
        if text(entry.get("Name")):
            yield entry["Name"], text(entry.get("Value"))


def _threshold(trigger: Mapping[str, Any]) -> str:
    comparison = text(trigger.get("ComparisonOperator"))
    limit = number(trigger.get("Threshold"))
    band = text(trigger.get("ThresholdMetricId"))
    if not comparison or (limit is None and not band):
        return ""
    beyond = f"the band {band}" if band else f"{limit:g}"
    return " ".join(filter(None, (COMPARISONS.get(comparison, comparison), beyond, _patience(trigger))))


def _patience(trigger: Mapping[str, Any]) -> str:
    periods, seconds = number(trigger.get("EvaluationPeriods")), number(trigger.get("Period"))
    enough = number(trigger.get("DatapointsToAlarm")) or periods
    if periods is None or enough is None:
        return ""
    length = f" of {seconds:g} s" if seconds else ""
    return f"in {enough:g} of {periods:g} periods{length}"


def _capitalized(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key)[:1].upper() + str(key)[1:]: value for key, value in entry.items()}


def _name(arn: str) -> str:
    return arn.partition(":alarm:")[2]


def _known(names: Sequence[str]) -> list[str]:
    return [name for name in names if name]
