"""What wakes which function with what: read the same way from Chalice's expanded template and from the `ops` stack."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cfn.environments import ENVIRONMENTS
from cfn.stacks import render
from scripts.builds.targets import Target
from scripts.terminal import Problem

FUNCTION = "AWS::Lambda::Function"
PERMITTED = {"sns.amazonaws.com": "a topic", "events.amazonaws.com": "a schedule"}
Template = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Facts:
    """`wakers` are schedule expressions, or "a topic"; `permitted` says who may call the function."""

    runtime: str
    memory: int
    timeout: int
    wakers: tuple[str, ...]
    permitted: tuple[str, ...]


def facts(template: Template) -> dict[str, Facts]:
    """Of each function, by its handler."""
    resources = template["Resources"]
    found = {}
    for title, resource in resources.items():
        if resource["Type"] == FUNCTION:
            own = resource["Properties"]
            wakers, permitted = sorted(_wakers(resources, title)), sorted(_permitted(resources, title))
            found[own["Handler"]] = Facts(
                own["Runtime"], own["MemorySize"], own["Timeout"], tuple(wakers), tuple(permitted)
            )
    return found


def _wakers(resources: Mapping[str, Any], title: str) -> Iterator[str]:
    for resource in resources.values():
        own = resource.get("Properties", {})
        if resource["Type"] == "AWS::SNS::Subscription" and _is(own["Endpoint"], title):
            yield "a topic"
        if resource["Type"] == "AWS::Events::Rule" and any(_is(one["Arn"], title) for one in own["Targets"]):
            yield own["ScheduleExpression"]


def _permitted(resources: Mapping[str, Any], title: str) -> Iterator[str]:
    for resource in resources.values():
        own = resource.get("Properties", {})
        if resource["Type"] == "AWS::Lambda::Permission" and _is(own["FunctionName"], title):
            yield PERMITTED.get(own["Principal"], own["Principal"])


def _is(value: Any, title: str) -> bool:
    return value in ({"Ref": title}, {"Fn::GetAtt": [title, "Arn"]}, {"Fn::GetAtt": f"{title}.Arn"})


def expected(target: Target) -> dict[str, Facts]:
    """What the stack says, of any environment: they differ in names only. The runtime is the target's."""
    (stack,) = (stack for stack in render(ENVIRONMENTS["dev"]) if stack.row.name == "ops")
    told = facts(json.loads(stack.body))
    return {handler: replace(one, runtime=f"python{target.python}") for handler, one in told.items()}


def differences(template: Any, wanted: Mapping[str, Facts]) -> list[str]:
    """Between Chalice's expanded template and what is wanted, each in a few words. Raises Problem for no template."""
    if not isinstance(template, dict) or not template.get("Resources"):
        raise Problem("Chalice's template has no resources.")
    found = facts(template)
    wrong = [f"{handler} is only in the app" for handler in sorted(found.keys() - wanted.keys())]
    wrong += [f"{handler} is only in the stack" for handler in sorted(wanted.keys() - found.keys())]
    for handler in sorted(found.keys() & wanted.keys()):
        for name in Facts.__slots__:
            own, other = getattr(found[handler], name), getattr(wanted[handler], name)
            if own != other:
                wrong.append(f"{handler} has {name} {own} in the app and {other} in the stack")
    return wrong
