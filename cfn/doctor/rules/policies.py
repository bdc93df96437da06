"""Policy documents of every kind, as a language: what a statement must say, and who it may speak to."""

from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.services import services
from cfn.doctor.statements import ROLE, documents, granted, may, trust
from cfn.doctor.values import dig, items

rule = Rules()
# Services that act for any account they are asked by, unless the policy names ours.
UNGUARDED = {"lambda.amazonaws.com", "cloudformation.amazonaws.com"}  # these do not say for whom they act
OF_RESOURCES = {
    "AWS::KMS::Key": "KeyPolicy",
    "AWS::S3::BucketPolicy": "PolicyDocument",
    "AWS::SNS::TopicPolicy": "PolicyDocument",
    "AWS::SQS::QueuePolicy": "PolicyDocument",
}
OPERATORS = ("ArnLike", "ArnEquals", "Bool", "StringEquals", "StringLike")


def all_documents(resource: Resource) -> Iterator[tuple[str, Any, bool, bool]]:
    """path, document, whether it names principals, whether it names resources."""
    for path, document in documents(resource):
        yield path, document, False, True
    if resource.type == ROLE:
        yield "AssumeRolePolicyDocument", resource.get("AssumeRolePolicyDocument"), True, False
    if place := OF_RESOURCES.get(resource.type):
        yield place, resource.get(place), True, True


@rule("TND-POL-01", "Statements are complete sentences")
def sentences(world: World) -> Iterator[Fault]:
    """Version, effect, action, resource and, where somebody else is spoken to, a principal. Without a version variables
    are not replaced; without an action a statement is refused; by its Sid a reader knows what it is for."""
    for resource in world.resources:
        for path, document, principals, resources in all_documents(resource):
            if dig(document, "Version") != "2012-10-17":
                yield Fault(resource, f"{path}.Version", "it has no version", "write 2012-10-17")
            if not items(dig(document, "Statement")):
                yield Fault(resource, f"{path}.Statement", "it says nothing", "add a statement, or drop the policy")
            for index, body in enumerate(items(dig(document, "Statement"))):
                wanted = {
                    "Effect",
                    "Action",
                    *(["Sid"] if resources else []),
                    *(["Principal"] if principals else []),
                    *(["Resource"] if resources else []),
                }
                missing = sorted(key for key in wanted if not body.get(key) and not body.get(f"Not{key}"))
                if missing:
                    place = f"{path}.Statement.{index}"
                    yield Fault(resource, place, f"{', '.join(missing)} is missing", "complete the statement")
                yield from _conditions(resource, f"{path}.Statement.{index}.Condition", body)


def _conditions(resource: Resource, path: str, body: dict[str, Any]) -> Iterator[Fault]:
    if "Condition" not in body:
        return
    for operator, entries in (body["Condition"] or {"": {}}).items():
        if not operator.removeprefix("ForAnyValue:").startswith(OPERATORS) or not entries:
            yield Fault(resource, path, f"{operator or 'the condition'} is empty", "write what must hold, or drop it")


@rule("TND-POL-02", "Services act for this account only", Severity.CRITICAL)
def confused_deputy(world: World) -> Iterator[Fault]:
    """A service that acts for everybody can be asked by anybody to use what is ours, unless the policy names our
    account or resource as the one it acts for."""
    for resource in world.resources:
        for path, document, principals, _ in all_documents(resource):
            for index, body in enumerate(items(dig(document, "Statement")) if principals else []):
                named = {str(name) for name in items(dig(body, "Principal", "Service"))}
                if body.get("Effect") != "Allow" or not named - UNGUARDED:
                    continue
                keys = {key for entries in (body.get("Condition") or {}).values() for key in entries}
                if not keys & {"aws:SourceAccount", "kms:EncryptionContext:aws:logs:arn"}:
                    wrong = f"{', '.join(sorted(named))} may use it for any account"
                    yield Fault(resource, f"{path}.Statement.{index}", wrong, "require aws:SourceAccount")


@rule("TND-POL-03", "Refused for everybody who does not use TLS")
def tls_only(world: World) -> Iterator[Fault]:
    """A denial only counts when it is one: for everybody, of the right action, where SecureTransport is false."""
    for policy in world.of("AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"):
        denials = [s for s in items(policy.get("PolicyDocument", "Statement")) if s.get("Effect") == "Deny"]
        good = [
            s
            for s in denials
            if str(dig(s, "Condition", "Bool", "aws:SecureTransport")).lower() == "false"
            and items(s.get("Action"))
            and items(s.get("Resource"))
            and "*" in str(s.get("Principal"))
        ]
        if not good:
            yield Fault(policy, "PolicyDocument", "it can be asked without TLS", "deny aws:SecureTransport false")


@rule("TND-POL-04", "Whoever reads a secret may use its key")
def decrypt(world: World) -> Iterator[Fault]:
    """A secret with a key of ours is two permissions. With the first alone, tasks stop before their first line."""
    for role in world.of(ROLE):
        readers = may(world, role, "secretsmanager:GetSecretValue")
        secrets = [s for found in readers for s in world.all_at(found.resources, "AWS::SecretsManager::Secret")]
        keys = {key.key: key for s in secrets for key in world.all_at(s.get("KmsKeyId"), "AWS::KMS::Key")}
        usable = [k for found in may(world, role, "kms:Decrypt") for k in world.all_at(found.resources)]
        for key in keys.values():
            if key not in usable:
                yield Fault(role, "Policies", f"it reads secrets and may not decrypt with {key}", "allow kms:Decrypt")
        for index, statement in enumerate(granted(world, role)):
            through = str(dig(statement.body, "Condition", "StringEquals", "kms:ViaService"))
            if "kms:Decrypt" in statement.actions and secrets and "'secretsmanager." not in f"'{through}":
                wrong = f"it decrypts anything of {statement.resources[0] if statement.resources else index}"
                yield Fault(role, f"{statement.path}.Condition", wrong, "require kms:ViaService")


@rule("TND-POL-05", "Writers may write to the log group they are given")
def writers(world: World) -> Iterator[Fault]:
    """The permission is for the group that is used, not for a neighbour's."""
    for producer, role, group in _writes(world):
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            if not any(group in world.all_at(s.resources) for s in may(world, role, action)):
                yield Fault(role, "Policies", f"{producer} may not {action} on {group}", "allow it on that group")


def _writes(world: World) -> Iterator[tuple[Resource, Resource, Resource]]:
    for producer, path, place in (
        ("AWS::ECS::TaskDefinition", "ExecutionRoleArn", "ContainerDefinitions"),
        ("AWS::Lambda::Function", "Role", "LoggingConfig"),
        ("AWS::EC2::FlowLog", "DeliverLogsPermissionArn", "LogGroupName"),
    ):
        for resource in world.of(producer):
            role = world.at(resource.get(path), ROLE)
            for group in world.all_at(resource.get(place), "AWS::Logs::LogGroup") if role else ():
                if role and "AWSLambdaBasicExecutionRole" not in str(role.get("ManagedPolicyArns")):
                    yield resource, role, group


@rule("TND-POL-06", "A log group has one source")
def one_source(world: World) -> Iterator[Fault]:
    """Lines of two services in one group are lines of none."""
    owners: dict[tuple[str, str], Resource] = {}
    for producer, _, group in _writes(world):
        if owners.setdefault(group.key, producer) is not producer:
            wrong = f"{owners[group.key]} writes to {group} too"
            yield Fault(producer, "", wrong, "give each its own log group")
    exported = {str(d.get("DBInstanceIdentifier")) for d in world.of("AWS::RDS::DBInstance")}
    for group in world.of("AWS::Logs::LogGroup"):
        name = str(group.get("LogGroupName"))
        of_aws = name.startswith("/aws/ecs/containerinsights/") or any(f"/{one}/" in name for one in exported)
        if group.key not in owners and not of_aws:
            yield Fault(group, "", "nothing writes to it", "use it, or drop it")


@rule("TND-POL-07", "Tracing is permitted where it is switched on")
def tracing(world: World) -> Iterator[Fault]:
    """Traces that may not be sent are thrown away without a word."""
    wanted = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
    traced = [(found.task, "TaskRoleArn") for found in services(world) if found.task]
    traced += [(f, "Role") for f in world.of("AWS::Lambda::Function") if f.get("TracingConfig", "Mode") == "Active"]
    for resource, path in traced:
        role = world.at(resource.get(path), ROLE)
        missing = [action for action in wanted if role and not may(world, role, action)]
        if role and missing:
            yield Fault(role, "Policies", f"it may not {', '.join(missing)}", "allow them on every resource")


@rule("TND-POL-08", "RDS may report on its operating system")
def monitoring(world: World) -> Iterator[Fault]:
    """Enhanced monitoring writes with a role that has AWS's own policy for it."""
    for database in world.of("AWS::RDS::DBInstance"):
        role = world.at(database.get("MonitoringRoleArn"), ROLE)
        if role and "AmazonRDSEnhancedMonitoringRole" not in str(role.get("ManagedPolicyArns")):
            yield Fault(role, "ManagedPolicyArns", "it may not report", "attach AmazonRDSEnhancedMonitoringRole")


@rule("TND-POL-09", "Nobody holds more roles than are used", Severity.WARNING)
def used(world: World) -> Iterator[Fault]:
    """A role that nothing takes is a door that nobody watches."""
    for role in world.of(ROLE):
        outside = any("Federated" in (dig(s.body, "Principal") or {}) for s in trust(role))
        builds = "cloudformation.amazonaws.com" in str([dig(s.body, "Principal") for s in trust(role)])
        if not outside and not builds and not world.users(role):
            yield Fault(role, "", "nothing uses this role", "drop it")
