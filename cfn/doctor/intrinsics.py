"""Resolves every intrinsic function of one stack. What it does not know, or cannot follow, is a problem, not a skip."""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from cfn.doctor.values import Call, Pseudo, Reference, Text, Unknown, number, text

PSEUDO = frozenset(
    {"AWS::AccountId", "AWS::NotificationARNs", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::URLSuffix"}
)
VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")
INTRINSIC = re.compile(r"^(Fn::\w+(::\w+)?|Ref|Condition)$")


class _Nothing:
    """AWS::NoValue: the property is not there."""


NOTHING = _Nothing()


@dataclass(slots=True)
class Resolver:
    """`body` is the template as it was read. `exports` and `outputs` are those of the stacks deployed before."""

    stack: str
    body: Mapping[str, Any]
    parameters: Mapping[str, Any]
    region: str
    exports: Mapping[str, Any]
    outputs: Mapping[tuple[str, str], Any]
    problems: list[tuple[str, str]] = field(default_factory=list)
    imported: set[str] = field(default_factory=set)
    _path: list[str] = field(default_factory=list)
    _conditions: dict[str, bool] = field(default_factory=dict)
    _deciding: set[str] = field(default_factory=set)

    @contextmanager
    def at(self, *steps: str) -> Iterator[None]:
        self._path.extend(steps)
        yield
        del self._path[-len(steps) :]

    def problem(self, message: str) -> Unknown:
        self.problems.append((".".join(self._path), message))
        return Unknown(message)

    def resolve(self, value: Any) -> Any:
        if isinstance(value, dict):
            if len(value) == 1:
                ((name, argument),) = value.items()
                if name in FUNCTIONS:
                    return self._call(name, argument)
                if INTRINSIC.match(name) and name != "Condition":
                    return self.problem(f"the intrinsic function {name} is not one the doctor can resolve")
            return self._members(value)
        if isinstance(value, list):
            return self._items(value)
        return value

    def _items(self, value: list[Any]) -> list[Any]:
        resolved = []
        for index, item in enumerate(value):
            self._path.append(str(index))
            resolved.append(self.resolve(item))
            self._path.pop()
        return [item for item in resolved if item is not NOTHING]

    def _call(self, name: str, argument: Any) -> Any:
        try:
            return FUNCTIONS[name](self, argument)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return self.problem(f"{name} does not take {argument!r}")

    def _members(self, value: dict[str, Any]) -> dict[str, Any]:
        members = {}
        for key, item in value.items():
            if isinstance(item, dict | list):
                self._path.append(key)
                item = self.resolve(item)  # noqa: PLW2901 - one name for the member, before and after
                self._path.pop()
            if item is not NOTHING:
                members[key] = item
        return members

    def condition(self, name: Any) -> bool:
        """Conditions may be used before they are declared; one that waits for itself is false and reported."""
        if name in self._conditions:
            return self._conditions[name]
        declared = self.body.get("Conditions", {})
        if name not in declared:
            self.problem(f"there is no condition named {name}")
            return False
        if name in self._deciding:
            self.problem(f"the condition {name} waits for itself")
            return False
        self._deciding.add(name)
        self._conditions[name] = self.holds(declared[name])
        return self._conditions[name]

    def holds(self, value: Any) -> bool:
        ((name, argument),) = value.items() if isinstance(value, dict) and len(value) == 1 else (("", value),)
        if name == "Condition":
            return self.condition(argument)
        if name == "Fn::Not":
            return not self.holds(argument[0])
        if name in {"Fn::And", "Fn::Or"}:
            return (all if name == "Fn::And" else any)(self.holds(item) for item in argument)
        if name == "Fn::Equals":
            left, right = (self._known(item) for item in argument)
            return bool(left == right)
        self.problem(f"the doctor cannot decide the condition {value!r}")
        return False

    def _known(self, value: Any) -> Any:
        resolved = self.resolve(value)
        return self.region if resolved == Pseudo("AWS::Region") else resolved


def _ref(resolver: Resolver, name: Any) -> Any:
    if name == "AWS::NoValue":
        return NOTHING
    if name == "AWS::StackName":
        return resolver.stack
    if name in PSEUDO:
        return Pseudo(name)
    if name in resolver.parameters:
        return resolver.parameters[name]
    if name in resolver.body.get("Resources", {}):
        return resolver_reference(resolver, name, "")
    return resolver.problem(f"it refers to {name!r}, which is neither a resource nor a parameter of this stack")


def resolver_reference(resolver: Resolver, name: str, attribute: str) -> Any:
    resource = resolver.body["Resources"][name]
    if "Condition" in resource and not resolver.condition(resource["Condition"]):
        return resolver.problem(f"it refers to {name!r}, which its condition leaves out here")
    return Reference(resolver.stack, name, attribute)


def _get_att(resolver: Resolver, argument: Any) -> Any:
    name, _, attribute = argument.partition(".") if isinstance(argument, str) else (argument[0], ".", argument[1])
    if name not in resolver.body.get("Resources", {}):
        return resolver.problem(f"it asks for an attribute of {name!r}, which is no resource of this stack")
    return resolver_reference(resolver, name, str(attribute))


def _sub(resolver: Resolver, argument: Any) -> Any:
    template, values = (argument, {}) if isinstance(argument, str) else argument
    parts: list[Any] = []
    end = 0
    for match in VARIABLE.finditer(template):
        parts.append(template[end : match.start()])
        parts.append("${" + match[2] + "}" if match[1] else _variable(resolver, match[2].strip(), values))
        end = match.end()
    return text([*parts, template[end:]])


def _variable(resolver: Resolver, name: str, values: Mapping[str, Any]) -> Any:
    if name in values:
        return resolver.resolve(values[name])
    return _get_att(resolver, name) if "." in name else _ref(resolver, name)


def _join(resolver: Resolver, argument: Any) -> Any:
    separator, values = argument[0], resolver.resolve(argument[1])
    if not isinstance(values, list):
        return Call("Fn::Join", (separator, values))
    parts: list[Any] = []
    for value in values:
        parts += [separator, value] if parts else [value]
    return text(parts)


def _if(resolver: Resolver, argument: Any) -> Any:
    name, yes, no = argument
    return resolver.resolve(yes if resolver.condition(name) else no)


def _select(resolver: Resolver, argument: Any) -> Any:
    index, values = number(resolver.resolve(argument[0])), resolver.resolve(argument[1])
    if index is None:
        return resolver.problem("Fn::Select needs a number that is known")
    if not isinstance(values, list):
        return Call("Fn::Select", (int(index), values))
    if not 0 <= index < len(values):
        return resolver.problem(f"Fn::Select asks for item {int(index)} of {len(values)}")
    return values[int(index)]


def _split(resolver: Resolver, argument: Any) -> Any:
    value = resolver.resolve(argument[1])
    return value.split(argument[0]) if isinstance(value, str) else Call("Fn::Split", (argument[0], value))


def _find_in_map(resolver: Resolver, argument: Any) -> Any:
    name, *keys = (resolver._known(item) for item in argument[:3])
    found: Any = resolver.body.get("Mappings", {}).get(name)
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return resolver.problem(f"no mapping {name}.{'.'.join(map(str, keys))}") if found is None else found


def _cidr(resolver: Resolver, argument: Any) -> Any:
    block, count, bits = [resolver.resolve(item) for item in [*argument, 8][:3]]
    if isinstance(block, Reference) and block.attribute == "CidrBlock":
        block = resolver.resolve(resolver.body["Resources"][block.resource]["Properties"].get("CidrBlock"))
    try:
        network = ipaddress.ip_network(block)
        blocks = network.subnets(new_prefix=network.max_prefixlen - int(bits))
        return [str(next(blocks)) for _ in range(int(count))]
    except (TypeError, ValueError, StopIteration):
        return Call("Fn::Cidr", (block, count, bits))


def _import(resolver: Resolver, argument: Any) -> Any:
    name = resolver.resolve(argument)
    if not isinstance(name, str):
        return resolver.problem(f"the name of an import must be known before deployment, not {name}")
    if name not in resolver.exports:
        return resolver.problem(f"it imports {name!r}, which no earlier stack exports")
    resolver.imported.add(name)
    return resolver.exports[name]


def _stack_output(resolver: Resolver, argument: Any) -> Any:
    stack, output = (resolver.resolve(argument.get(key)) for key in ("StackName", "OutputName"))
    if (stack, output) not in resolver.outputs:
        return resolver.problem(f"it reads the output {output!r} of {stack!r}, which no earlier stack has")
    resolver.imported.add(f"{stack}.{output}")
    return resolver.outputs[stack, output]


def _open(name: str) -> Callable[[Resolver, Any], Any]:
    """Functions whose answer stays open: the argument is resolved and kept."""

    def call(resolver: Resolver, argument: Any) -> Any:
        resolved = resolver.resolve(argument)
        return Call(name, tuple(resolved) if isinstance(resolved, list) else (resolved,))

    return call


FUNCTIONS: dict[str, Callable[[Resolver, Any], Any]] = {
    "Ref": _ref,
    "Fn::GetAtt": _get_att,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::If": _if,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::FindInMap": _find_in_map,
    "Fn::Cidr": _cidr,
    "Fn::ImportValue": _import,
    "Fn::GetStackOutput": _stack_output,
    "Fn::GetAZs": _open("Fn::GetAZs"),
    "Fn::Base64": _open("Fn::Base64"),
    "Fn::ToJsonString": _open("Fn::ToJsonString"),
}


def declared_parameters(body: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The value given, else the default; a parameter that reads the Parameter Store stays open."""
    values: dict[str, Any] = {}
    for name, parameter in body.get("Parameters", {}).items():
        kind = parameter.get("Type", "String")
        value = given.get(name, parameter.get("Default"))
        if value is None or kind.startswith("AWS::SSM::Parameter::Value"):
            values[name] = Unknown(name)
        elif kind == "CommaDelimitedList" or kind.startswith("List<"):
            values[name] = [item.strip() for item in str(value).split(",")]
        else:
            values[name] = value
    return values


def is_open(value: Any) -> bool:
    return isinstance(value, Reference | Pseudo | Unknown | Call | Text)


def mentioned(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every name after Ref, Fn::GetAtt and in Fn::Sub, wherever it stands."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from mentioned(item, f"{path}.{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref" and isinstance(item, str):
                yield path, item
            elif key == "Fn::GetAtt":
                yield path, item if isinstance(item, str) else str(item[0])
            elif key == "Fn::Sub":
                yield from ((path, name) for name in _variables(item))
                yield from mentioned(item[1:] if isinstance(item, list) else [], path)
            else:
                yield from mentioned(item, f"{path}.{key}" if path else key)


def _variables(argument: Any) -> Iterator[str]:
    template, own = (argument, {}) if isinstance(argument, str) else (argument[0], argument[1])
    yield from (m[2].strip() for m in VARIABLE.finditer(template) if not m[1] and m[2].strip() not in own)
