"""How an alarm is made: every one has a name that says whose it is, a reason, both actions, and a missing-data rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from troposphere import Template
from troposphere.cloudwatch import Alarm, Metric, MetricDataQuery, MetricDimension, MetricStat

from cfn import names
from cfn.boxes.alerts import Alerts
from cfn.environments import Environment
from cfn.wiring import Value

Missing = Literal["notBreaching", "breaching", "ignore"]
ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric as CloudWatch names it."""

    namespace: str
    metric: str
    statistic: str
    dimensions: Mapping[str, Value] = field(default_factory=dict)

    def properties(self) -> dict[str, Value]:
        percentile = self.statistic.startswith("p")
        return {
            "Namespace": self.namespace,
            "MetricName": self.metric,
            "Dimensions": self.listed(),
            "ExtendedStatistic" if percentile else "Statistic": self.statistic,
        }

    def listed(self) -> list[MetricDimension]:
        return [MetricDimension(Name=name, Value=value) for name, value in self.dimensions.items()]

    def query(self, label: str, period: int) -> MetricDataQuery:
        metric = Metric(Namespace=self.namespace, MetricName=self.metric, Dimensions=self.listed())
        stat = MetricStat(Metric=metric, Period=period, Stat=self.statistic)
        return MetricDataQuery(Id=label, MetricStat=stat, ReturnData=False)


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
    alerts: Alerts,
    parts: Sequence[str],
    description: str,
    series: Series,
    limit: Limit,
) -> Alarm:
    """`parts` name it: whose, and what. The description says why the threshold is where it is."""
    own = series.properties() | {"Period": limit.period}
    return _alarm(template, environment, alerts, parts, description, limit, own)


def ratio(
    template: Template,
    environment: Environment,
    alerts: Alerts,
    parts: Sequence[str],
    description: str,
    series: Mapping[str, Series],
    expression: str,
    limit: Limit,
) -> Alarm:
    queries = [one.query(label, limit.period) for label, one in series.items()]
    result = MetricDataQuery(Id="result", Expression=expression, Label=parts[-1], ReturnData=True)
    return _alarm(template, environment, alerts, parts, description, limit, {"Metrics": [*queries, result]})


def _alarm(
    template: Template,
    environment: Environment,
    alerts: Alerts,
    parts: Sequence[str],
    description: str,
    limit: Limit,
    what: Mapping[str, Value],
) -> Alarm:
    return template.add_resource(
        Alarm(
            names.title(*parts, "alarm"),
            AlarmName=names.name(environment, *parts),
            AlarmDescription=description,
            ActionsEnabled=True,
            AlarmActions=[alerts.topic],
            OKActions=[alerts.topic],
            ComparisonOperator=limit.comparison,
            Threshold=limit.threshold,
            EvaluationPeriods=limit.periods,
            DatapointsToAlarm=limit.datapoints,
            TreatMissingData=limit.missing,
            **what,
        )
    )
