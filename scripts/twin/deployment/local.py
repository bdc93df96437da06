"""The deployment of this machine: the stacks of the environment `local`, rendered, resolved and read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cfn.doctor.expectations import Expectations
from cfn.doctor.graph import Stack, World
from cfn.environments import LOCAL, Environment
from scripts.twin.deployment.hands import noted
from scripts.twin.deployment.reading import read
from scripts.twin.deployment.values import Deployment


@dataclass(frozen=True, slots=True)
class Split:
    """How one service's requests are shared, as the parameters of its stack say it."""

    fargate: int
    fallback: int

    @property
    def parameters(self) -> dict[str, str]:
        return {"FargateWeight": str(self.fargate), "LambdaWeight": str(self.fallback)}


def local_deployment(
    secrets: Mapping[str, str],
    *,
    weights: Mapping[str, Split] | None = None,
    seed_demo: bool = True,
    environment: Environment = LOCAL,
) -> Deployment:
    """Raises Refused when the templates say what AWS would not take or the twin cannot do."""
    deployment = read(local_world(weights=weights, seed_demo=seed_demo, environment=environment), secrets)
    for service, split in (weights or {}).items():
        for rule in list(deployment.rules_of(service)):
            deployment = deployment.with_rule(replace(rule, tags=noted(rule.tags, fallback=split.fallback)))
    return deployment


def local_world(
    *, weights: Mapping[str, Split] | None = None, seed_demo: bool = True, environment: Environment = LOCAL
) -> World:
    """The resolved templates."""
    from cfn.stacks import render  # noqa: PLC0415 - a fifth of a second that only those who render pay

    chosen = replace(environment, seed_demo=seed_demo)
    given = {name: split.parameters for name, split in (weights or {}).items()}
    stacks = [
        Stack(stack.name, json.loads(stack.body), {**stack.parameters, **given.get(stack.row.name, {})}, chosen.region)
        for stack in render(chosen)
    ]
    return World(stacks, Expectations(environment=chosen.name))
