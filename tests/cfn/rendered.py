"""The templates as CloudFormation would read them: JSON from text, with references followed across stacks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cfn.environments import Environment
from cfn.stacks import Stack, render

Key = tuple[str, str]  # stack and logical id


@dataclass(slots=True)
class Resource:
    stack: str
    title: str
    type: str
    properties: dict[str, Any]
    body: dict[str, Any]

    @property
    def key(self) -> Key:
        return self.stack, self.title

    def __getitem__(self, name: str) -> Any:
        return self.properties[name]


@dataclass(slots=True)
class Rendered:
    environment: Environment
    stacks: tuple[Stack, ...]
    templates: dict[str, dict[str, Any]] = field(init=False)
    exports: dict[str, tuple[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.templates = {stack.row.name: json.loads(stack.body) for stack in self.stacks}
        self.exports = {
            output["Export"]["Name"]: (name, output["Value"])
            for name, template in self.templates.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    def resources(self, *types: str) -> list[Resource]:
        return [
            Resource(stack, title, body["Type"], body.get("Properties", {}), body)
            for stack, template in self.templates.items()
            for title, body in template["Resources"].items()
            if not types or body["Type"] in types
        ]

    def only(self, kind: str) -> Resource:
        (found,) = self.resources(kind)
        return found

    def titled(self, stack: str, title: str) -> Resource:
        (found,) = [one for one in self.resources() if one.key == (stack, title)]
        return found

    def leads_to(self, stack: str, value: Any) -> Key:
        """The resource or parameter that a Ref, GetAtt or import stands for."""
        match value:
            case {"Ref": str(name)}:
                return stack, name
            case {"Fn::GetAtt": [str(name), str()]}:
                return stack, name
            case {"Fn::ImportValue": str(export)}:
                return self.leads_to(*self.exports[export])
            case {"Fn::Sub": [str(), {**names}]} if len(names) == 1:
                return self.leads_to(stack, next(iter(names.values())))
        raise AssertionError(f"{value} in {stack} refers to nothing")

    def all_of(self, stack: str, values: list[Any]) -> set[Key]:
        return {self.leads_to(stack, value) for value in values}


def rendered(environment: Environment) -> Rendered:
    return Rendered(environment, render(environment))


def walk(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        yield from walk(item)


def imported(template: dict[str, Any]) -> set[str]:
    return {node["Fn::ImportValue"] for node in walk(template) if isinstance(node, dict) and "Fn::ImportValue" in node}


def attributes(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["Key"]: entry["Value"] for entry in entries}
