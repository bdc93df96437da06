"""What is left of an environment when its stacks are gone, and what that goes on costing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cfn.costs.estimate import estimate
from cfn.costs.table import table
from cfn.costs.usage import usage
from cfn.doctor.graph import Stack as Template
from cfn.environments import Environment
from scripts.releases.live import Live, resources

KEPT = {"Retain", "RetainExceptOnCreate"}
DATABASE = "AWS::RDS::DBInstance"


@dataclass(frozen=True, slots=True)
class Survivor:
    """`snapshot`: the thing itself goes, and what it held is kept. US dollars a month, for what lies there."""

    stack: str
    resource: str
    type: str
    name: str
    snapshot: bool
    usd: float

    def __str__(self) -> str:
        kept = "a last snapshot of " if self.snapshot else ""
        return f"{kept}{self.resource} ({self.type.removeprefix('AWS::')}) {self.name}"


def survivors(cloudformation: Any, environment: Environment, live: Sequence[Live]) -> list[Survivor]:
    templates = [Template(one.name, one.template, one.parameters, environment.region) for one in live]
    lines = estimate(environment.name, templates, usage(environment.name, {})).lines
    storage: dict[tuple[str, str], float] = {}
    for line in lines:
        if line.price.unit.endswith("-month"):
            storage[line.stack, line.resource] = storage.get((line.stack, line.resource), 0) + line.usd
    return [one for stack in live for one in _of(cloudformation, stack, storage)]


def _of(cloudformation: Any, stack: Live, storage: Mapping[tuple[str, str], float]) -> Iterator[Survivor]:
    there = resources(cloudformation, stack.name)
    for name, raw in stack.template.get("Resources", {}).items():
        policy = raw.get("DeletionPolicy", "Delete")
        if name not in there or policy not in {*KEPT, "Snapshot"}:
            continue
        snapshot = policy == "Snapshot"
        usd = _snapshot(raw) if snapshot else storage.get((stack.name, name), 0.0)
        yield Survivor(stack.name, name, raw["Type"], there[name].get("PhysicalResourceId", ""), snapshot, usd)


def _snapshot(raw: Mapping[str, Any]) -> float:
    """At most: a snapshot is as large as what had been written."""
    if raw["Type"] != DATABASE:
        return 0.0
    return float(raw["Properties"]["AllocatedStorage"]) * table()["rds.backup"].usd
