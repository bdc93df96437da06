"""What GitHub may do in the account."""

import re
from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.statements import ROLE, Statement, granted, matches, may, trust
from cfn.doctor.values import dig, items, number

rule = Rules()
HOST = "token.actions.githubusercontent.com"
WRITES = ("*:Create*", "*:Update*", "*:Delete*", "*:Put*", "ecr:*Upload*", "cloudformation:Execute*", "*:Modify*")


def federated(world: World) -> Iterator[tuple[Resource, Statement]]:
    for role in world.of(ROLE):
        for statement in trust(role):
            if dig(statement.body, "Principal", "Federated") is not None:
                yield role, statement


def claims(statement: Statement, name: str) -> list[Any]:
    """What the token must say; by StringEquals or StringLike."""
    found: list[Any] = []
    for operator, entries in (statement.body.get("Condition") or {}).items():
        if operator.startswith(("StringEquals", "StringLike", "ForAnyValue:StringLike", "ForAnyValue:StringEquals")):
            found += items(dig(entries, f"{HOST}:{name}"))
    return found


def subject_faults(subject: Any) -> str | None:
    text = re.sub(r"\$\{[^}]*\}|<[^>]*>", "x", str(subject))
    if not re.fullmatch(r"repo:[\w.-]+/[\w.-]+:(ref:refs/heads/[\w./-]+|environment:[\w.-]+|pull_request)", text):
        return f"the subject {subject} is not one repository with one branch or environment"
    return None


@rule("TND-CIC-01", "GitHub's tokens are meant for AWS", Severity.CRITICAL)
def audience(world: World) -> Iterator[Fault]:
    """A token for another audience was given to somebody else."""
    for provider in world.of("AWS::IAM::OIDCProvider"):
        if provider.get("Url") != f"https://{HOST}" or items(provider.get("ClientIdList")) != ["sts.amazonaws.com"]:
            yield Fault(provider, "ClientIdList", "it is not GitHub's provider for STS", f"use https://{HOST}")
    for role, statement in federated(world):
        if claims(statement, "aud") != ["sts.amazonaws.com"]:
            yield Fault(role, statement.path, "it does not ask for the audience", "require aud sts.amazonaws.com")
        provider_of_it = dig(statement.body, "Principal", "Federated")
        if not world.at(provider_of_it, "AWS::IAM::OIDCProvider") and HOST not in str(provider_of_it):
            yield Fault(role, statement.path, "it trusts no declared provider", "refer to the OIDC provider")
        if statement.actions != ["sts:AssumeRoleWithWebIdentity"]:
            yield Fault(role, statement.path, "tokens cannot take it", "allow sts:AssumeRoleWithWebIdentity alone")


@rule("TND-CIC-02", "Only one repository, and one branch or environment of it", Severity.CRITICAL)
def subject(world: World) -> Iterator[Fault]:
    """`repo:*` is everybody who has a GitHub account."""
    for role, statement in federated(world):
        subjects = claims(statement, "sub")
        if not subjects:
            yield Fault(role, statement.path, "any workflow of anybody may take it", "require a subject")
        for wrong in filter(None, map(subject_faults, subjects)):
            yield Fault(role, statement.path, wrong, "write repo:<owner>/<name>:environment:<environment>")


@rule("TND-CIC-03", "A pull request changes nothing", Severity.CRITICAL)
def pull_requests(world: World) -> Iterator[Fault]:
    """Its author is whoever wrote it. It may plan, never deploy."""
    for role, statement in federated(world):
        if not any(str(value).endswith(":pull_request") for value in claims(statement, "sub")):
            continue
        actions = [action for found in granted(world, role) for action in found.actions]
        writes = [a for a in actions if any(matches(pattern, a) for pattern in WRITES) and a not in PLANNING]
        if writes or any(matches(action, "iam:PassRole") for action in actions):
            yield Fault(
                role, "Policies", f"a pull request could {', '.join(writes) or 'pass roles'}", "let it read only"
            )


PLANNING = {"cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"}


@rule("TND-CIC-04", "Sessions of workflows are short")
def sessions(world: World) -> Iterator[Fault]:
    """Credentials that leak from a runner are worth an hour."""
    for role, _ in federated(world):
        if not 900 <= (number(role.get("MaxSessionDuration")) or 0) <= 7200:
            yield Fault(role, "MaxSessionDuration", "sessions last longer than two hours", "use an hour")


@rule("TND-CIC-05", "Whoever deploys can")
def deploys(world: World) -> Iterator[Fault]:
    """One role of an environment changes stacks, hands over to CloudFormation and publishes images and zips; one of a
    pull request compares."""
    for role, statement in federated(world):
        plans = any(str(value).endswith(":pull_request") for value in claims(statement, "sub"))
        missing = [action for action in (PLAN if plans else DEPLOY) if not may(world, role, action)]
        if missing:
            yield Fault(role, "Policies", f"it may not {', '.join(missing)}", "allow these actions")
        if plans:
            continue
        pushed = [r for s in may(world, role, "ecr:PutImage") for r in world.all_at(s.resources)]
        for repository in world.of("AWS::ECR::Repository"):
            if repository not in pushed:
                yield Fault(role, "Policies", f"it may not push to {repository}", "allow ecr:PutImage on it")


PLAN = ("cloudformation:DescribeStacks", "cloudformation:GetTemplate", "cloudformation:ListStackResources")
DEPLOY = (
    *PLAN,
    "cloudformation:CreateChangeSet",
    "cloudformation:DeleteChangeSet",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackEvents",
    "cloudformation:ExecuteChangeSet",
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:GetAuthorizationToken",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:PassRole",
    "kms:GenerateDataKey",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
)


@rule("TND-CIC-06", "CloudFormation may build what the templates hold")
def builds(world: World) -> Iterator[Fault]:
    """For every type in the stacks the builder has rights in its service, or the first deployment stops there."""
    builders = [r for r in world.of(ROLE) if "cloudformation.amazonaws.com" in str([s.body for s in trust(r)])]
    for role in builders:
        services = {resource.type.split("::")[1] for resource in world.resources} - {"CloudFormation"}
        allowed = {action.split(":")[0] for s in granted(world, role) for action in s.actions}
        for service in sorted(services):
            if SERVICES.get(service, service.lower()) not in allowed:
                yield Fault(role, "Policies", f"it may do nothing in {service}", "allow it what the templates need")
        passed = {
            str(one)
            for s in granted(world, role)
            if "iam:PassRole" in s.actions
            for one in items(dig(s.body, "Condition", "StringEquals", "iam:PassedToService"))
        }
        for duty in sorted(HANDED - passed):
            yield Fault(role, "Policies", f"it may not hand roles to {duty}", "add it to iam:PassedToService")


HANDED = {
    "ecs-tasks.amazonaws.com",
    "lambda.amazonaws.com",
    "monitoring.rds.amazonaws.com",
    "vpc-flow-logs.amazonaws.com",
}
SERVICES = {
    "ApplicationAutoScaling": "application-autoscaling",
    "ElasticLoadBalancingV2": "elasticloadbalancing",
}
