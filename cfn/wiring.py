"""How boxes meet: within a stack they are handed each other's handles, across stacks the same handles of imports."""

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

from troposphere import AWSHelperFn, Export, ImportValue, Output, Template

from cfn.environments import Environment
from cfn.names import title

Value: TypeAlias = Any  # a string, or an intrinsic that will be one; Troposphere has no types of its own
Box = Callable[..., Any]  # (template, environment, handles of other boxes …) → its own handle


@dataclass(slots=True)
class House:
    """The handles so far, by their class. A box that takes `Sequence[Workload]` gets those of all stacks."""

    rooms: dict[type, list[Any]] = field(default_factory=dict)

    def copy(self) -> "House":
        return House({kind: list(handles) for kind, handles in self.rooms.items()})

    def enter(self, handle: Any) -> None:
        self.rooms.setdefault(type(handle), []).append(handle)

    def build(self, box: Box, template: Template, environment: Environment) -> Any:
        """Call the box with the handles that its annotations ask for."""
        wanted = _handles_of(box)
        found = {name: self._find(annotation) for name, annotation in wanted.items()}
        return box(template, environment, **found)

    def _find(self, annotation: Any) -> Any:
        if get_origin(annotation) is Sequence:
            return tuple(self.rooms.get(get_args(annotation)[0], ()))
        if annotation not in self.rooms:  # then it is made of handles
            parts = get_type_hints(annotation)
            return annotation(**{name: self._find(part) for name, part in parts.items()})
        (handle,) = self.rooms[annotation]
        return handle


def _handles_of(box: Box) -> dict[str, Any]:
    function, bound = (box.func, box.keywords) if isinstance(box, functools.partial) else (box, {})
    hints = get_type_hints(function)
    names = list(inspect.signature(function).parameters)[2:]
    return {name: hints[name] for name in names if name not in bound}


def lend(handle: Any, stack: str) -> tuple[Any, dict[str, Value]]:
    """The handle as later stacks see it, every intrinsic in it an import; and what has to be exported for that."""
    exports: dict[str, Value] = {}

    def lent(value: Any, name: str) -> Any:
        if isinstance(value, AWSHelperFn):
            exports[name] = value
            return ImportValue(f"{stack}:{name}")
        if is_dataclass(value) and not isinstance(value, type):
            changes = {item.name: lent(getattr(value, item.name), name + title(item.name)) for item in fields(value)}
            return replace(value, **changes)
        if isinstance(value, tuple):
            return tuple(lent(item, f"{name}{number}") for number, item in enumerate(value, 1))
        if isinstance(value, Mapping):
            return {key: lent(item, name + title(key)) for key, item in value.items()}
        return value

    return lent(handle, type(handle).__name__), exports


def publish(template: Template, stack: str, exports: Mapping[str, Value], read: set[str]) -> None:
    """Exports of what another stack imports, and of nothing else: an export in use can no longer be changed."""
    for name, value in exports.items():
        export = f"{stack}:{name}"
        if export in read:
            template.add_output(Output(name, Value=value, Export=Export(export)))


def imports(template: Template) -> Iterator[str]:
    """The names of all exports that the template reads."""
    pending = [json.loads(template.to_json(indent=None))]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if isinstance(node.get("Fn::ImportValue"), str):
                yield node["Fn::ImportValue"]
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


def minified(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
