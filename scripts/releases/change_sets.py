"""Change sets: made, looked at, carried out. Whoever was interrupted can do all of it again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from cfn.stacks import Stack
from scripts.releases.aws import code
from scripts.releases.changes import Change, read
from scripts.releases.clock import Clock
from scripts.terminal import Problem

IDLE = ("didn't contain changes", "No updates are to be performed")
CARRIED_OUT = {"InvalidChangeSetStatus", "ChangeSetNotFound"}  # by a try whose answer was lost
MACRO = "CAPABILITY_AUTO_EXPAND"
PATIENCE = 300.0  # seconds that CloudFormation gets to think about one


@dataclass(frozen=True, slots=True)
class ChangeSet:
    name: str
    stack: Stack
    changes: tuple[Change, ...]


def make(cloudformation: Any, stack: Stack, *, new: bool, role: str | None, clock: Clock) -> ChangeSet | None:
    """None when there is nothing to do. Raises Problem when CloudFormation refuses the template.

    One by the same name is of an interrupted deployment and perhaps of another state of the stack, so it goes first;
    then one that exists is ours, made by a try whose answer was lost. A resource that survived an earlier stack (a
    repository) is taken in; not into the stack of a macro, where nothing has a name of ours.
    """
    name = _name(stack)
    discard(cloudformation, stack.name, name)
    request: dict[str, Any] = {
        "StackName": stack.name,
        "ChangeSetName": name,
        "ChangeSetType": "CREATE" if new else "UPDATE",
        "TemplateBody": stack.body,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()],
        "Capabilities": list(stack.capabilities),
        **({"RoleARN": role} if role else {}),
        **({"ImportExistingResources": True} if new and MACRO not in stack.capabilities else {}),
    }
    try:
        cloudformation.create_change_set(**request)
    except ClientError as error:
        if code(error) != "AlreadyExistsException":
            raise
    reason = _refusal(cloudformation, stack.name, name, clock)
    if reason is None:
        return ChangeSet(name, stack, _changes(cloudformation, stack.name, name))
    discard(cloudformation, stack.name, name)
    if any(words in reason for words in IDLE):
        return None
    raise Problem(f"CloudFormation refuses the template of {stack.name}: {reason}")


def _name(stack: Stack) -> str:
    told = json.dumps([stack.body, sorted(stack.parameters.items())])
    return f"tandem-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def discard(cloudformation: Any, stack: str, name: str) -> None:
    try:
        cloudformation.delete_change_set(StackName=stack, ChangeSetName=name)
    except ClientError as error:
        if code(error) not in {"ChangeSetNotFound", "ValidationError"}:  # the latter: no such stack
            raise


def _refusal(cloudformation: Any, stack: str, name: str, clock: Clock) -> str | None:
    """Why there is no change set, once that is known."""
    end = clock.now() + PATIENCE
    while clock.now() < end:
        described = cloudformation.describe_change_set(StackName=stack, ChangeSetName=name)
        if described["Status"] == "FAILED":
            return str(described.get("StatusReason") or "it does not say why")
        if described["Status"] == "CREATE_COMPLETE":
            return None
        clock.sleep(clock.pause)
    raise Problem(f"CloudFormation has not compared {stack} with its template in {PATIENCE:.0f} s; run this again.")


def _changes(cloudformation: Any, stack: str, name: str) -> tuple[Change, ...]:
    found: list[Mapping[str, Any]] = []
    more: dict[str, str] = {}
    while True:
        page = cloudformation.describe_change_set(StackName=stack, ChangeSetName=name, **more)
        found += page["Changes"]
        if not page.get("NextToken"):
            return tuple(read(stack, found))
        more = {"NextToken": page["NextToken"]}


def carry_out(cloudformation: Any, change_set: ChangeSet, token: str) -> None:
    """Begin. Every event of what follows has the token. What a failed creation has made goes again, also what is
    otherwise kept: left behind, it would stand in the way of the next try."""
    try:
        cloudformation.execute_change_set(
            StackName=change_set.stack.name,
            ChangeSetName=change_set.name,
            ClientRequestToken=token,
            RetainExceptOnCreate=True,
        )
    except ClientError as error:
        if code(error) not in CARRIED_OUT:
            raise
