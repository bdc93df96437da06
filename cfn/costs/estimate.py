"""Prices the stacks of one environment."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cfn.costs.free import FREE
from cfn.costs.groups import GROUPS, in_document
from cfn.costs.lines import Line
from cfn.costs.rules import RULES
from cfn.costs.rules.bill import Bill
from cfn.costs.table import Table, Unpriced, table
from cfn.costs.usage import Usage
from cfn.doctor.expectations import Expectations
from cfn.doctor.graph import Resource, Stack, World


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an account that holds nothing else would not have to pay."""

    price: str
    quantity: float
    unit: str
    usd: float


@dataclass(frozen=True, slots=True)
class Estimate:
    environment: str
    usage: Usage
    lines: tuple[Line, ...]
    free: tuple[Resource, ...]

    def group(self, key: str) -> float:
        return sum(line.usd for line in self.lines if line.item.group == key)

    @property
    def documented(self) -> float:
        """The groups that the architecture document has, too."""
        return sum(self.group(key) for key in in_document())

    @property
    def total(self) -> float:
        return sum(line.usd for line in self.lines)

    @property
    def allowances(self) -> list[Allowance]:
        used: dict[str, float] = {}
        for line in self.lines:
            if line.price.free and line.item.quantity:
                used[line.item.price] = used.get(line.item.price, 0) + line.item.quantity
        prices = table().prices
        taken = {key: min(quantity, prices[key].free) for key, quantity in used.items()}
        return [Allowance(key, taken[key], prices[key].unit, taken[key] * prices[key].usd) for key in sorted(taken)]


def estimate(environment: str, stacks: Sequence[Stack], usage: Usage) -> Estimate:
    """Raises Unpriced."""
    world = World(list(stacks), Expectations(environment=environment))
    for resolved in world.resolved:
        for problem in resolved.problems:
            raise Unpriced(f"The stack {problem.stack} cannot be read at {problem.path}: {problem.message}.")
    prices = table()
    lines = tuple(_lines(world, Bill(world, usage, prices.hours), prices))
    charged = {(line.stack, line.resource) for line in lines}
    free = tuple(resource for resource in world.resources if resource.key not in charged)
    return Estimate(environment, usage, lines, free)


def _lines(world: World, bill: Bill, prices: Table) -> Iterator[Line]:
    for resource in world.resources:
        if resource.type in RULES:
            for item in RULES[resource.type](resource, bill):
                if item.group not in GROUPS:
                    raise Unpriced(f"There is no group {item.group!r} for {resource}.")
                yield Line(resource.stack, resource.name, resource.type, item, prices[item.price])
        elif resource.type not in FREE:
            raise Unpriced(
                f"{resource} is of type {resource.type}, which has neither a price rule (cfn/costs/rules) nor a reason "
                "to be free (cfn/costs/free.py)."
            )
