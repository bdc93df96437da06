"""What a release wants of each stack: the tag that is asked for or the one that runs, and the weights of the moment."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cfn.environments import environment
from cfn.stacks import Stack, render
from scripts.releases.asked import Asked, held, recorded, services_to_release, wanted
from scripts.releases.differences import difference
from scripts.releases.live import Live
from scripts.releases.traffic import Traffic
from scripts.terminal import Problem

DEV = environment("dev")
NAMES = {stack.row.name: stack.name for stack in render(DEV)}


def live(version: str = "v1", **parameters: Any) -> dict[str, Live | None]:
    """Everything as it was rendered, with that version."""
    found: dict[str, Live | None] = {}
    for stack in render(DEV):
        own = {**stack.parameters, **({"Version": version} if "Version" in stack.parameters else {})}
        own |= {name: value for name, value in parameters.items() if name in own}
        found[stack.name] = Live(
            name=stack.name,
            id=stack.name,
            status="UPDATE_COMPLETE",
            reason="",
            protected=False,
            parameters=own,
            outputs={},
            template=json.loads(stack.body),
        )
    return found


def versions(asked: Asked, running: dict[str, Live | None]) -> dict[str, str]:
    return {
        stack.row.name: stack.parameters["Version"]
        for stack in wanted(asked, running, {})
        if "Version" in stack.parameters
    }


def test_without_a_tag_every_stack_keeps_the_one_that_runs() -> None:
    running = live("v1")
    order = running[NAMES["order"]]
    assert order is not None
    running[NAMES["order"]] = replace(order, parameters={**order.parameters, "Version": "v7"})
    assert versions(Asked(environment=DEV), running) == {
        "fallback": "v1",
        "product": "v1",
        "order": "v7",
        "frontend": "v1",
        "ops": "v1",
    }


def test_a_tag_for_one_service_moves_it_and_the_functions() -> None:
    asked = Asked(environment=DEV, services=("order",), tag="v2")
    found = versions(asked, live("v1"))
    assert found == {"fallback": "v2", "product": "v1", "order": "v2", "frontend": "v1", "ops": "v1"}
    assert services_to_release(wanted(asked, live("v1"), {}), live("v1"), asked) == ["order"]


def test_where_nothing_runs_yet_a_tag_has_to_be_given() -> None:
    nothing = dict.fromkeys(live())
    with pytest.raises(Problem, match="Nothing runs in dev yet: say which images with --image-tag"):
        wanted(Asked(environment=DEV), nothing, {})
    assert set(versions(Asked(environment=DEV, tag="v1"), nothing).values()) == {"v1"}


def of(row: str, stacks: list[Stack]) -> Stack:
    return next(stack for stack in stacks if stack.row.name == row)


def test_the_weights_of_the_moment_are_passed_on() -> None:
    stacks = wanted(Asked(environment=DEV), live(), {"order": Traffic("order", 60, 40, "")})
    assert of("order", stacks).parameters.items() >= {"FargateWeight": "60", "LambdaWeight": "40"}.items()
    assert of("product", stacks).parameters.items() >= {"FargateWeight": "100", "LambdaWeight": "0"}.items()


def test_weights_that_moved_are_recorded_before_anything_else_so_that_a_rollback_keeps_them() -> None:
    running = live(FargateWeight="0", LambdaWeight="100")
    stacks = wanted(Asked(environment=DEV, tag="v2"), running, {"order": Traffic("order", 100, 0, "")})
    order, known = of("order", stacks), running[NAMES["order"]]
    first = recorded(order, known)
    assert first is not None
    assert difference(first, known).parameters == {"FargateWeight": ("0", "100"), "LambdaWeight": ("100", "0")}
    assert first.parameters["Version"] == "v1"
    assert recorded(order, live()[NAMES["order"]]) is None
    assert recorded(order, None) is None


def test_functions_keep_their_version_until_the_containers_run_the_new_one() -> None:
    running = live("v1")
    functions = of("fallback", wanted(Asked(environment=DEV, tag="v2"), running, {}))
    assert functions.parameters["Version"] == "v2"
    assert held(functions, running[functions.name]).parameters["Version"] == "v1"
    assert held(functions, None) == functions
