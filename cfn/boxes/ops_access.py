"""What each function of the operations app may do: what its code calls, on the resources that it calls it for.

`tests/cfn/boxes/test_ops_access.py` compares this with the calls that the app's own tests make.
"""

from dataclasses import dataclass

from awacs import (
    awslambda,
    cloudwatch,
    dynamodb,
    ecr,
    ecs,
    elasticloadbalancing,
    events,
    kms,
    logs,
    scheduler,
    secretsmanager,
    sqs,
)
from awacs.aws import Condition, Statement, StringEquals
from troposphere import Region, Sub

from cfn.boxes.ops_settings import Shop, log_prefixes
from cfn.environments import Environment
from cfn.foundation import Foundation
from cfn.operations import Handler
from cfn.permissions import EVERYTHING, allow
from cfn.wiring import Value

IN_REGION = Condition(StringEquals({"aws:RequestedRegion": Region}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What belongs to one function; ARNs."""

    handler: Handler
    table: Value
    log: Value
    failed: Value


def access(environment: Environment, foundation: Foundation, shop: Shop, own: Own) -> list[Statement]:
    name = own.handler.name
    return [
        *_common(foundation, shop, own),
        *([allow("Remember", REMEMBERING[name], [own.table])] if name in REMEMBERING else []),
        *(WORK[name](environment, foundation, shop) if name in WORK else []),
    ]


def _common(foundation: Foundation, shop: Shop, own: Own) -> list[Statement]:
    """Whatever they do, they say so in Slack."""
    services = (
        ("dynamodb", "lambda", "secretsmanager") if own.handler.name in REMEMBERING else ("lambda", "secretsmanager")
    )
    through = [Sub(f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}") for service in services]
    return [
        allow("Log", [logs.CreateLogStream, logs.PutLogEvents], [own.log]),
        allow("LeaveWhatFailed", [sqs.SendMessage], [own.failed]),
        allow("ReadTheSlackSecret", [secretsmanager.GetSecretValue], [shop.keys.slack]),
        allow(
            "Decrypt",
            [kms.Decrypt],
            [foundation.encryption.key],
            condition=Condition(StringEquals({"kms:ViaService": through})),
        ),
    ]


# What has been told, and in which thread; where a clean-up stopped.
_TOLD = (dynamodb.DeleteItem, dynamodb.GetItem, dynamodb.PutItem, dynamodb.UpdateItem)
REMEMBERING = {
    "notify": _TOLD,
    "reconcile": _TOLD,
    "clean_logs": (dynamodb.DeleteItem, dynamodb.GetItem, dynamodb.PutItem),
}


def _move(environment: Environment, foundation: Foundation, shop: Shop) -> list[Statement]:
    del environment, foundation
    rules = [workload.rule for workload in shop.workloads]
    functions = [
        Sub("arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:${Name}", Name=name)
        for name in shop.fallback.functions.values()
    ]
    return [
        allow("Look", LOOK, [EVERYTHING], condition=IN_REGION),
        allow("Move", MOVE, rules),
        allow("Probe", [awslambda.InvokeFunction], functions),
    ]


# The load balancer's know no resource; CloudWatch shows composite alarms only to whoever may see all.
LOOK = (
    cloudwatch.DescribeAlarms,
    elasticloadbalancing.DescribeRules,
    elasticloadbalancing.DescribeTags,
    elasticloadbalancing.DescribeTargetHealth,
)
MOVE = (elasticloadbalancing.AddTags, elasticloadbalancing.ModifyRule, elasticloadbalancing.RemoveTags)


def _clean_images(environment: Environment, foundation: Foundation, shop: Shop) -> list[Statement]:
    """An image counts as used when anything in the account and region runs it, so it has to see all that runs."""
    del environment, shop
    return [
        allow("SeeWhatRuns", RUNNING, [EVERYTHING], condition=IN_REGION),
        allow("CleanImages", IMAGES, list(foundation.registry.repositories.values())),
    ]


RUNNING = (
    ecs.DescribeServiceDeployments,
    ecs.DescribeServiceRevisions,
    ecs.DescribeServices,
    ecs.DescribeTaskDefinition,
    ecs.DescribeTasks,
    ecs.ListClusters,
    ecs.ListServiceDeployments,
    ecs.ListServices,
    ecs.ListTasks,
    events.ListRules,
    events.ListTargetsByRule,
    awslambda.GetFunction,
    awslambda.ListFunctions,
    scheduler.GetSchedule,
    scheduler.ListSchedules,
)
IMAGES = (
    ecr.BatchDeleteImage,
    ecr.BatchGetImage,
    ecr.DescribeImages,
    ecr.DescribeRepositories,
    ecr.ListTagsForResource,
)


def _clean_logs(environment: Environment, foundation: Foundation, shop: Shop) -> list[Statement]:
    del foundation, shop
    place = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:"
    groups = [Sub(f"{place}{prefix}*") for prefix in log_prefixes(environment)]
    return [
        allow("Look", [logs.DescribeLogGroups], [EVERYTHING], condition=IN_REGION),  # which knows no resource
        allow("CleanLogs", LOGS, groups),
    ]


LOGS = (
    logs.DeleteLogStream,
    logs.DescribeLogStreams,
    logs.GetLogEvents,
    logs.ListTagsForResource,
    logs.PutRetentionPolicy,
)

WORK = {"failover": _move, "reconcile": _move, "clean_images": _clean_images, "clean_logs": _clean_logs}
