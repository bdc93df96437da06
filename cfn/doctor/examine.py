"""One look at a deployment: every rule over every stack."""

from collections.abc import Iterator, Sequence

from cfn.doctor.expectations import Expectations
from cfn.doctor.findings import Finding
from cfn.doctor.graph import Stack, World
from cfn.doctor.rules import RULES


def examine(stacks: Sequence[Stack], expectations: Expectations) -> list[Finding]:
    return list(findings(World(list(stacks), expectations)))


def findings(world: World) -> Iterator[Finding]:
    for rule in RULES.values():
        yield from rule.findings(world)
