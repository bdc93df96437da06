"""What SNS hands to a function when an alarm changes, in the shape that CloudWatch gives it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from scripts.twin.alarms.evaluation import Change
from scripts.twin.alarms.reading import Alarm, Looked
from scripts.twin.alarms.samples import PLAIN
from scripts.twin.deployment.names import ACCOUNT, REGION

PLACE = "US East (N. Virginia)"  # how CloudWatch calls the region in messages
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"


def arn(alarm: str) -> str:
    return f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{alarm}"


def event(change: Change) -> dict[str, Any]:
    """ "Message" is JSON in a string, as for every subscriber."""
    notification = {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": TOPIC,
        "Subject": f'{change.after}: "{change.alarm.name}" in {PLACE}'[:100],
        "Message": json.dumps(message(change)),
        "Timestamp": _written(change.at),
        "MessageAttributes": {},
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": f"{TOPIC}:{uuid4()}",
        "Sns": notification,
    }
    return {"Records": [record]}


def message(change: Change) -> dict[str, Any]:
    alarm = change.alarm
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AlarmArn": arn(alarm.name),
        "AWSAccountId": ACCOUNT,
        "Region": PLACE,
        "NewStateValue": change.after,
        "OldStateValue": change.before,
        "NewStateReason": change.reason,
        "StateChangeTime": f"{_written(change.at)[:-1]}+0000",
        **(_composed(change) if alarm.rule else {"Trigger": _trigger(alarm)}),
    }


def _composed(change: Change) -> Mapping[str, Any]:
    children = [{"Arn": arn(name), "State": {"Value": "ALARM"}} for name in change.children]
    return {"AlarmRule": change.alarm.rule, "TriggeringChildren": children}


def _trigger(alarm: Alarm) -> Mapping[str, Any]:
    compared = {
        "Period": int(alarm.period),
        "EvaluationPeriods": alarm.periods,
        "DatapointsToAlarm": alarm.datapoints,
        "ComparisonOperator": alarm.comparison,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.missing,
    }
    if not alarm.formula:
        looked = alarm.series[""]
        plain = looked.statistic in PLAIN
        kind = {"StatisticType": "Statistic" if plain else "ExtendedStatistic"}
        said = {"Statistic": looked.statistic.upper()} if plain else {"ExtendedStatistic": looked.statistic}
        return {**compared, **_metric(looked), **kind, **said}
    queries = [
        {
            "Id": label,
            "MetricStat": {"Metric": _metric(looked), "Period": int(alarm.period), "Stat": looked.statistic},
            "ReturnData": False,
        }
        for label, looked in alarm.series.items()
    ]
    return {**compared, "Metrics": [{"Id": "result", "Expression": alarm.formula, "ReturnData": True}, *queries]}


def _metric(looked: Looked) -> dict[str, Any]:
    series = looked.series
    dimensions = [{"name": name, "value": value} for name, value in sorted(series.dimensions)]
    return {"MetricName": series.name, "Namespace": series.namespace, "Dimensions": dimensions}


def _written(moment: datetime) -> str:
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{moment.microsecond // 1000:03d}Z"
