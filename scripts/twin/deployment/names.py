"""What AWS would have called each resource. Invented, but the same in every run: derived from stack and logical id."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from cfn.doctor.graph import Resource, World
from cfn.doctor.values import Call, Pseudo, Reference, Text, Unknown, literal

ACCOUNT = "000000000000"
REGION = "us-east-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
BALANCING = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}"
LAMBDA = f"arn:aws:lambda:{REGION}:{ACCOUNT}"
NAMED = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
}
FULL_NAMES = {"LoadBalancerFullName", "TargetGroupFullName"}  # of an ARN, as metrics have them
SECRETS = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}"


class Remote(Exception):
    """The value is made by AWS, and nothing here can stand for it; the message says what it would be."""


class Names:
    def __init__(self, world: World) -> None:
        self._world = world

    def text(self, value: Any) -> str:
        """A resolved property as the string that AWS would see. Raises Remote."""
        if isinstance(value, Text):
            return "".join(self.text(part) for part in value.parts)
        if isinstance(value, Pseudo) and value.name in PSEUDO:
            return PSEUDO[value.name]
        if isinstance(value, Reference):
            return self._of(value)
        if isinstance(value, Pseudo | Unknown | Call):
            raise Remote(str(value))
        return literal(value)

    def _of(self, reference: Reference) -> str:
        resource = self._world.at(reference)
        if resource is not None and reference.attribute in {"", "Arn"}:
            known = self.arn(resource, named=reference.attribute == "")
            if known is not None:
                return known
        if resource is not None and reference.attribute in FULL_NAMES and (known := self.arn(resource)):
            return full_name(known)
        raise Remote(str(reference))

    def arn(self, resource: Resource, *, named: bool = False) -> str | None:
        """None for what the twin has no use for. The Ref of some is their name (`named`), of all others their ARN."""
        if named and resource.type in NAMED:
            return own_name(resource, NAMED[resource.type])
        make = self._arns().get(resource.type.removeprefix("AWS::"))
        return make(resource) if make else None

    def _arns(self) -> Mapping[str, Callable[[Resource], str]]:
        return {
            "ElasticLoadBalancingV2::LoadBalancer": lambda one: f"{BALANCING}:loadbalancer/app/{self._balancer(one)}",
            "ElasticLoadBalancingV2::Listener": lambda one: f"{BALANCING}:listener/app/{self._listener(one)}",
            "ElasticLoadBalancingV2::ListenerRule": lambda one: f"{BALANCING}:listener-rule/app/{self._rule(one)}",
            "ElasticLoadBalancingV2::TargetGroup": lambda one: f"{BALANCING}:targetgroup/{own_name(one)}/{mark(one)}",
            "Lambda::Function": lambda one: f"{LAMBDA}:function:{own_name(one, 'FunctionName')}",
            "SecretsManager::Secret": lambda one: f"{SECRETS}:secret:{own_name(one)}-{mark(one)[:6]}",
        }

    def _rule(self, resource: Resource) -> str:
        listener = self._world.at(resource.get("ListenerArn"))
        return f"{self._listener(listener) if listener else '-'}/{mark(resource)}"

    def _balancer(self, resource: Resource) -> str:
        return f"{own_name(resource)}/{mark(resource)}"

    def _listener(self, resource: Resource) -> str:
        balancer = self._world.at(resource.get("LoadBalancerArn"))
        return f"{self._balancer(balancer) if balancer else '-'}/{mark(resource)}"


def own_name(resource: Resource, key: str = "Name") -> str:
    """The name that the template gives, else one as CloudFormation would make it."""
    given = resource.get(key)
    return given if isinstance(given, str) else f"{resource.stack}-{resource.name}"


def full_name(arn: str) -> str:
    """app/NAME/MARK of a load balancer, targetgroup/NAME/MARK of a target group."""
    return arn.rpartition(":")[2].removeprefix("loadbalancer/")


def mark(resource: Resource) -> str:
    """The 16 hexadecimal digits at the end of an ARN."""
    return hashlib.sha256(f"{resource.stack}/{resource.name}".encode()).hexdigest()[:16]
