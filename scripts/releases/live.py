"""A stack as it is in the account, and what its status lets one do with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from botocore.exceptions import ClientError

from scripts.releases.aws import code, message


class Can(Enum):
    """What comes next for a stack."""

    CREATE = auto()  # it is not there, or a change set has been made for it and nothing else
    UPDATE = auto()
    WAIT = auto()  # CloudFormation is at work on it
    CLEAR = auto()  # its first creation failed: nothing in it ever served, and it has to go before another try
    MEND = auto()  # a rollback got stuck half way
    NOTHING = auto()  # a deletion failed


STUCK = {"UPDATE_ROLLBACK_FAILED": Can.MEND, "DELETE_FAILED": Can.NOTHING}
FAILED_AT_FIRST = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """`template` is as it was sent; empty where nothing has been deployed yet, or not to the end."""

    name: str
    id: str
    status: str
    reason: str
    protected: bool
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    template: Mapping[str, Any]

    @property
    def can(self) -> Can:
        return can(self.status)


def can(status: str) -> Can:
    if status in {"", "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"}:
        return Can.CREATE
    if status.endswith("_IN_PROGRESS"):
        return Can.WAIT
    if status in FAILED_AT_FIRST:
        return Can.CLEAR
    return STUCK.get(status, Can.UPDATE)


def look(cloudformation: Any, name: str) -> Live | None:
    """None when there is no such stack."""
    described = describe(cloudformation, name)
    if described is None:
        return None
    status = described["StackStatus"]
    return Live(
        name=name,
        id=described["StackId"],
        status=status,
        reason=described.get("StackStatusReason", ""),
        protected=described.get("EnableTerminationProtection", False),
        parameters={one["ParameterKey"]: one.get("ParameterValue", "") for one in described.get("Parameters", ())},
        outputs={one["OutputKey"]: one.get("OutputValue", "") for one in described.get("Outputs", ())},
        template={} if can(status) in {Can.CREATE, Can.CLEAR} else template(cloudformation, described["StackId"]),
    )


def describe(cloudformation: Any, name: str) -> Mapping[str, Any] | None:
    """By name or id; None when it is not there, or gone."""
    try:
        (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if code(error) == "ValidationError" and "does not exist" in message(error):
            return None
        raise
    stack: Mapping[str, Any] = found
    return None if stack["StackStatus"] == "DELETE_COMPLETE" else stack


def template(cloudformation: Any, name: str) -> Mapping[str, Any]:
    body = cloudformation.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
    found: Mapping[str, Any] = json.loads(body) if isinstance(body, str) else body
    return found


def resources(cloudformation: Any, name: str) -> dict[str, Mapping[str, Any]]:
    """What is there of a stack, by logical id."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    found = (one for page in pages for one in page["StackResourceSummaries"])
    return {one["LogicalResourceId"]: one for one in found if one["ResourceStatus"] != "DELETE_COMPLETE"}
