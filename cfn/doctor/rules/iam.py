"""Who may do what. Text with open parts is compared by its literal beginnings."""

import re
from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.statements import ROLE, matches, may, statements, trust
from cfn.doctor.values import Text, dig, items

rule = Rules()

# Actions that AWS offers for no narrower resource than "*".
UNSCOPED = {
    "cloudwatch:PutMetricData",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "ecr:GetAuthorizationToken",
    "ecs:DescribeTaskDefinition",
    "ecs:DeregisterTaskDefinition",
    "ecs:RegisterTaskDefinition",
    "elasticloadbalancing:DescribeListeners",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:PutResourcePolicy",
    "cloudformation:ValidateTemplate",
    "secretsmanager:GetRandomPassword",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}


@rule("TND-IAM-01", "No policy allows every action", Severity.CRITICAL)
def no_star_action(world: World) -> Iterator[Fault]:
    """Neither "*" nor "service:*": the second turns into the first with the next feature of that service."""
    for resource in world.resources:
        for statement in statements(resource):
            if statement.allows and ("NotAction" in statement.body or not statement.actions):
                yield Fault(resource, statement.path, "it names no actions", "list the actions that are used")
            for action in statement.actions if statement.allows else []:
                if action.split(":")[-1].startswith("*") or ":" not in action:
                    yield Fault(resource, statement.path, f"it allows {action}", "list the actions that are used")


@rule("TND-IAM-02", "A policy for every resource allows only what knows no narrower one", Severity.CRITICAL)
def star_resource(world: World) -> Iterator[Fault]:
    """X-Ray, the registry's token and some Describe calls cannot be scoped. Everything else can, by name or by tag."""
    for resource in world.resources:
        builder = resource.type == ROLE and _builds(resource)
        for statement in statements(resource):
            if not statement.allows:
                continue
            wide = [value for value in statement.resources if value == "*" or (_is_wide(value) and not builder)]
            loose = [action for action in statement.actions if action not in UNSCOPED]
            if not statement.resources or "NotResource" in statement.body:
                yield Fault(resource, statement.path, "it names no resource", "name what it is for")
            elif wide and loose and not statement.body.get("Condition"):
                wrong = f"{', '.join(loose)} on {wide[0]}"
                yield Fault(resource, f"{statement.path}.Resource", wrong, "name the resources, or add a condition")


def _builds(role: Resource) -> bool:
    """Only CloudFormation may take it: it makes what the templates say, of any name, in this account."""
    principals = [dig(statement.body, "Principal") for statement in trust(role)]
    return principals == [{"Service": "cloudformation.amazonaws.com"}]


def _is_wide(value: Any) -> bool:
    """ "*", or an ARN whose resource part is nothing but wildcards."""
    return value == "*" or (
        isinstance(value, str | Text)
        and re.search(r":\*?$|:(\*:)*\*$", str(value)) is not None
        and _arn_tail(str(value)) in {"*", ""}
    )


def _arn_tail(value: str) -> str:
    pieces = re.sub(r"\$\{[^}]*\}", "x", value).split(":", 5)
    return pieces[-1] if len(pieces) > 5 else value


FIXED_PARTITION = re.compile(r"\barn:(aws[\w-]*):")
FIXED_ACCOUNT = re.compile(r":\d{12}:")


@rule("TND-IAM-03", "Every ARN names its partition by the pseudo parameter")
def partition(world: World) -> Iterator[Fault]:
    """A fixed `arn:aws:` does not exist in China or GovCloud; a fixed account is somebody else's."""
    for resource in world.resources:
        for path, value in resource.leaves:
            written = str(value) if isinstance(value, str | Text) else ""
            if "arn:aws" in written and (found := FIXED_PARTITION.search(written)):
                wrong = f"the partition is fixed as {found[1]}"
                yield Fault(resource, path, wrong, "write arn:${AWS::Partition}: instead")
            if ":" in written and FIXED_ACCOUNT.search(written):
                yield Fault(resource, path, "an account is fixed", "write ${AWS::AccountId} instead")


@rule("TND-IAM-04", "One role per duty, trusted by exactly who performs it", Severity.CRITICAL)
def duties(world: World) -> Iterator[Fault]:
    """A task that runs with its execution role can read every secret of every service; a role that trusts the wrong
    principal cannot be used at all."""
    seen: dict[tuple[str, str], str] = {}
    for resource, path, principal, duty in _assignments(world):
        role = world.at(resource.get(path), ROLE)
        if not role:
            yield Fault(resource, path, "no declared role", "refer to a role of its own")
            continue
        trusted = {
            str(value) for statement in trust(role) for value in items(dig(statement.body, "Principal", "Service"))
        }
        if trusted != {principal}:
            wrong = f"{role} trusts {sorted(trusted)}, not {principal}"
            yield Fault(resource, path, wrong, f"let the role trust {principal} alone")
        if seen.setdefault(role.key, duty) != duty:
            wrong = f"{role} is also used as {seen[role.key]}"
            yield Fault(resource, path, wrong, f"give the {duty} a role of its own")


def _assignments(world: World) -> Iterator[tuple[Resource, str, str, str]]:
    for task in world.of("AWS::ECS::TaskDefinition"):
        yield task, "TaskRoleArn", "ecs-tasks.amazonaws.com", f"task role of {task}"
        yield task, "ExecutionRoleArn", "ecs-tasks.amazonaws.com", f"execution role of {task}"
    for function in world.of("AWS::Lambda::Function"):
        yield function, "Role", "lambda.amazonaws.com", f"role of {function}"
    for log in world.of("AWS::EC2::FlowLog"):
        if log.get("LogDestinationType") in {None, "cloud-watch-logs"}:
            yield log, "DeliverLogsPermissionArn", "vpc-flow-logs.amazonaws.com", "flow log role"
    for database in world.of("AWS::RDS::DBInstance"):
        if database.get("MonitoringRoleArn") is not None:
            yield database, "MonitoringRoleArn", "monitoring.rds.amazonaws.com", "database monitoring role"


@rule("TND-IAM-05", "Roles are handed only to the services that are meant to get them", Severity.CRITICAL)
def pass_role(world: World) -> Iterator[Fault]:
    """iam:PassRole on any role is administrator in two steps."""
    for resource in world.resources:
        for statement in statements(resource):
            if not statement.allows or not any(matches(action, "iam:PassRole") for action in statement.actions):
                continue
            condition = dig(statement.body, "Condition", "StringEquals", "iam:PassedToService")
            if not items(condition):
                wrong = "it passes roles to any service"
                yield Fault(resource, f"{statement.path}.Condition", wrong, "require iam:PassedToService")
            if any(
                "*" in str(value) and _arn_tail(str(value)).startswith(("role/*", "*")) for value in statement.resources
            ):
                yield Fault(resource, f"{statement.path}.Resource", "it passes any role", "name the roles")


@rule("TND-IAM-06", "Only the roles that use a secret may read it", Severity.CRITICAL)
def secret_readers(world: World) -> Iterator[Fault]:
    """The execution role of a task reads what the task's containers name, no more and no less."""
    for secret in world.of("AWS::SecretsManager::Secret"):
        needed = {role.key: role for role in _needs(world, secret)}
        allowed = {role.key: role for role in world.of(ROLE) if _reads(world, role, secret)}
        for key in needed.keys() - allowed.keys():
            wrong = f"it may not read {secret}, which its task or function asks for"
            yield Fault(needed[key], "Policies", wrong, "allow secretsmanager:GetSecretValue on that secret")
        for key in allowed.keys() - needed.keys():
            role = allowed[key]
            if not _reads_at_run_time(world, role, secret):
                yield Fault(role, "Policies", f"it may read {secret} and has no use for it", "drop the permission")


def _needs(world: World, secret: Resource) -> Iterator[Resource]:
    for task in world.of("AWS::ECS::TaskDefinition"):
        named = [dig(container, "Secrets") for container in items(task.get("ContainerDefinitions"))]
        role = world.at(task.get("ExecutionRoleArn"), ROLE)
        if role and secret in world.all_at(named):
            yield role


def _reads_at_run_time(world: World, role: Resource, secret: Resource) -> bool:
    """A function, a task or a rotation that gets the ARN of the secret to read it itself."""
    users = world.users(role, "AWS::Lambda::Function", "AWS::ECS::TaskDefinition")
    return any(secret.key in user.links for user in users)


def _reads(world: World, role: Resource, secret: Resource) -> bool:
    found = may(world, role, "secretsmanager:GetSecretValue")
    return any(secret in world.all_at(value) or _is_wide(value) for statement in found for value in statement.resources)


@rule("TND-IAM-07", "A role's policies fit their purpose and name real things")
def effects(world: World) -> Iterator[Fault]:
    """A statement needs an effect, and a trust policy somebody specific to trust."""
    for resource in world.resources:
        for statement in [*statements(resource), *(trust(resource) if resource.type == ROLE else [])]:
            if statement.body.get("Effect") not in {"Allow", "Deny"}:
                yield Fault(resource, statement.path, "its effect is neither Allow nor Deny", "write Allow")
        if resource.type != ROLE:
            continue
        if not trust(resource):
            yield Fault(resource, "AssumeRolePolicyDocument", "nobody may take this role", "say who may")
        for statement in trust(resource):
            if not dig(statement.body, "Principal") or "*" in str(dig(statement.body, "Principal")):
                yield Fault(resource, statement.path, "anybody may take this role", "name one principal")
            if not statement.actions or any(not action.startswith("sts:") for action in statement.actions):
                yield Fault(resource, statement.path, "it does not allow taking the role", "allow sts:AssumeRole")


@rule("TND-IAM-08", "Execution roles can do what starting a task takes")
def execution(world: World) -> Iterator[Fault]:
    """Without the token, the layers or the log stream a task stops before its first line, with an error in no log."""
    wanted = (
        "ecr:GetAuthorizationToken",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    )
    for task in world.of("AWS::ECS::TaskDefinition"):
        role = world.at(task.get("ExecutionRoleArn"), ROLE)
        if not role or "AmazonECSTaskExecutionRolePolicy" in str(role.get("ManagedPolicyArns")):
            continue
        missing = [action for action in wanted if not may(world, role, action)]
        if missing:
            yield Fault(role, "Policies", f"it may not {', '.join(missing)}", "allow these actions on their resources")


@rule("TND-IAM-09", "Functions can write their logs and, inside the VPC, have an interface")
def functions(world: World) -> Iterator[Fault]:
    """A function without logs:PutLogEvents fails silently; one in a VPC without interface rights does not deploy."""
    for function in world.of("AWS::Lambda::Function"):
        role = world.at(function.get("Role"), ROLE)
        managed = str(role.get("ManagedPolicyArns")) if role else ""
        wanted = ["logs:CreateLogStream", "logs:PutLogEvents"] if "service-role/AWSLambda" not in managed else []
        if function.get("VpcConfig") and "AWSLambdaVPCAccessExecutionRole" not in managed:
            wanted += ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"]
        missing = [action for action in wanted if role and not may(world, role, action)]
        if missing and role:
            yield Fault(role, "Policies", f"it may not {', '.join(missing)}", "allow these actions")
