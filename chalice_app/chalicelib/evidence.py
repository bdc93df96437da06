"""What the controller looks at: alarms, whether the fallback answers, and how the containers are.

Every function takes a boto3 client; errors of CloudWatch and of the load balancer are the caller's.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.failover import Alarm, Containers, State
from chalicelib.paging import chunks, pages

READY = "/readyz"  # every service has it: the process and what it depends on
_DESCRIBED = 100  # names that DescribeAlarms takes at once


@dataclass(frozen=True, slots=True)
class Probe:
    healthy: bool
    said: str


def alarms(cloudwatch: Any, names: Iterable[str]) -> dict[str, Alarm]:
    """The alarms by name; one that does not exist is MISSING."""
    wanted = sorted(set(names))
    found = {name: Alarm(name, State.MISSING) for name in wanted}
    kinds = ["MetricAlarm", "CompositeAlarm"]
    for some in chunks(wanted, _DESCRIBED):
        for page in pages(cloudwatch.describe_alarms, "NextToken", AlarmNames=some, AlarmTypes=kinds):
            for one in (*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())):
                found[one["AlarmName"]] = _alarm(one)
    return found


def probe(functions: Any, name: str, group: str) -> Probe:
    """Ask the function whether it is ready. Never raises: silence is an answer, too.

    Without its database it would answer as little as the containers do. That another service is away is no reason to
    stay: that one may be about to move as well. How long this waits is the client's: a cold start in a VPC takes two
    or three seconds.
    """
    try:
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(_question(group)).encode())
        body = answer["Payload"].read()
    except Exception as error:  # noqa: BLE001 - unreachable, throttled, forbidden, gone: no fallback in any case
        return Probe(healthy=False, said=f"{type(error).__name__}: {error}")
    if answer.get("FunctionError"):
        return Probe(healthy=False, said=f"the function failed ({answer['FunctionError']})")
    status, checks = _readiness(body)
    if status == 503 and checks:
        away = sorted(check for check, answers in checks.items() if not answers)
        return Probe(healthy="database" not in away, said=f"away: {', '.join(away)}")
    return Probe(healthy=status == 200, said=f"status {status}")


def containers(elbv2: Any, group: str) -> Containers:
    described = elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    states = [one.get("TargetHealth", {}).get("State", "") for one in described]
    healthy = states.count("healthy")
    return Containers(healthy, len(states) - healthy - states.count("draining"))


def _alarm(described: Mapping[str, Any]) -> Alarm:
    """The time of the transition where it is given: the other one also moves when only the reason changes."""
    value = described.get("StateValue")
    state = State(value) if value in list(State) else State.UNKNOWN
    since = described.get("StateTransitionedTimestamp") or described.get("StateUpdatedTimestamp")
    return Alarm(described["AlarmName"], state, since)


def _question(group: str) -> dict[str, Any]:
    """As the load balancer asks for health, without a Host. Header values are lists, as on every group of ours."""
    return {
        "requestContext": {"elb": {"targetGroupArn": group}},
        "httpMethod": "GET",
        "path": READY,
        "multiValueQueryStringParameters": {},
        "multiValueHeaders": {"user-agent": ["ELB-HealthChecker/2.0"]},
        "body": "",
        "isBase64Encoded": False,
    }


def _readiness(body: bytes) -> tuple[object, Mapping[str, bool]]:
    """The status, and which dependency answers where it says so."""
    try:
        answer = json.loads(body)
        status = answer["statusCode"]
    except (ValueError, TypeError, KeyError):
        return "unreadable", {}
    try:
        checks = json.loads(answer["body"])["checks"]
        return status, {str(name): found is True for name, found in checks.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return status, {}
