"""How an alarm is made: every one has a name that says whose it is, a reason, both actions, and a missing-data rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from troposphere import Ref, Sub, Template
from troposphere.cloudwatch import Alarm, CompositeAlarm, MetricDataQuery, MetricDimension, MetricStat
from troposphere.cloudwatch import Metric as MetricProperty

from cfn import names
from cfn.boxes.alerts import Alerts
from cfn.environments import Environment
from cfn.metrics import Series
from cfn.wiring import Value

Missing = Literal["notBreaching", "breaching", "ignore"]
ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`datapoints` of `periods` beyond the threshold raise the alarm."""

    threshold: float
    comparison: str = ABOVE
    period: int = 60
    periods: int = 3
    datapoints: int = 2
    missing: Missing = "notBreaching"


def alarm(
    template: Template,
    environment: Environment,
    alerts: Alerts | None,
    parts: Sequence[str],
    description: str,
    series: Series,
    limit: Limit,
) -> Alarm:
    """`parts` name it: whose, and what. The description says why the threshold is where it is. Without `alerts` it
    tells nobody: a composite alarm speaks for it."""
    plain = series.statistic in {"Average", "Maximum", "Minimum", "SampleCount", "Sum"}
    own = {
        "Namespace": series.metric.namespace,
        "MetricName": series.metric.name,
        "Dimensions": _dimensions(series),
        "Statistic" if plain else "ExtendedStatistic": series.statistic,
        "Period": limit.period,
    }
    return _alarm(template, environment, alerts, parts, description, limit, own)


def calculated(
    template: Template,
    environment: Environment,
    alerts: Alerts | None,
    parts: Sequence[str],
    description: str,
    series: Mapping[str, Series],
    expression: str,
    limit: Limit,
) -> Alarm:
    """From several series, by the names that the expression has for them."""
    queries = [_query(label, one, limit.period) for label, one in series.items()]
    result = MetricDataQuery(Id="result", Expression=expression, Label=parts[-1], ReturnData=True)
    return _alarm(template, environment, alerts, parts, description, limit, {"Metrics": [*queries, result]})


def composite(
    template: Template, environment: Environment, alerts: Alerts, parts: Sequence[str], description: str, rule: Value
) -> CompositeAlarm:
    return template.add_resource(
        CompositeAlarm(
            names.title(*parts),
            AlarmName=names.name(environment, *parts),
            AlarmDescription=description,
            AlarmRule=rule,
            ActionsEnabled=True,
            AlarmActions=[alerts.topic],
            OKActions=[alerts.topic],
        )
    )


def any_of_all(*groups: Sequence[Alarm | CompositeAlarm]) -> Sub:
    """The rule of a composite alarm: all alarms of one group are on."""
    spoken = [" AND ".join(f'ALARM("${{{one.title}}}")' for one in group) for group in groups]
    return Sub(
        " OR ".join(f"({each})" for each in spoken), **{one.title: Ref(one) for group in groups for one in group}
    )


def _query(label: str, series: Series, period: int) -> MetricDataQuery:
    metric = MetricProperty(
        Namespace=series.metric.namespace, MetricName=series.metric.name, Dimensions=_dimensions(series)
    )
    stat = MetricStat(Metric=metric, Period=period, Stat=series.statistic)
    return MetricDataQuery(Id=label, MetricStat=stat, ReturnData=False)


def _dimensions(series: Series) -> list[MetricDimension]:
    return [MetricDimension(Name=name, Value=value) for name, value in series.dimensions]


def _alarm(
    template: Template,
    environment: Environment,
    alerts: Alerts | None,
    parts: Sequence[str],
    description: str,
    limit: Limit,
    what: Mapping[str, Value],
) -> Alarm:
    told = [alerts.topic] if alerts else []
    return template.add_resource(
        Alarm(
            names.title(*parts, "alarm"),
            AlarmName=names.name(environment, *parts),
            AlarmDescription=description,
            ActionsEnabled=True,
            AlarmActions=told,
            OKActions=told,
            ComparisonOperator=limit.comparison,
            Threshold=limit.threshold,
            EvaluationPeriods=limit.periods,
            DatapointsToAlarm=limit.datapoints,
            TreatMissingData=limit.missing,
            **what,
        )
    )
