"""What policies say, read as AWS reads them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from cfn.doctor.graph import Resource, World, fact
from cfn.doctor.values import dig, items

ROLE = "AWS::IAM::Role"


@dataclass(frozen=True, slots=True)
class Statement:
    owner: Resource
    path: str
    body: dict[str, Any]

    @property
    def actions(self) -> list[str]:
        return [str(action) for action in items(self.body.get("Action"))]

    @property
    def resources(self) -> list[Any]:
        return items(self.body.get("Resource"))

    @property
    def allows(self) -> bool:
        return self.body.get("Effect") == "Allow"


def documents(resource: Resource) -> Iterator[tuple[str, Any]]:
    """The identity policies: what a role may do."""
    if resource.type in {"AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy"}:
        yield "PolicyDocument", resource.get("PolicyDocument")
    for index, policy in enumerate(items(resource.get("Policies")) if resource.type == ROLE else []):
        yield f"Policies.{index}.PolicyDocument", dig(policy, "PolicyDocument")


def statements(resource: Resource) -> list[Statement]:
    return [s for path, document in documents(resource) for s in _statements(resource, path, document)]


def _statements(resource: Resource, path: str, document: Any) -> Iterator[Statement]:
    for index, body in enumerate(items(dig(document, "Statement"))):
        if isinstance(body, dict):
            yield Statement(resource, f"{path}.Statement.{index}", body)


def trust(role: Resource) -> list[Statement]:
    return list(_statements(role, "AssumeRolePolicyDocument", role.get("AssumeRolePolicyDocument")))


def granted(world: World, role: Resource) -> list[Statement]:
    """Everything the role may do by policies of ours, its own and those attached to it."""
    return powers(world)[role.key]


@fact
def powers(world: World) -> dict[tuple[str, str], list[Statement]]:
    return {role.key: _granted(world, role) for role in world.of(ROLE)}


def _granted(world: World, role: Resource) -> list[Statement]:
    attached = world.all_at(role.get("ManagedPolicyArns"))
    attached += world.users(role, "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::RolePolicy")
    found = [statement for owner in [role, *attached] for statement in statements(owner)]
    return [statement for statement in found if statement.allows]


@cache
def matches(pattern: str, action: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), action, re.IGNORECASE) is not None


def may(world: World, role: Resource, action: str) -> list[Statement]:
    return [s for s in granted(world, role) if any(matches(pattern, action) for pattern in s.actions)]
