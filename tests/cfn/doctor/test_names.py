"""The doctor follows the graph: under other names it finds the same."""

from collections import Counter

import pytest

from cfn.doctor.examine import examine
from cfn.doctor.expectations import ENVIRONMENTS
from cfn.doctor.findings import Finding
from tests.cfn.doctor.defects import DEFECTS, LINTER, Templates
from tests.cfn.doctor.deployments import stacks_of
from tests.cfn.doctor.renaming import other, renamed
from tests.cfn.rendered import Rendered


def places(findings: list[Finding]) -> Counter[tuple[str, str, str]]:
    return Counter((finding.rule, finding.stack, finding.resource) for finding in findings)


def test_renamed_templates_pass_in_every_environment(deployments: dict[str, Rendered]) -> None:
    for name, expectations in ENVIRONMENTS.items():
        assert examine(renamed(stacks_of(deployments[name])), expectations) == []


@pytest.mark.parametrize("name", [name for name, (_, rule) in DEFECTS.items() if rule != LINTER][::3])
def test_mistake_is_found_in_the_same_place_under_another_name(name: str, prod: Rendered) -> None:
    damaged = Templates(stacks_of(prod))
    DEFECTS[name][0](damaged)
    before = places(examine(damaged.stacks, ENVIRONMENTS["prod"]))
    expected: Counter[tuple[str, str, str]] = Counter()
    for (rule, stack, resource), count in before.items():
        expected[rule, stack, other(resource) if resource else ""] += count
    assert before
    assert places(examine(renamed(damaged.stacks), ENVIRONMENTS["prod"])) == expected
