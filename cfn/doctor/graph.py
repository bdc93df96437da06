"""The resources of all stacks of one deployment as one graph: what refers to what, across exports, in what order."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, wraps
from typing import Any, TypeVar

from cfn.doctor.expectations import Expectations
from cfn.doctor.intrinsics import NOTHING, Resolver, declared_parameters, mentioned
from cfn.doctor.values import Reference, dig, leaves, only, references

Key = tuple[str, str]
Known = TypeVar("Known")


@dataclass(eq=False)
class Stack:
    """A template as it was read, and what it is deployed with. Nobody changes it afterwards."""

    name: str
    body: Mapping[str, Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    region: str = "us-east-1"

    @cached_property
    def size(self) -> int:
        return len(json.dumps(self.body, separators=(",", ":")).encode())

    @cached_property
    def mentions(self) -> list[tuple[str, str]]:
        """Every name after Ref, Fn::GetAtt and in Fn::Sub, taken branch or not, with where it stands."""
        return list(mentioned(self.body))


@dataclass(eq=False)
class Resource:
    stack: str
    name: str
    type: str
    properties: dict[str, Any]
    raw: Mapping[str, Any]
    depends_on: frozenset[str]

    @property
    def key(self) -> Key:
        return self.stack, self.name

    def get(self, *path: str | int) -> Any:
        return dig(self.properties, *path)

    @cached_property
    def leaves(self) -> list[tuple[str, Any]]:
        return list(leaves(self.properties))

    @cached_property
    def links(self) -> frozenset[Key]:
        """What it refers to, in its own stack and in others."""
        return frozenset((reference.stack, reference.resource) for reference in self.references)

    @cached_property
    def references(self) -> list[Reference]:
        return list(references(self.properties))

    def __str__(self) -> str:
        return f"{self.stack}/{self.name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be resolved."""

    stack: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """One stack after resolution."""

    stack: Stack
    resources: tuple[Resource, ...]
    outputs: Mapping[str, Any]
    exports: Mapping[str, Any]
    imported: frozenset[str]
    problems: tuple[Problem, ...]

    @property
    def offers(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """All that later stacks can see of it."""
        return self.exports, self.outputs


class World:
    """`before` is an earlier look at nearly the same stacks: what has not changed since is not resolved again."""

    def __init__(self, stacks: list[Stack], expectations: Expectations, before: "World | None" = None) -> None:
        self.expectations = expectations
        self.stacks = tuple(stacks)
        self.resolved: tuple[Resolved, ...] = tuple(_resolve_all(stacks, before.resolved if before else ()))
        self.order = {stack.name: index for index, stack in enumerate(stacks)}
        self.resources = [resource for stack in self.resolved for resource in stack.resources]
        self._facts: dict[Callable[[World], Any], Any] = {}
        self._by_key = {resource.key: resource for resource in self.resources}
        self._by_type: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            self._by_type[resource.type].append(resource)

    def know(self, find_out: "Callable[[World], Known]") -> Known:
        if find_out not in self._facts:
            self._facts[find_out] = find_out(self)
        found: Known = self._facts[find_out]
        return found

    def of(self, *types: str) -> list[Resource]:
        return [resource for name in types for resource in self._by_type.get(name, ())]

    def at(self, value: Any, *types: str) -> Resource | None:
        """The resource that a value leads to, if it is one of these types."""
        reference = only(value)
        found = self._by_key.get((reference.stack, reference.resource)) if reference else None
        return found if found and (not types or found.type in types) else None

    def all_at(self, value: Any, *types: str) -> list[Resource]:
        keys = dict.fromkeys((reference.stack, reference.resource) for reference in references(value))
        found = [self._by_key[key] for key in keys if key in self._by_key]
        return [resource for resource in found if not types or resource.type in types]

    @cached_property
    def _users(self) -> dict[Key, list[Resource]]:
        users: dict[Key, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            for target in resource.links:
                users[target].append(resource)
        return users

    def users(self, resource: Resource, *types: str) -> list[Resource]:
        """Who refers to it."""
        found = self._users.get(resource.key, [])
        return [user for user in found if not types or user.type in types]

    def waits_for(self, later: Resource, earlier: Resource) -> bool:
        """Whether CloudFormation makes `earlier` first: by the order of stacks, or by reference or DependsOn."""
        if later.stack != earlier.stack:
            return self.order[earlier.stack] < self.order[later.stack]
        return earlier.name in self.prerequisites(later)

    def circles(self) -> Iterator[Resource]:
        """Resources that wait, in the end, for themselves."""
        waiting = {key: {(key[0], name) for name in names} for key, names in self.needs.items()}
        free = [key for key, names in waiting.items() if not names]
        users: dict[Key, list[Key]] = defaultdict(list)
        for key, names in waiting.items():
            for name in names:
                users[name].append(key)
        while free:
            done = free.pop()
            waiting.pop(done, None)
            for key in users[done]:
                waiting[key].discard(done)
                if not waiting[key]:
                    free.append(key)
        return (self._by_key[key] for key in waiting)

    def prerequisites(self, resource: Resource) -> set[str]:
        seen: set[str] = set()
        waiting = [resource.name]
        while waiting:
            name = waiting.pop()
            for needed in self.needs.get((resource.stack, name), ()):
                if needed not in seen:
                    seen.add(needed)
                    waiting.append(needed)
        return seen

    @cached_property
    def needs(self) -> dict[Key, set[str]]:
        """Direct prerequisites within the same stack."""
        return {
            resource.key: {name for stack, name in resource.links if stack == resource.stack} | resource.depends_on
            for resource in self.resources
        }


def fact(find_out: Callable[[World], Known]) -> Callable[[World], Known]:
    """What many rules want to know of a world is found out once."""

    @wraps(find_out)
    def told(world: World) -> Known:
        return world.know(find_out)

    return told


def _resolve_all(stacks: list[Stack], before: tuple[Resolved, ...]) -> Iterator[Resolved]:
    exports: dict[str, Any] = {}
    outputs: dict[tuple[str, str], Any] = {}
    unchanged = True  # so far, so that what is imported is unchanged too
    known = {id(resolved.stack): resolved for resolved in before}
    for stack in stacks:
        resolved = known.get(id(stack)) if unchanged else None
        if resolved is None:
            resolved = _resolve(stack, exports, outputs)
            earlier = next((one for one in before if one.stack.name == stack.name), None)
            unchanged = unchanged and earlier is not None and earlier.offers == resolved.offers
        exports |= resolved.exports
        outputs |= {(stack.name, name): value for name, value in resolved.outputs.items()}
        yield resolved


def _resolve(stack: Stack, exports: Mapping[str, Any], outputs: Mapping[tuple[str, str], Any]) -> Resolved:
    parameters = declared_parameters(stack.body, stack.parameters)
    resolver = Resolver(stack.name, stack.body, parameters, stack.region, exports, outputs)
    with resolver.at("Conditions"):
        for name in stack.body.get("Conditions", {}):
            resolver.condition(name)
    resources = tuple(_resources(stack, resolver))
    made, offered = _outputs(stack, resolver)
    problems = tuple(Problem(stack.name, path, message) for path, message in dict.fromkeys(resolver.problems))
    return Resolved(stack, resources, made, offered, frozenset(resolver.imported), problems)


def _resources(stack: Stack, resolver: Resolver) -> Iterator[Resource]:
    for name, raw in stack.body.get("Resources", {}).items():
        if "Condition" in raw and not resolver.condition(raw["Condition"]):
            continue
        with resolver.at("Resources", name, "Properties"):
            resolved = resolver.resolve(raw.get("Properties", {}))
        waits = raw.get("DependsOn", [])
        depends_on = frozenset([waits] if isinstance(waits, str) else waits)
        yield Resource(stack.name, name, raw.get("Type", ""), resolved, raw, depends_on)


def _outputs(stack: Stack, resolver: Resolver) -> tuple[dict[str, Any], dict[str, Any]]:
    made: dict[str, Any] = {}
    offered: dict[str, Any] = {}
    for name, raw in stack.body.get("Outputs", {}).items():
        if "Condition" in raw and not resolver.condition(raw["Condition"]):
            continue
        with resolver.at("Outputs", name):
            value = resolver.resolve(raw.get("Value"))
            export = resolver.resolve(raw["Export"]["Name"]) if "Export" in raw else None
        if value is not NOTHING:
            made[name] = value
        if isinstance(export, str):
            if export in offered or export in resolver.exports:
                resolver.problems.append((f"Outputs.{name}.Export.Name", f"the export {export!r} is made twice"))
            offered[export] = value
        elif export is not None:
            resolver.problems.append((f"Outputs.{name}.Export.Name", "the name of an export must be known beforehand"))
    return made, offered
