"""Which runtime answers for a service at this moment: read from its rule, so that no deployment moves traffic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cfn.environments import Environment
from cfn.names import stack_name
from scripts.releases.aws import Aws
from scripts.releases.live import Live, resources

RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"
DECIDED = "tandem:failover"  # the tag that the operations app and the operator's verb leave (chalicelib/rules.py)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The weights of a rule, in the order of the template; `decided` is what its tag says, or nothing."""

    service: str
    fargate: int
    fallback: int
    decided: str

    @property
    def away(self) -> bool:
        """Whether the functions answer, or were told to."""
        return not self.fargate or self.decided == "lambda"

    @property
    def parameters(self) -> dict[str, str]:
        return {"FargateWeight": str(self.fargate), "LambdaWeight": str(self.fallback)}


def traffic(aws: Aws, environment: Environment, live: Mapping[str, Live | None]) -> dict[str, Traffic]:
    """Of the services that have a rule. Needs DescribeRules and DescribeTags only."""
    found = {}
    for service in environment.services:
        name = stack_name(environment, service.name)
        known = live.get(name)
        if known is None or not known.template:
            continue
        arns = [
            one["PhysicalResourceId"]
            for one in resources(aws.cloudformation, name).values()
            if one["ResourceType"] == RULE and one.get("PhysicalResourceId")
        ]
        if arns:
            found[service.name] = _of(aws.elbv2, service.name, arns[0])
    return found


def _of(elbv2: Any, service: str, arn: str) -> Traffic:
    (rule,) = elbv2.describe_rules(RuleArns=[arn])["Rules"]
    groups = [one for action in rule["Actions"] for one in action.get("ForwardConfig", {}).get("TargetGroups", ())]
    functions = [one["Weight"] for one in groups if "-lambda/" in one["TargetGroupArn"]]
    containers = [one["Weight"] for one in groups if "-lambda/" not in one["TargetGroupArn"]]
    (described,) = elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"]
    tags = {tag["Key"]: tag["Value"] for tag in described["Tags"]}
    return Traffic(service, sum(containers), sum(functions), tags.get(DECIDED, ""))
