"""The table: which box stands in which stack, in the order of deployment. Nothing else knows it.

Cut by rate of change and blast radius: an alarm's threshold must not be able to roll the database back, and a new image
touches the stack of its own service only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from troposphere import Tags, Template

from cfn import names
from cfn.boxes.alerts import alerts
from cfn.boxes.builder import builder
from cfn.boxes.cache import cache
from cfn.boxes.cdn import cdn
from cfn.boxes.cicd import cicd
from cfn.boxes.cluster import cluster
from cfn.boxes.dashboard import dashboard
from cfn.boxes.data import data
from cfn.boxes.default_group import default_group
from cfn.boxes.encryption import encryption
from cfn.boxes.endpoints import endpoints
from cfn.boxes.fallback import fallback
from cfn.boxes.firewall import firewall
from cfn.boxes.keys import keys
from cfn.boxes.load_balancer import load_balancer
from cfn.boxes.network import network
from cfn.boxes.objectives import objectives
from cfn.boxes.observability import observability
from cfn.boxes.ops import ops
from cfn.boxes.registry import registry
from cfn.boxes.rotation import rotation
from cfn.boxes.security import security
from cfn.boxes.selling import selling
from cfn.boxes.service import fargate
from cfn.boxes.tracing import tracing
from cfn.environments import Environment
from cfn.wiring import Box, House, imports, lend, minified, publish

LIMIT = 51_200  # bytes of a template that CloudFormation takes without a bucket


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    purpose: str
    boxes: tuple[Box, ...]
    stateful: bool = False  # what it holds cannot be made again


def table(environment: Environment) -> tuple[Row, ...]:
    services = (
        Row(service.name, f"The {service.name} service on Fargate", (partial(fargate, service=service),))
        for service in environment.services
    )
    return (
        Row(
            "bootstrap",
            "Key, alarm topic, registry and deploy roles: needed before anything can be built",
            (encryption, alerts, registry, builder, cicd),
            stateful=True,
        ),
        Row(
            "network",
            "VPC, subnets, ways out, and who may talk to whom",
            (network, security, endpoints, default_group),
            stateful=True,
        ),
        Row("data", "Secrets, PostgreSQL and the optional cache", (keys, data, cache), stateful=True),
        Row("rotation", "Rotation of the administrator's password", (rotation,)),
        Row("platform", "Cluster and load balancer", (cluster, load_balancer)),
        Row("fallback", "The services on Lambda", (fallback,)),
        *services,
        Row("cdn", "CloudFront, firewall and names", (firewall, cdn)),
        Row("watch", "Alarms and traces", (observability, selling, tracing)),
        Row("objectives", "What customers are promised, and how fast it is used up", (objectives,)),
        Row("dashboard", "One page about the shop", (dashboard,)),
        Row("ops", "The operations app: alarms to Slack, failover, clean-up", (ops,)),
    )


@dataclass(frozen=True, slots=True)
class Stack:
    """One rendered stack: what CloudFormation gets, as text that is the same wherever and whenever it is made."""

    row: Row
    name: str
    body: str
    parameters: Mapping[str, str]
    capabilities: tuple[str, ...]

    @property
    def size(self) -> int:
        return len(self.body.encode())


def render(environment: Environment) -> tuple[Stack, ...]:
    """All stacks of an environment, in the order of deployment. Reads no clock, no network and no environment."""
    house, built = House(), []
    for row in table(environment):
        template, exports = _build(row, environment, house)
        built.append((row, template, exports))
    read = {name for _, template, _ in built for name in imports(template)}
    for row, template, exports in built:
        publish(template, names.stack_name(environment, row.name), exports, read)
    return tuple(_finished(row, template, environment) for row, template, _ in built)


def _build(row: Row, environment: Environment, house: House) -> tuple[Template, dict[str, Any]]:
    """Within the stack boxes see each other's handles as they are; later stacks see imports."""
    template, name = Template(), names.stack_name(environment, row.name)
    template.set_version()
    template.set_description(f"Tandem {environment.name}: {row.purpose}")
    inside, lent = house.copy(), []
    exports: dict[str, Any] = {}
    for box in row.boxes:
        handle = inside.build(box, template, environment)
        if handle is None:
            continue
        inside.enter(handle)
        imported, offered = lend(handle, name)
        exports |= offered
        lent.append(imported)
    for handle in lent:
        house.enter(handle)
    _tag(template, environment, row.name)
    return template, exports


def _tag(template: Template, environment: Environment, stack: str) -> None:
    """Whatever can carry tags carries the same ones, without any box having to think of it."""
    own = names.tags(environment, stack)
    for resource in template.resources.values():
        if "Tags" not in resource.props or "Tags" in resource.properties:
            continue
        kind = resource.props["Tags"][0]
        resource.Tags = dict(own) if kind is dict else Tags(**own)


def _finished(row: Row, template: Template, environment: Environment) -> Stack:
    body = minified(json.loads(template.to_json(indent=None)))
    parameters = {name: str(item.Default) for name, item in sorted(template.parameters.items())}
    return Stack(
        row=row,
        name=names.stack_name(environment, row.name),
        body=body,
        parameters=parameters,
        capabilities=_capabilities(template),
    )


def _capabilities(template: Template) -> tuple[str, ...]:
    makes_roles = any(resource.resource_type.startswith("AWS::IAM::") for resource in template.resources.values())
    expands = template.transform is not None
    needed = {"CAPABILITY_IAM": makes_roles or expands, "CAPABILITY_AUTO_EXPAND": expands}
    return tuple(name for name, wanted in sorted(needed.items()) if wanted)
