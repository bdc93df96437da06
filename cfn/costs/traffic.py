"""What the assumptions and the shape of a deployment come to: requests, gigabytes and running tasks."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from cfn.costs.table import Unpriced
from cfn.costs.usage import Usage
from cfn.doctor.graph import Resource, World
from cfn.doctor.values import items, number

KB_PER_GB = 1_000_000
PER_MILLION = 1_000_000
BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"
FUNCTION = "AWS::Lambda::Function"
SERVICE = "AWS::ECS::Service"
TASK = "AWS::ECS::TaskDefinition"
NAT = "AWS::EC2::NatGateway"


def quantity(resource: Resource, *path: str | int) -> float:
    """A number that must be known to price the resource."""
    found = number(resource.get(*path))
    if found is None:
        raise Unpriced(f"{resource} has no known {'.'.join(map(str, path))}, so nobody can say what it costs.")
    return found


@dataclass(frozen=True, slots=True)
class Tasks:
    on_demand: float
    spot: float

    @property
    def count(self) -> float:
        return self.on_demand + self.spot


@dataclass(eq=False)
class Traffic:
    world: World
    usage: Usage
    hours: int

    @cached_property
    def at_edge(self) -> float:
        return self.usage["requests"] * PER_MILLION

    @cached_property
    def at_origin(self) -> float:
        """Only CloudFront's cache takes anything off."""
        return self.at_edge * (1 - self.usage["cached_share"])

    @cached_property
    def internal(self) -> float:
        return self.at_origin * self.usage["internal_calls"]

    @cached_property
    def at_balancer(self) -> float:
        return self.at_origin + self.internal

    @cached_property
    def internal_gb(self) -> float:
        return self.internal * self.usage["internal_kb"] / KB_PER_GB

    @cached_property
    def balancer_gb(self) -> float:
        return self.at_origin * self.usage["response_kb"] / KB_PER_GB + self.internal_gb

    @cached_property
    def edge_gb(self) -> float:
        return self.at_edge * self.usage["response_kb"] / KB_PER_GB

    @cached_property
    def log_gb(self) -> float:
        """All services together, wherever they run."""
        return self.at_balancer * self.usage["log_kb"] / KB_PER_GB

    @cached_property
    def nat_gb(self) -> float:
        """Logs and the rest of the tasks' traffic; calls between services too if the balancer is public."""
        private = [service for service in self.world.of(SERVICE) if not public_tasks(service)]
        own = sum(tasks(self.world, service, self.usage).count for service in private) * self.usage["nat_task_gb"]
        public = any(balancer.get("Scheme") != "internal" for balancer in self.world.of(BALANCER))
        return own + self.log_gb + (self.internal_gb if public else 0)

    @cached_property
    def functions(self) -> list[Resource]:
        """Those that answer requests."""
        return [function for function in self.world.of(FUNCTION) if self.world.users(function, GROUP)]

    def to_function(self, function: Resource) -> float:
        """Requests a month: in the hours of a failover, and by its weight in the rules the rest of the time."""
        share = self.usage["failover_hours"] / self.hours
        return self.at_balancer / len(self.functions) * min(1, share + (1 - share) * self._weight(function))

    def _weight(self, function: Resource) -> float:
        groups = self.world.users(function, GROUP)
        shares = [share for rule in self.world.of(RULE) for share in _shares(self.world, rule, groups)]
        return max(shares, default=0)

    @cached_property
    def function_share(self) -> float:
        if not self.at_balancer:
            return 0
        return sum(map(self.to_function, self.functions)) / self.at_balancer


def _shares(world: World, rule: Resource, groups: list[Resource]) -> Iterator[float]:
    for action in items(rule.get("Actions")):
        targets = items(action.get("ForwardConfig", {}).get("TargetGroups"))
        weights = [number(target.get("Weight", 1)) or 0 for target in targets]
        ours = [
            weight
            for target, weight in zip(targets, weights, strict=True)
            if world.at(target.get("TargetGroupArn"), GROUP) in groups
        ]
        if sum(ours):
            yield sum(ours) / sum(weights)


def tasks(world: World, service: Resource, usage: Usage) -> Tasks:
    """How many run on average, and how many of them on Spot."""
    targets = world.users(service, "AWS::ApplicationAutoScaling::ScalableTarget")
    if targets:
        least, most = quantity(targets[0], "MinCapacity"), quantity(targets[0], "MaxCapacity")
        count = least + usage["scale_out"] * (most - least)
    else:
        count = number(service.get("DesiredCount")) or 1
    return _placed(service, count)


def _placed(service: Resource, count: float) -> Tasks:
    strategy = items(service.get("CapacityProviderStrategy"))
    spot = {True: 0.0, False: 0.0}
    based = {True: 0.0, False: 0.0}
    for entry in strategy:
        is_spot = entry.get("CapacityProvider") == "FARGATE_SPOT"
        spot[is_spot] += number(entry.get("Weight", 0)) or 0
        based[is_spot] += number(entry.get("Base", 0)) or 0
    base = min(count, based[True] + based[False])
    rest = count - base
    share = spot[True] / (spot[True] + spot[False]) if spot[True] + spot[False] else 0
    on_spot = rest * share + (base if based[True] else 0)
    return Tasks(on_demand=count - on_spot, spot=on_spot)


def public_tasks(service: Resource) -> bool:
    return bool(service.get("NetworkConfiguration", "AwsvpcConfiguration", "AssignPublicIp") == "ENABLED")
