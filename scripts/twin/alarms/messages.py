"""What SNS hands to a function when an alarm changes, in the shape that CloudWatch gives it."""

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

from scripts.twin.alarms.evaluation import Change
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
    trigger: dict[str, Any] = {
        "Period": int(alarm.period),
        "EvaluationPeriods": alarm.periods,
        "DatapointsToAlarm": alarm.datapoints,
        "ComparisonOperator": alarm.comparison,
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.missing,
    }
    dimensions = [{"name": "TargetGroup", "value": alarm.group.partition(":targetgroup/")[2]}]
    if alarm.formula:
        trigger["Metrics"] = [{"Id": "result", "Expression": alarm.formula, "ReturnData": True}]
    else:
        trigger |= {"MetricName": next(iter(alarm.metrics.values())), "Namespace": "AWS/ApplicationELB"}
        trigger["Dimensions"] = dimensions
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
        "Trigger": trigger,
    }


def _written(moment: datetime) -> str:
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}.{moment.microsecond // 1000:03d}Z"
