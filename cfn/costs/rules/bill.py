"""What a rule is given, and what it gives back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from cfn.costs.lines import Item
from cfn.costs.traffic import Traffic
from cfn.costs.usage import Usage
from cfn.doctor.graph import Resource, World


@dataclass(eq=False)
class Bill:
    world: World
    usage: Usage
    hours: int

    @cached_property
    def traffic(self) -> Traffic:
        return Traffic(self.world, self.usage, self.hours)


Rule = Callable[[Resource, Bill], Iterator[Item]]
