"""The ECS cluster on Fargate and Fargate Spot, and a log group for each service, whichever runtime writes to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import GetAtt, Ref, Template
from troposphere.ecs import CapacityProviderStrategyItem, Cluster, ClusterSetting
from troposphere.logs import LogGroup

from cfn import names
from cfn.boxes.encryption import Encryption
from cfn.environments import Environment
from cfn.wiring import Value


@dataclass(frozen=True, slots=True)
class Compute:
    cluster: Value  # its name
    logs: Mapping[str, Value]  # log group of each service's tasks, by name
    log_arns: Mapping[str, Value]


def cluster(template: Template, environment: Environment, encryption: Encryption) -> Compute:
    name = names.name(environment)
    # Container Insights makes this group itself if it is missing, and then it keeps everything for ever.
    insights = template.add_resource(
        _group("InsightsLog", environment, encryption, LogGroupName=f"/aws/ecs/containerinsights/{name}/performance")
    )
    made = template.add_resource(
        Cluster(
            "Cluster",
            ClusterName=name,
            CapacityProviders=["FARGATE", "FARGATE_SPOT"],
            DefaultCapacityProviderStrategy=strategy(environment),
            ClusterSettings=[ClusterSetting(Name="containerInsights", Value=environment.insights)],
            DependsOn=[insights.title],
        )
    )
    groups = {
        service.name: template.add_resource(_group(names.title(service.name, "log"), environment, encryption))
        for service in environment.services
    }
    return Compute(
        cluster=Ref(made),
        logs={service: Ref(group) for service, group in groups.items()},
        log_arns={service: GetAtt(group, "Arn") for service, group in groups.items()},
    )


def _group(title: str, environment: Environment, encryption: Encryption, **more: str) -> LogGroup:
    return LogGroup(
        title,
        RetentionInDays=environment.log_days,
        KmsKeyId=encryption.key,
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
        **more,
    )


def strategy(environment: Environment) -> list[CapacityProviderStrategyItem]:
    capacity = environment.capacity
    shares = {"FARGATE": (capacity.base, capacity.on_demand), "FARGATE_SPOT": (0, capacity.spot)}
    return [
        CapacityProviderStrategyItem(CapacityProvider=provider, Base=base, Weight=weight)
        for provider, (base, weight) in shares.items()
        if base or weight
    ]
