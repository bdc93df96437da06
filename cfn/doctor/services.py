"""A service as the graph shows it: the ECS service, its task, its target group, and the Lambda function beside it."""

from dataclasses import dataclass, field
from typing import Any

from cfn.doctor.graph import Resource, World, fact
from cfn.doctor.values import dig, items, number

TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
LISTENER_RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"
LISTENER = "AWS::ElasticLoadBalancingV2::Listener"


@dataclass(frozen=True, slots=True)
class Mounted:
    """One entry of an ECS service's load balancers, followed to where it leads."""

    service: Resource
    entry: dict[str, Any]
    task: Resource | None
    group: Resource | None
    container: dict[str, Any] | None
    rules: list[Resource] = field(default_factory=list)  # listeners too, where a default action forwards
    twins: list[Resource] = field(default_factory=list)  # the other target groups of the same rules
    functions: list[Resource] = field(default_factory=list)

    @property
    def port(self) -> int | None:
        value = number(self.entry.get("ContainerPort"))
        return int(value) if value is not None else None


@fact
def services(world: World) -> list[Mounted]:
    return [
        _mounted(world, service, entry)
        for service in world.of("AWS::ECS::Service")
        for entry in items(service.get("LoadBalancers")) or [{}]
    ]


def _mounted(world: World, service: Resource, entry: dict[str, Any]) -> Mounted:
    task = world.at(service.get("TaskDefinition"), "AWS::ECS::TaskDefinition")
    group = world.at(entry.get("TargetGroupArn"), TARGET_GROUP)
    containers = items(task.get("ContainerDefinitions")) if task else []
    named = [container for container in containers if container.get("Name") == entry.get("ContainerName")]
    rules = world.users(group, LISTENER_RULE, LISTENER) if group else []
    twins = [other for rule in rules for other in forwarded(world, rule) if other is not group]
    twins = list({twin.key: twin for twin in twins}.values())
    functions = [found for twin in twins for found in world.all_at(twin.get("Targets"), *FUNCTIONS)]
    functions = [serving(world, found) for found in functions]
    return Mounted(service, entry, task, group, named[0] if named else None, rules, twins, functions)


FUNCTIONS = ("AWS::Lambda::Function", "AWS::Lambda::Alias", "AWS::Lambda::Version")


def serving(world: World, found: Resource) -> Resource:
    """The function behind an alias or a version."""
    behind = world.at(found.get("FunctionName"), "AWS::Lambda::Function")
    return behind or found


def actions(rule: Resource) -> list[dict[str, Any]]:
    return items(rule.get("Actions")) or items(rule.get("DefaultActions"))


def forwards(rule: Resource) -> list[dict[str, Any]]:
    """The entries {TargetGroupArn, Weight} of every forward action."""
    found: list[dict[str, Any]] = []
    for action in actions(rule):
        if action.get("Type") == "forward":
            found += items(dig(action, "ForwardConfig", "TargetGroups")) or [
                {"TargetGroupArn": action.get("TargetGroupArn"), "Weight": 1}
            ]
    return found


def forwarded(world: World, rule: Resource) -> list[Resource]:
    found = [world.at(entry.get("TargetGroupArn"), TARGET_GROUP) for entry in forwards(rule)]
    return [group for group in found if group]


@fact
def has_name(world: World) -> bool:
    """Whether the shop has a domain, and with it a certificate. Without one CloudFront speaks TLS by its own name, and
    HTTP only through its private door into the VPC: a load balancer that faces the internet has to have one."""
    balancers = world.of("AWS::ElasticLoadBalancingV2::LoadBalancer")
    named = [d for d in world.of("AWS::CloudFront::Distribution") if d.get("DistributionConfig", "Aliases")]
    return bool(named) or any(balancer.get("Scheme") != "internal" for balancer in balancers)
