"""Addresses in the AWS console, for each partition: where the alarm is, where its logs are, what to do about it.

The console reads a name behind `#` that is percent-encoded; for log groups it wants that twice, with `$` for the second
`%` (as "Copy link" in the CloudWatch console writes it).
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

from chalicelib.alarms import Alarm, Place

_DOMAINS = {
    "aws": "{region}.console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
# namespace → dimension that names it, and the log group that AWS or our templates give it
_LOG_GROUPS = {
    "AWS/Lambda": ("FunctionName", "/aws/lambda/{}"),
    "AWS/RDS": ("DBInstanceIdentifier", "/aws/rds/instance/{}/postgresql"),
    "ECS/ContainerInsights": ("ClusterName", "/aws/ecs/containerinsights/{}/performance"),
    "AWS/Logs": ("LogGroupName", "{}"),
}
_URL = re.compile(r"https://[^\s<>\"'|`]+")
_RUNBOOK = re.compile(r"run\s?book\W{0,3}\s*(https://[^\s<>\"'|`]+)", re.IGNORECASE)
_TRAILING = ".,;:!?)]}"


def links(alarm: Alarm, environment: str, runbooks: str) -> dict[str, str]:
    """What is known of Alarm, Logs and Runbook."""
    found = {"Alarm": _alarm(alarm), "Logs": _logs(alarm), "Runbook": runbook(alarm, environment, runbooks)}
    return {label: url for label, url in found.items() if url}


def runbook(alarm: Alarm, environment: str, runbooks: str) -> str:
    """The address that the description gives; else the page of runbooks, at this alarm's heading."""
    named = _RUNBOOK.search(alarm.description) or _URL.search(alarm.description)
    if named:
        return named[named.lastindex or 0].rstrip(_TRAILING)
    if not runbooks:
        return ""
    heading = alarm.name.partition(f"-{environment}-")[2] or alarm.name  # tandem-prod-order-down → order-down
    return f"{runbooks}{'' if runbooks.endswith(('/', '#')) else '#'}{_quoted(heading)}"


def _alarm(alarm: Alarm) -> str:
    return _cloudwatch(alarm.place, f"alarmsV2:alarm/{_quoted(alarm.name)}")


def _logs(alarm: Alarm) -> str:
    group = _log_group(alarm.trigger.namespace, alarm.trigger.dimensions)
    if not group:
        return _cloudwatch(alarm.place, "logsV2:logs-insights")
    twice = _quoted(_quoted(group)).replace("%", "$")
    return _cloudwatch(alarm.place, f"logsV2:log-groups/log-group/{twice}")


def _log_group(namespace: str, dimensions: Mapping[str, str]) -> str:
    dimension, form = _LOG_GROUPS.get(namespace, ("", ""))
    name = dimensions.get(dimension, "")
    return form.format(name) if name else ""


def _cloudwatch(place: Place, fragment: str) -> str:
    """Nothing for a partition whose console we do not know, or without a region."""
    domain = _DOMAINS.get(place.partition, "")
    if not domain or not place.region:
        return ""
    return f"https://{domain.format(region=place.region)}/cloudwatch/home?region={place.region}#{fragment}"


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="replace")
