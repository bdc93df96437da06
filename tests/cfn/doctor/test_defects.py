"""Fifty-eight mistakes that people make, each told by the rule that is there for it."""

import pytest

from cfn.doctor.expectations import ENVIRONMENTS
from cfn.doctor.graph import World
from cfn.doctor.rules import RULES
from tests.cfn.doctor.defects import DEFECTS, LINTER, Templates
from tests.cfn.doctor.deployments import stacks_of
from tests.cfn.doctor.linter import complains
from tests.cfn.rendered import Rendered


def test_there_are_fifty_eight() -> None:
    assert len(DEFECTS) == 58


@pytest.mark.parametrize("environment", ["dev", "prod"])
@pytest.mark.parametrize("name", [name for name, (_, rule) in DEFECTS.items() if rule != LINTER])
def test_mistake_is_told_by_its_rule(name: str, environment: str, deployments: dict[str, Rendered]) -> None:
    damage, rule = DEFECTS[name]
    damaged = Templates(stacks_of(deployments[environment]))
    damage(damaged)
    assert list(RULES[rule].findings(World(damaged.stacks, ENVIRONMENTS[environment])))


def test_mistake_of_mere_form_is_told_by_the_linter(dev: Rendered, request: pytest.FixtureRequest) -> None:
    assert request.config.cache is not None
    for damage, rule in DEFECTS.values():
        if rule == LINTER:
            stacks = stacks_of(dev)
            damaged = Templates(stacks)
            damage(damaged)
            changed = [d for d, s in zip(damaged.stacks, stacks, strict=True) if d.body != s.body]
            assert [complains(stack, request.config.cache) for stack in changed] == [True]
