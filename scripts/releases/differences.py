"""What is wanted beside what is deployed, by comparing templates: needs no more rights than to look.

A change set knows better, but making one is already a change, which a pull request may not make; and none can be made
for a stack while what it imports is not there yet.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cfn.doctor.intrinsics import mentioned
from cfn.stacks import Stack
from scripts.releases.changes import STATEFUL, Action, Change
from scripts.releases.live import Live


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Of one stack. `parameters` are name → before and after."""

    stack: Stack
    live: Live | None
    changes: tuple[Change, ...]
    parameters: Mapping[str, tuple[str, str]]
    otherwise: bool  # the template differs outside of its resources: in outputs, parameters or its description

    @property
    def new(self) -> bool:
        return self.live is None or not self.live.template

    @property
    def nothing(self) -> bool:
        """Whether the stack is as it should be."""
        return not (self.new or self.changes or self.parameters or self.otherwise)


def difference(stack: Stack, live: Live | None) -> Difference:
    body, before = json.loads(stack.body), live.template if live else {}
    known = live.parameters if live else {}
    parameters = {
        name: (known.get(name, ""), value) for name, value in stack.parameters.items() if known.get(name) != value
    }
    return Difference(
        stack=stack,
        live=live,
        changes=tuple(_changes(stack.name, before.get("Resources", {}), body["Resources"], set(parameters))),
        parameters=parameters if before else {},
        otherwise=_rest(before) != _rest(body),
    )


def _rest(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != "Resources"}


def _changes(stack: str, before: Mapping[str, Any], after: Mapping[str, Any], parameters: set[str]) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if now is None:
            yield Change(stack=stack, resource=name, type=before[name]["Type"], action="remove")
        elif was is None:
            yield Change(stack=stack, resource=name, type=now["Type"], action="add")
        elif changed := _properties(was, now, parameters):
            fixed = STATEFUL.get(was["Type"], frozenset()) | {"Type"}
            action: Action = "replace" if changed & fixed else "change"
            yield Change(stack=stack, resource=name, type=was["Type"], action=action, properties=tuple(sorted(changed)))


def _properties(was: Mapping[str, Any], now: Mapping[str, Any], parameters: set[str]) -> set[str]:
    """The ones that differ, or name a parameter that does; and what stands beside them, such as the type."""
    old, new = was.get("Properties", {}), now.get("Properties", {})
    changed = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    changed |= {name for name, value in new.items() if {one for _, one in mentioned({name: value})} & parameters}
    beside = {key for key in {*was, *now} - {"Properties"} if was.get(key) != now.get(key)}
    return changed | beside
