"""What alarms look at is there: somebody emits it, under exactly these dimensions, of this very resource."""

from collections.abc import Iterator
from typing import Any

from cfn.doctor.emitted import OURS, sets_of
from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import World
from cfn.doctor.metrics import ALARM, TOPIC, dimensions, metrics
from cfn.doctor.values import Call, Reference, Text

rule = Rules()
# dimension: the type it must lead to, and the attribute that CloudWatch knows it by ("" is Ref).
DIMENSIONS: dict[str, tuple[str, set[str]]] = {
    "LoadBalancer": ("AWS::ElasticLoadBalancingV2::LoadBalancer", {"LoadBalancerFullName"}),
    "TargetGroup": ("AWS::ElasticLoadBalancingV2::TargetGroup", {"TargetGroupFullName"}),
    "ServiceName": ("AWS::ECS::Service", {"Name"}),
    "ClusterName": ("AWS::ECS::Cluster", {""}),
    "DBInstanceIdentifier": ("AWS::RDS::DBInstance", {""}),
    "FunctionName": ("AWS::Lambda::Function", {""}),
    "DistributionId": ("AWS::CloudFront::Distribution", {"", "Id"}),
    "NatGatewayId": ("AWS::EC2::NatGateway", {"", "NatGatewayId"}),
    "QueueName": ("AWS::SQS::Queue", {"QueueName"}),
    "TopicName": (TOPIC, {"TopicName"}),
    "LogGroupName": ("AWS::Logs::LogGroup", {""}),
}


@rule("TND-OBS-03", "Dimensions resolve to what CloudWatch calls the resource")
def names(world: World) -> Iterator[Fault]:
    """An ARN where the full name belongs is accepted, matches no metric, and the alarm stays green through the fire."""
    for alarm in world.of(ALARM):
        found = list(metrics(alarm))
        if not found:
            yield Fault(alarm, "MetricName", "it watches no metric", "name one")
        for path, metric in found:
            if not metric.get("Namespace"):
                yield Fault(alarm, f"{path}Namespace", "no namespace", "name it")
            for name, value in dimensions(metric).items():
                if (kind := DIMENSIONS.get(name)) and not is_named(world, value, *kind):
                    wrong = f"{name} is {value}"
                    mend = f"use {' or '.join(filter(None, kind[1])) or 'Ref'} of an {kind[0]}"
                    yield Fault(alarm, f"{path}Dimensions", wrong, mend)


def is_named(world: World, value: Any, kind: str, attributes: set[str]) -> bool:
    if isinstance(value, Reference):
        return world.at(value, kind) is not None and value.attribute in attributes
    if isinstance(value, Text | Call):
        return False
    return any(value == resource.get(key) for resource in world.of(kind) for key in NAMES if resource.get(key))


NAMES = ("DBInstanceIdentifier", "FunctionName", "ClusterName", "ServiceName", "TopicName", "Name")


@rule("TND-OBS-04", "Somebody emits what an alarm looks at, under exactly these dimensions")
def emitted(world: World) -> Iterator[Fault]:
    """CloudWatch adds nothing up: a name, a dimension more or less, or a service that does not count it, is a series
    without data, and the alarm stays as it is for ever."""
    for alarm in world.of(ALARM):
        for path, metric in metrics(alarm):
            found = str(metric.get("Namespace")), str(metric.get("MetricName"))
            if problem := unheard_of(world, *found, dimensions(metric)):
                yield Fault(alarm, f"{path}MetricName", problem, "name one of cfn/doctor/emitted.py")


def unheard_of(world: World, namespace: str, name: str, given: dict[str, Any]) -> str | None:
    """Why no such series exists."""
    sets = sets_of(namespace, name)
    if not sets:
        return f"nobody emits {namespace} {name}"
    if frozenset(given) not in sets:
        return f"{namespace} {name} is not emitted by {', '.join(sorted(given)) or 'nothing'}"
    own = [one for one in OURS if (one.namespace, one.name) == (namespace, name)]
    if own and given.get("service") not in own[0].services:
        return f"{given.get('service')} does not emit {name}"
    if own and given.get("environment") != world.expectations.environment:
        return f"{name} is of the environment {given.get('environment')}"
    return None
