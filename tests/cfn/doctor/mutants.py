"""Mutants of rendered templates: one small change each, found by type and relation, never by a logical id.

Mutants that change the same property of the same type in the same way are one kind; `generate` makes the first and the
last of each kind, so that a hundred alarms do not drown the one database.
"""

import copy
import ipaddress
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cfn.doctor.graph import Stack

Path = tuple[str | int, ...]
INTRINSICS = {"Ref", "Fn::GetAtt", "Fn::ImportValue", "Fn::Sub", "Fn::Join", "Fn::Select", "Fn::If"}
PORTS = {"ContainerPort", "FromPort", "HTTPPort", "HTTPSPort", "Port", "ToPort"}
POLICIES = ("DeletionPolicy", "DependsOn", "UpdateReplacePolicy")


@dataclass(frozen=True, slots=True)
class Mutant:
    kind: str  # operator, type and property
    stack: str
    resource: str
    change: Callable[[dict[str, Any]], None]

    def applied(self, stacks: list[Stack]) -> list[Stack]:
        """The same deployment, with one template changed; the others stay the very same objects."""
        return [self.mutated(stack) if stack.name == self.stack else stack for stack in stacks]

    def mutated(self, stack: Stack) -> Stack:
        resources = dict(stack.body["Resources"])
        resources[self.resource] = copy.deepcopy(resources[self.resource])
        self.change(resources[self.resource])
        return Stack(stack.name, {**stack.body, "Resources": resources}, stack.parameters, stack.region)

    def __str__(self) -> str:
        return f"{self.kind} in {self.stack}/{self.resource}"


def generate(stacks: list[Stack]) -> list[Mutant]:
    kinds: dict[str, list[Mutant]] = defaultdict(list)
    siblings = Siblings(stacks)
    for stack in stacks:
        for name, resource in stack.body["Resources"].items():
            for mutant in _mutants(stack, name, resource, siblings):
                kinds[mutant.kind].append(mutant)
    return [mutant for found in kinds.values() for mutant in dict.fromkeys((found[0], found[-1]))]


def _mutants(stack: Stack, name: str, resource: dict[str, Any], siblings: "Siblings") -> Iterator[Mutant]:
    def mutant(operator: str, path: Path, change: Callable[[dict[str, Any]], None]) -> Mutant:
        shown = ".".join("*" if isinstance(step, int) else step for step in path if step != "Properties")
        return Mutant(f"{operator} {resource['Type']} {shown}", stack.name, name, change)

    for policy in POLICIES:
        if policy in resource:
            yield mutant("drop", (policy,), _dropping((policy,)))
    for path, value in _places(resource.get("Properties", {}), ("Properties",)):
        if value not in ([], {}, ""):  # without which nothing would change
            yield mutant("drop", path, _dropping(path))
        for operator, other in _others(path, value, stack, siblings):
            yield mutant(operator, path, _setting(path, other))


def _places(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every member and item, from the outside in; nothing inside an intrinsic function."""
    members: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in members:
        yield (*path, key), item
        in_tag = path[-1] == "Tags"  # all alike: one kind for each type is enough
        if isinstance(item, dict | list) and not _is_intrinsic(item) and not in_tag:
            yield from _places(item, (*path, key))


def _is_intrinsic(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in INTRINSICS


def _others(path: Path, value: Any, stack: Stack, siblings: "Siblings") -> Iterator[tuple[str, Any]]:
    """What might stand there instead."""
    if isinstance(value, bool):
        yield "flip", not value
    elif isinstance(value, str) and value in {"true", "false"}:
        yield "flip", "false" if value == "true" else "true"
    elif isinstance(value, int | float):
        yield ("port", int(value) + 1) if path[-1] in PORTS else ("number", value * 100 + 1)
    elif isinstance(value, str) and _is_block(value):
        yield "widen", "0.0.0.0/0" if value != "0.0.0.0/0" else "10.0.0.0/8"
    elif _is_intrinsic(value):
        for other in siblings.of(stack, value):
            yield "swap", other
        if "${AWS::Partition}" in json.dumps(value):
            yield "partition", json.loads(json.dumps(value).replace("${AWS::Partition}", "aws"))


def _is_block(value: str) -> bool:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        return False
    return "/" in value


class Siblings:
    """For a reference, one to another resource of the same type, by the same attribute."""

    def __init__(self, stacks: list[Stack]) -> None:
        self._exports: dict[str, tuple[str, str]] = {}  # export → type of what it leads to, and how
        for stack in stacks:
            for output in stack.body.get("Outputs", {}).values():
                name = output.get("Export", {}).get("Name")
                if isinstance(name, str) and (kind := _leads(stack, output["Value"])):
                    self._exports[name] = kind

    def of(self, stack: Stack, value: dict[str, Any]) -> list[Any]:
        ((function, argument),) = value.items()
        if function == "Fn::ImportValue":
            kind = self._exports.get(str(argument))
            others = [name for name, found in self._exports.items() if kind and found == kind and name != argument]
            return [{"Fn::ImportValue": name} for name in others[:1]]
        kind = _leads(stack, value)
        name = argument if isinstance(argument, str) else argument[0]
        if kind is None or kind[0] == "":
            return []
        same = [n for n, r in stack.body["Resources"].items() if r["Type"] == kind[0] and n != name]
        return [{"Ref": n} if function == "Ref" else {"Fn::GetAtt": [n, *argument[1:]]} for n in same[:1]]


def _leads(stack: Stack, value: Any) -> tuple[str, str] | None:
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((function, argument),) = value.items()
    if function not in {"Ref", "Fn::GetAtt"} or (function == "Fn::GetAtt" and isinstance(argument, str)):
        return None
    name, attribute = (argument, "") if function == "Ref" else (argument[0], argument[1])
    resource = stack.body["Resources"].get(name)
    return (resource["Type"], attribute) if resource else None


def _dropping(path: Path) -> Callable[[dict[str, Any]], None]:
    def change(resource: dict[str, Any]) -> None:
        del _parent(resource, path)[path[-1]]

    return change


def _setting(path: Path, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(resource: dict[str, Any]) -> None:
        _parent(resource, path)[path[-1]] = copy.deepcopy(value)

    return change


def _parent(resource: Any, path: Path) -> Any:
    for step in path[:-1]:
        resource = resource[step]
    return resource
