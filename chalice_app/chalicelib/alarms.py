"""A change of a CloudWatch alarm, read from either form in which AWS tells it. What is missing is left out.

An alarm's own SNS message has `AlarmName` and `NewStateValue`; EventBridge tells the same as a "CloudWatch Alarm State
Change" with `detail`. A composite alarm has no `Trigger`, one on metric math has `Metrics` and no `MetricName`, and
`Region` is a name for people: the region that counts is in the ARN.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib import triggers
from chalicelib.reading import mapping, moment, text
from chalicelib.triggers import Trigger

ALARM, OK, INSUFFICIENT = "ALARM", "OK", "INSUFFICIENT_DATA"

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):cloudwatch:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d+):(?P<account>\d{12}):alarm:"
)
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    partition: str = "aws"
    region: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One change of state. `changed` and `previously` (when the state before began) are aware, in UTC.

    `suppressed` says why the actions of a composite alarm were held back.
    """

    name: str
    state: str
    previous: str = ""
    description: str = ""
    reason: str = ""
    changed: datetime | None = None
    previously: datetime | None = None
    place: Place = field(default_factory=Place)
    trigger: Trigger = field(default_factory=Trigger)
    suppressed: str = ""

    @property
    def key(self) -> str:
        """Which alarm it is, among all accounts and regions."""
        return f"{self.place.account}/{self.place.region}/{self.name}"


def read(document: Mapping[str, Any] | None) -> Alarm | None:
    """The change of an alarm that this document tells, or None."""
    if document is None:
        return None
    if text(document.get("AlarmName")) and text(document.get("NewStateValue")):
        return _from_notification(document)
    detail = mapping(document.get("detail"))
    if text(detail.get("alarmName")) and text(mapping(detail.get("state")).get("value")):
        return _from_event(document, detail)
    return None


def _from_notification(document: Mapping[str, Any]) -> Alarm:
    return Alarm(
        name=document["AlarmName"],
        state=document["NewStateValue"],
        previous=text(document.get("OldStateValue")),
        description=text(document.get("AlarmDescription")),
        reason=text(document.get("NewStateReason")),
        changed=moment(document.get("StateChangeTime")),
        place=_place(document.get("AlarmArn"), document.get("AWSAccountId"), None),
        trigger=triggers.of_notification(document),
        suppressed=_suppression(document, "ActionsSuppressedBy", "ActionsSuppressedReason"),
    )


def _from_event(document: Mapping[str, Any], detail: Mapping[str, Any]) -> Alarm:
    state, previous = mapping(detail["state"]), mapping(detail.get("previousState"))
    configuration = mapping(detail.get("configuration"))
    resources = document.get("resources")
    arn = resources[0] if isinstance(resources, list) and resources else None
    return Alarm(
        name=detail["alarmName"],
        state=state["value"],
        previous=text(previous.get("value")),
        description=text(configuration.get("description")),
        reason=text(state.get("reason")),
        changed=moment(state.get("timestamp")),
        previously=moment(previous.get("timestamp")),
        place=_place(arn, document.get("account"), document.get("region")),
        trigger=triggers.of_event(configuration, state),
        suppressed=_suppression(state, "actionsSuppressedBy", "actionsSuppressedReason"),
    )


def _place(arn: Any, account: Any, region: Any) -> Place:
    found = _ARN.match(text(arn))
    if found:
        return Place(**found.groupdict())
    named = text(region) if _REGION.fullmatch(text(region)) else ""
    return Place(region=named, account=text(account))


def _suppression(state: Mapping[str, Any], by: str, why: str) -> str:
    return ": ".join(filter(None, (text(state.get(by)), text(state.get(why)))))
