"""Deployments of a few resources, written by hand."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from cfn.costs.estimate import Estimate, estimate
from cfn.costs.usage import usage
from cfn.doctor.graph import Stack
from cfn.environments import Environment
from scripts.cost import rendered


def priced(environment: Environment, **given: float) -> Estimate:
    return estimate(environment.name, stacks(environment), usage(environment.name, given))


@cache
def stacks(environment: Environment) -> list[Stack]:
    return rendered(environment)


def small(
    resources: Mapping[str, Mapping[str, Any]], parameters: Mapping[str, Any] | None = None, /, **given: float
) -> Estimate:
    body = {"Resources": resources, "Parameters": parameters or {}}
    return estimate("dev", [Stack("one", body)], usage("dev", given))


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def costs(found: Estimate, name: str) -> dict[str, float]:
    """What each line of a resource comes to."""
    return {line.item.what: line.usd for line in found.lines if line.resource == name}


def quantities(found: Estimate, name: str) -> dict[str, float]:
    return {line.item.what: line.item.quantity for line in found.lines if line.resource == name}
