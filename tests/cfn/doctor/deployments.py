"""Deployments as the doctor reads them: from the text that would be deployed."""

import json

from cfn.doctor.graph import Stack
from tests.cfn.rendered import Rendered


def stacks_of(deployment: Rendered) -> list[Stack]:
    region = deployment.environment.region
    return [Stack(s.name, json.loads(s.body), s.parameters, region) for s in deployment.stacks]


def small(resources: object, **more: object) -> Stack:
    """One stack written by hand."""
    return Stack("small", {"Resources": resources, **more})
