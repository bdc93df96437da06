"""Alarms that can be raised, are calculated as CloudWatch can, and reach somebody."""

import re
from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import World
from cfn.doctor.metrics import ALARM, COMPOSITE, TOPIC, metrics, periods_of, spoken_for
from cfn.doctor.values import dig, items, number, truth

rule = Rules()
HOUR, DAY, WEEK = 3600, 86_400, 604_800  # seconds: how far back an alarm looks, "PutMetricAlarm" in the API reference
MOST_SERIES = 10  # of an expression, there too


@rule("TND-OBS-01", "Every alarm tells somebody, when it begins and when it ends")
def actions(world: World) -> Iterator[Fault]:
    """An alarm without an action is a number on a page nobody opens. Those that speak through a composite alarm, and
    those that exist to roll a deployment back, are heard there."""
    for alarm in world.of(ALARM, COMPOSITE):
        if truth(alarm.get("ActionsEnabled")) is False:
            yield Fault(alarm, "ActionsEnabled", "its actions are switched off", "leave it on")
        if spoken_for(world, alarm):
            continue
        for name in ("AlarmActions", "OKActions"):
            if not world.all_at(alarm.get(name), TOPIC) or len(world.all_at(alarm.get(name))) != len(
                items(alarm.get(name))
            ):
                yield Fault(alarm, name, "it tells no declared topic", "refer to the topic")


@rule("TND-OBS-02", "Every alarm decides what silence means")
def silence(world: World) -> Iterator[Fault]:
    """No requests is no error, but no healthy host is one. The default, missing, keeps the last state for ever."""
    for alarm in world.of(ALARM):
        if alarm.get("TreatMissingData") not in {"breaching", "notBreaching", "ignore"}:
            yield Fault(alarm, "TreatMissingData", "it does not say", "set breaching or notBreaching")
        periods, points = number(alarm.get("EvaluationPeriods")), number(alarm.get("DatapointsToAlarm"))
        if periods is None or not 1 <= periods <= 30 or (points is not None and not 1 <= points <= periods):
            yield Fault(alarm, "EvaluationPeriods", f"{points} of {periods} periods", "use points within the periods")
        longest = max((seconds or 0 for _, seconds in periods_of(alarm)), default=0)
        if longest * (periods or 1) > (WEEK if longest >= HOUR else DAY):
            yield Fault(alarm, "EvaluationPeriods", f"{periods} times {longest:g} s", "look back a day at most")


@rule("TND-OBS-07", "The threshold can be crossed")
def thresholds(world: World) -> Iterator[Fault]:
    """A percentage above 100, a count below nothing, or a comparison turned round never fires, or always."""
    up = {"GreaterThanThreshold", "GreaterThanOrEqualToThreshold"}
    for alarm in world.of(ALARM):
        value, compared = number(alarm.get("Threshold")), alarm.get("ComparisonOperator")
        found = [str(metric.get("MetricName")) for _, metric in metrics(alarm)]
        low = found[:1] != [] and found[0] in FALLING  # the first series is what it is about
        if value is None or value < 0 or compared is None:
            yield Fault(alarm, "Threshold", f"{compared} {value}", "state operator and threshold")
        elif (compared in up) is low and not (value == 1 and found == [GONE]):
            yield Fault(alarm, "ComparisonOperator", f"{found[0]} with {compared}", "turn the comparison round")
        elif any("Utilization" in name for name in found) and not 40 <= value <= 95:
            yield Fault(alarm, "Threshold", f"{found[0]} of {value}", "use 40 to 95 percent")
        for path, period in periods_of(alarm):
            if period is None or (period not in {10, 30} and period % 60):
                yield Fault(alarm, f"{path}Period", f"the period is {period}", "use multiples of 60 s")


FALLING = {
    "BurstBalance",
    "CPUCreditBalance",
    "FreeStorageSpace",
    "FreeableMemory",
    "HealthyHostCount",
    "Invocations",
    "OrdersPlaced",
}
GONE = "DatabaseConnections"  # too many is one alarm, none at all another


@rule("TND-OBS-11", "An alarm is one calculation that CloudWatch can do")
def calculations(world: World) -> Iterator[Fault]:
    """One series with one statistic, or several with an expression that uses each of them and returns one result."""
    for alarm in world.of(ALARM):
        if alarm.get("MetricName"):
            statistics = [alarm.get("Statistic"), alarm.get("ExtendedStatistic")]
            if statistics.count(None) != 1:
                yield Fault(alarm, "Statistic", "it has no statistic, or two", "give Statistic or ExtendedStatistic")
            if not items(alarm.get("Dimensions")) and str(alarm.get("Namespace")).startswith("AWS/"):
                yield Fault(alarm, "Dimensions", "it watches nothing in particular", "name what it watches")
        elif problem := _calculation(items(alarm.get("Metrics"))):
            yield Fault(alarm, "Metrics", problem, "let one expression return a result from the named series")


def _calculation(queries: list[dict[str, Any]]) -> str | None:
    results = [query for query in queries if truth(query.get("ReturnData")) is not False]
    if (
        len(results) != 1
        or truth(results[0].get("ReturnData")) is None
        or not results[0].get("Expression")
        or not results[0].get("Label")
    ):
        return f"{len(results)} of its series are results"
    if len(queries) - 1 > MOST_SERIES:
        return f"it is made of {len(queries) - 1} series"
    expression = str(results[0]["Expression"])
    known = {str(query.get("Id")) for query in queries if query is not results[0]}
    used = set(re.findall(r"\b[a-z]\w*\b", expression))
    if known != used or len(queries) != len(known) + 1 or not results[0].get("Id"):
        return f"{expression} uses {sorted(used)} and there are {sorted(known)}"
    for query in queries:
        if query is not results[0] and not (
            dig(query, "MetricStat", "Stat") and items(dig(query, "MetricStat", "Metric", "Dimensions"))
        ):
            return f"{query.get('Id')} is no complete series"
    return None


@rule("TND-OBS-12", "Thresholds are where something is wrong, not where all is lost")
def limits(world: World) -> Iterator[Fault]:
    """An alarm at two hundred errors a minute, or at a latency of a minute, is one nobody hears in time."""
    for alarm in world.of(ALARM):
        value = number(alarm.get("Threshold"))
        for _, metric in metrics(alarm):
            most = MOST.get(str(metric.get("MetricName")))
            if most is not None and value is not None and value > most:
                yield Fault(alarm, "Threshold", f"{metric['MetricName']} above {value}", f"use {most} at most")


MOST = {
    "BackgroundFailures": 20,
    "5xxErrorRate": 20,
    "ErrorPortAllocation": 20,
    "Errors": 20,
    "HTTPCode_ELB_5XX_Count": 50,
    "HTTPCode_Target_5XX_Count": 50,
    "HealthyHostCount": 2,
    "OversellGuardHits": 0,
    "PoolWait": 1000,
    "RejectedConnectionCount": 20,
    "ReplicaLag": 600,
    "TargetConnectionErrorCount": 50,
    "TargetResponseTime": 5,
    "Throttles": 20,
    "UnHealthyHostCount": 2,
}


@rule("TND-OBS-09", "Composite alarms are made of declared alarms")
def composites(world: World) -> Iterator[Fault]:
    """A name that no alarm has is refused; alarms outside the rule are not part of the sentence."""
    for alarm in world.of(COMPOSITE):
        parts = world.all_at(alarm.get("AlarmRule"), ALARM, COMPOSITE)
        if not parts or str(alarm.get("AlarmRule")).count("ALARM(") < len(parts):
            yield Fault(alarm, "AlarmRule", "it combines no declared alarms", "write ALARM(<name>) of each")
