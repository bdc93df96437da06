"""Every type in the templates is priced or free for a reason, and no rule outlives its type."""

from pathlib import Path

import pytest

from cfn.costs.estimate import estimate
from cfn.costs.free import FREE
from cfn.costs.rules import RULES
from cfn.costs.table import Unpriced
from cfn.costs.usage import usage
from cfn.doctor.graph import Stack
from tests.cfn.conftest import ALL
from tests.cfn.costs.small import priced, resource, small, stacks
from tests.cfn.rendered import Rendered


def test_every_type_is_either_priced_or_free_for_a_reason(deployment: Rendered) -> None:
    types = {found.type for found in deployment.resources()}
    assert types - set(RULES) - set(FREE) == set()


def test_no_type_is_both_priced_and_free() -> None:
    assert set(RULES) & set(FREE) == set()
    assert all(FREE.values())


def test_no_rule_and_no_reason_is_for_a_type_that_no_template_has(deployments: dict[str, Rendered]) -> None:
    types = {found.type for deployment in deployments.values() for found in deployment.resources()}
    assert {*RULES, *FREE} - types == set()


def test_every_resource_has_a_line_or_is_listed_as_free() -> None:
    for environment in ALL.values():
        found = priced(environment)
        charged = {(line.stack, line.resource) for line in found.lines}
        free = {one.key for one in found.free}
        every = {(stack.name, name) for stack in stacks(environment) for name in stack.body["Resources"]}
        assert charged | free == every
        assert charged & free == set()


def test_no_two_lines_of_a_resource_have_the_same_name() -> None:
    for environment in ALL.values():
        keys = [line.key for line in priced(environment).lines]
        assert len(keys) == len(set(keys))


def test_a_type_that_nobody_thought_of_is_an_error_and_not_for_nothing() -> None:
    with pytest.raises(Unpriced, match=r"one/Stream is of type AWS::Kinesis::Stream, which has neither a price rule"):
        small({"Stream": resource("Kinesis::Stream")})


def test_a_template_that_cannot_be_resolved_is_an_error() -> None:
    with pytest.raises(Unpriced, match=r"The stack one cannot be read at .*'Nowhere'"):
        small({"Address": resource("EC2::EIP", Domain={"Ref": "Nowhere"})})


def test_what_a_condition_leaves_out_costs_nothing() -> None:
    body = {
        "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
        "Resources": {"Address": {"Type": "AWS::EC2::EIP", "Condition": "Never"}},
    }
    assert estimate("dev", [Stack("one", body)], usage("dev", {})).total == 0


def test_the_package_reads_templates_and_never_the_boxes() -> None:
    sources = (Path(__file__).parents[3] / "cfn" / "costs").rglob("*.py")
    for path in sources:
        text = path.read_text()
        assert not [word for word in ("cfn.boxes", "cfn.stacks", "cfn.environments", "troposphere") if word in text]
