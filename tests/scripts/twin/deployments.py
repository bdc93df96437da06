"""Deployments for the tests of the twin: the one that the templates give, and small changes to it."""

import functools
from collections.abc import Mapping
from dataclasses import replace

from scripts.twin.deployment.local import local_deployment
from scripts.twin.deployment.values import Action, Deployment, Share, TargetGroup

SECRET = "known to the front door"


@functools.cache
def local() -> Deployment:
    return local_deployment({"ORIGIN_SECRET": SECRET})


def with_attributes(deployment: Deployment, attributes: Mapping[str, str]) -> Deployment:
    return replace(deployment, attributes={**deployment.attributes, **attributes})


def group_of(deployment: Deployment, service: str, runtime: str) -> TargetGroup:
    shares = [share for rule in deployment.rules_of(service) for share in rule.action.shares]
    groups = [deployment.group(share.group) for share in shares]
    (found,) = [group for group in groups if group and group.runtime == runtime]
    return found


def weighted(deployment: Deployment, service: str, weights: Mapping[str, int]) -> Deployment:
    """By runtime."""
    for rule in list(deployment.rules_of(service)):
        shares = tuple(
            Share(group=group_of(deployment, service, runtime).arn, weight=weight)
            for runtime, weight in weights.items()
        )
        deployment = deployment.with_rule(replace(rule, action=Action(shares=shares)))
    return deployment


def with_group(deployment: Deployment, service: str, runtime: str, attributes: Mapping[str, str]) -> Deployment:
    """With these attributes and no others."""
    return deployment.with_group(replace(group_of(deployment, service, runtime), attributes=attributes))
