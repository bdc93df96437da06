"""What AWS sends: alarms of every kind, as their topic and as EventBridge tell them, and what else comes to a topic."""

import json
from typing import Any
from zlib import crc32

ACCOUNT = "123456789012"
RAISED = "2026-11-22T21:40:05.123+0000"
Document = dict[str, Any]


def arn(name: str, *, partition: str = "aws", region: str = "eu-west-1") -> str:
    return f"arn:{partition}:cloudwatch:{region}:{ACCOUNT}:alarm:{name}"


def notification(name: str, **changes: Any) -> Document:
    """The head that every alarm's own message has."""
    return {
        "AlarmName": name,
        "AlarmDescription": "Above 80 % for a quarter of an hour, queries queue.",
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": "2026-11-20T08:00:00.000+0000",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 3 out of the last 3 datapoints were greater than the threshold (80.0).",
        "StateChangeTime": RAISED,
        "Region": "EU (Ireland)",
        "AlarmArn": arn(name),
        "OldStateValue": "OK",
        "OKActions": [f"arn:aws:sns:eu-west-1:{ACCOUNT}:tandem-alarms"],
        "AlarmActions": [f"arn:aws:sns:eu-west-1:{ACCOUNT}:tandem-alarms"],
        "InsufficientDataActions": [],
    } | changes


def metric(name: str = "tandem-test-database-cpuutilization", **changes: Any) -> Document:
    trigger = {
        "MetricName": "CPUUtilization",
        "Namespace": "AWS/RDS",
        "StatisticType": "Statistic",
        "Statistic": "AVERAGE",
        "Unit": None,
        "Dimensions": [{"value": "tandem-test", "name": "DBInstanceIdentifier"}],
        "Period": 300,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 3,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 80.0,
        "TreatMissingData": "notBreaching",
        "EvaluateLowSampleCountPercentile": "",
    }
    return notification(name, Trigger=trigger) | changes


def percentile() -> Document:
    document = metric("tandem-test-product-latency")
    document["Trigger"] |= {
        "MetricName": "TargetResponseTime",
        "Namespace": "AWS/ApplicationELB",
        "StatisticType": "ExtendedStatistic",
        "ExtendedStatistic": "p95",
        "Threshold": 0.75,
    }
    del document["Trigger"]["Statistic"]
    return document


def _count(name: str) -> Document:
    measured = {"Dimensions": [{"value": "app/tandem/50dc", "name": "LoadBalancer"}], "MetricName": name}
    return {"Metric": measured | {"Namespace": "AWS/ApplicationELB"}, "Period": 60, "Stat": "Sum"}


def arithmetic() -> Document:
    trigger = {
        "Period": 60,
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 3,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 5.0,
        "TreatMissingData": "notBreaching",
        "EvaluateLowSampleCountPercentile": "",
        "Metrics": [
            {"Expression": "100 * errors / requests", "Id": "result", "Label": "error-rate", "ReturnData": True},
            {"Id": "errors", "MetricStat": _count("HTTPCode_Target_5XX_Count"), "ReturnData": False},
            {"Id": "requests", "MetricStat": _count("RequestCount"), "ReturnData": False},
        ],
    }
    return notification("tandem-test-product-error-rate", Trigger=trigger)


def anomaly() -> Document:
    document = arithmetic()
    document |= {"AlarmName": "tandem-test-orders-unusual", "AlarmArn": arn("tandem-test-orders-unusual")}
    document["Trigger"] |= {
        "ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold",
        "ThresholdMetricId": "band",
        "Metrics": [
            {"Id": "requests", "MetricStat": _count("RequestCount"), "ReturnData": True},
            {"Expression": "ANOMALY_DETECTION_BAND(requests, 2)", "Id": "band", "Label": "usual", "ReturnData": True},
        ],
    }
    del document["Trigger"]["Threshold"]
    return document


def composite(**changes: Any) -> Document:
    child = arn("tandem-test-product-unhealthy-alone")
    return (
        notification(
            "tandem-test-shop-down",
            AlarmDescription="[critical] Customers cannot buy: wake somebody. Runbook: https://runbooks.example/shop-down.",
            AlarmRule='ALARM("tandem-test-product-down") OR ALARM("tandem-test-order-down")',
            NewStateReason=f"{child} transitioned to ALARM at Sunday 22 November, 2026 21:40:05 UTC",
            TriggeringChildren=[{"Arn": child, "State": {"Value": "ALARM", "Timestamp": RAISED}}],
        )
        | changes
    )


def event(name: str = "tandem-test-database-cpuutilization") -> Document:
    """The form of EventBridge, of the same alarm as `metric`."""
    measured = {"namespace": "AWS/RDS", "name": "CPUUtilization", "dimensions": {"DBInstanceIdentifier": "tandem-test"}}
    return {
        "version": "0",
        "id": "2dde0eb1-528b-d2d5-9ca6-6d590caf2329",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": ACCOUNT,
        "time": "2026-11-22T21:40:05Z",
        "region": "eu-west-1",
        "resources": [arn(name)],
        "detail": {
            "alarmName": name,
            "state": {
                "value": "ALARM",
                "reason": "Threshold Crossed: 3 datapoints were greater than the threshold (80.0).",
                "reasonData": json.dumps({"version": "1.0", "threshold": 80.0, "recentDatapoints": [91.5, 93.0, 97.2]}),
                "timestamp": RAISED,
            },
            "previousState": {"value": "OK", "reason": "fine", "timestamp": "2026-11-22T18:40:05.123+0000"},
            "configuration": {
                "description": "Above 80 % for a quarter of an hour, queries queue.",
                "metrics": [
                    {
                        "id": "a53e",
                        "metricStat": {"metric": measured, "period": 300, "stat": "Average"},
                        "returnData": True,
                    }
                ],
            },
        },
    }


def suppressed() -> Document:
    """A composite alarm whose actions are held back by another, which only EventBridge tells."""
    document = event("tandem-test-shop-down")
    document["detail"]["state"] |= {
        "actionsSuppressedBy": "Alarm",
        "actionsSuppressedReason": "Actions suppressed by tandem-test-deploying",
        "reasonData": json.dumps({"triggeringAlarms": [{"arn": arn("tandem-test-product-down"), "state": {}}]}),
    }
    document["detail"]["configuration"] = {
        "description": "[critical] Customers cannot buy.",
        "alarmRule": 'ALARM("tandem-test-product-down")',
        "actionsSuppressor": "tandem-test-deploying",
    }
    return document


def recovery(document: Document, *, at: str = "2026-11-22T22:00:05.123+0000") -> Document:
    """The same alarm, back to OK."""
    return document | {"NewStateValue": "OK", "OldStateValue": "ALARM", "StateChangeTime": at}


DATABASE = {
    "Event Source": "db-instance",
    "Event Time": "2026-11-22 21:40:05.123",
    "Source ID": "tandem-test",
    "Event ID": "http://docs.amazonwebservices.com/AmazonRDS/latest/UserGuide/USER_Events.html#RDS-EVENT-0006",
    "Event Message": "DB instance restarted",
}
BUDGET = "AWS Budget Notification November 22, 2026\nAWS Account 123456789012\n\nYou requested that we alert you."

ALARMS: dict[str, Document] = {
    "metric": metric(),
    "percentile": percentile(),
    "arithmetic": arithmetic(),
    "anomaly": anomaly(),
    "composite": composite(),
    "event": event(),
    "suppressed": suppressed(),
    "recovery": recovery(metric()),
    "nothing known": notification("tandem-test-new", NewStateValue="INSUFFICIENT_DATA", AlarmDescription=None),
}
OTHERS: dict[str, str] = {
    "database": json.dumps(DATABASE),
    "budget": BUDGET,
    "list": "[1, 2, 3]",
    "empty": "",
    "another event": json.dumps({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {"x": 1}}),
}


def record(message: Document | str, *, identifier: str = "", subject: str | None = None) -> Document:
    """One record as SNS gives it to Lambda; `Subject` is null unless somebody wrote one."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:tandem-alarms:21be56ed-a058-49f5-8c98-aedd2564c486",
        "Sns": {
            "Type": "Notification",
            "MessageId": identifier or f"95df01b4-ee98-5cb9-9903-{crc32(text.encode()):012}",
            "TopicArn": f"arn:aws:sns:eu-west-1:{ACCOUNT}:tandem-alarms",
            "Subject": subject,
            "Message": text,
            "Timestamp": "2026-11-22T21:40:06.000Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLEpH+",
            "SigningCertUrl": "EXAMPLE",
            "UnsubscribeUrl": "EXAMPLE",
            "MessageAttributes": {},
        },
    }


def batch(*messages: Document | str) -> Document:
    return {"Records": [record(message) for message in messages]}
