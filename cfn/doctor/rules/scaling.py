"""How services grow and shrink."""

from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.service import SERVICE
from cfn.doctor.services import services
from cfn.doctor.values import number, truth

rule = Rules()
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"


@rule("TND-SVC-07", "Scaling moves the service it was written for, within bounds")
def scaling(world: World) -> Iterator[Fault]:
    """Two tasks at least in production, so that one may die. A fixed DesiredCount would pull a scaled service down with
    every deployment."""
    targets = world.of(TARGET)
    for service in world.of(SERVICE):
        own = [target for target in targets if service in world.all_at(target.get("ResourceId"))]
        if len(own) != 1:
            yield Fault(service, "", f"{len(own)} scalable targets name it", "declare one for it")
        if own and service.get("DesiredCount") is not None:
            yield Fault(service, "DesiredCount", "it is fixed although the service scales", "leave it out")
    for target in targets:
        yield from _target_faults(world, target)


def _target_faults(world: World, target: Resource) -> Iterator[Fault]:
    least, most = (number(target.get(key)) for key in ("MinCapacity", "MaxCapacity"))
    if least is None or most is None or least < world.expectations.minimum_tasks or most <= least or most > 100:
        wrong = f"it scales from {least} to {most}"
        yield Fault(target, "MinCapacity", wrong, f"start at {world.expectations.minimum_tasks} or more, end above")
    if target.get("ServiceNamespace") != "ecs" or target.get("ScalableDimension") != "ecs:service:DesiredCount":
        yield Fault(target, "ScalableDimension", "it does not scale an ECS service", "use ecs:service:DesiredCount")
    named = world.all_at(target.get("ResourceId"))
    cluster = [found for found in named if found.type == "AWS::ECS::Cluster"]
    service = [found for found in named if found.type == SERVICE]
    text = str(target.get("ResourceId"))
    if not text.startswith("service/") or len(service) != 1:
        yield Fault(target, "ResourceId", f"{text} names no service", "write service/<cluster>/<service>")
    elif not cluster or cluster[0] is not world.at(service[0].get("Cluster")):
        yield Fault(target, "ResourceId", "it names another cluster than the service's", "use the service's cluster")


@rule("TND-SVC-08", "It scales by processor, memory and requests, and calms down slowly")
def policies(world: World) -> Iterator[Fault]:
    """Requests per target react a minute before the processor does. Scaling in faster than out makes it swing."""
    wanted = {"ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization", "ALBRequestCountPerTarget"}
    for target in world.of(TARGET):
        found = world.users(target, POLICY)
        kinds = {str(_tracking(p).get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")) for p in found}
        if kinds != wanted:
            wrong = f"it scales by {sorted(kinds)}"
            yield Fault(target, "", wrong, f"declare target tracking policies for {sorted(wanted)}")
    for policy in world.of(POLICY):
        yield from _policy_faults(world, policy)


def _tracking(policy: Resource) -> dict[str, Any]:
    return policy.get("TargetTrackingScalingPolicyConfiguration") or {}


def _policy_faults(world: World, policy: Resource) -> Iterator[Fault]:
    path = "TargetTrackingScalingPolicyConfiguration"
    tracking = _tracking(policy)
    inwards, outwards = (number(tracking.get(key)) for key in ("ScaleInCooldown", "ScaleOutCooldown"))
    if inwards is None or outwards is None or inwards < outwards or not 15 <= outwards <= 300:
        wrong = f"it cools down {inwards} s inwards and {outwards} s outwards"
        yield Fault(policy, path, wrong, "cool down at least as long inwards as outwards")
    if truth(tracking.get("DisableScaleIn")):
        yield Fault(policy, path, "it never scales in", "leave DisableScaleIn out")
    if policy.get("PolicyType") != "TargetTrackingScaling" or not world.at(policy.get("ScalingTargetId"), TARGET):
        yield Fault(policy, "ScalingTargetId", "it belongs to no scalable target", "refer to one, by target tracking")
    metric = tracking.get("PredefinedMetricSpecification") or {}
    value = number(tracking.get("TargetValue"))
    by_requests = metric.get("PredefinedMetricType") == "ALBRequestCountPerTarget"
    if value is None or not (10 <= value <= 100000 if by_requests else 30 <= value <= 85):
        yield Fault(policy, f"{path}.TargetValue", f"it aims at {value}", "aim at 30 to 85 percent")
    if by_requests:
        yield from _request_faults(world, policy, metric)


def _request_faults(world: World, policy: Resource, metric: dict[str, Any]) -> Iterator[Fault]:
    label = metric.get("ResourceLabel")
    target = world.at(policy.get("ScalingTargetId"), TARGET)
    scaled = world.all_at(target.get("ResourceId"), SERVICE) if target else []
    groups = {found.group.key for found in services(world) if found.service in scaled and found.group}
    named = world.all_at(label, "AWS::ElasticLoadBalancingV2::TargetGroup")
    balancers = world.all_at(label, "AWS::ElasticLoadBalancingV2::LoadBalancer")
    if {group.key for group in named} != groups or len(balancers) != 1 or "FullName" not in str(label):
        path = "TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.ResourceLabel"
        yield Fault(
            policy, path, f"{label} is not its own target group", "write <balancer full name>/<group full name>"
        )
