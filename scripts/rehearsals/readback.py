"""What was deployed, read back through the services' own APIs and compared with the resolved templates."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from cfn.doctor.graph import Resource, World
from cfn.doctor.values import Call, Pseudo, Reference, Text, Unknown, number
from scripts.rehearsals.deployed import Account
from scripts.rehearsals.gaps import EMPTY
from scripts.releases.aws import code
from scripts.releases.live import resources
from scripts.twin.deployment.names import PSEUDO

Found = Mapping[str, Any]
Read = Callable[[Account, str], Found]


class Made(Exception):
    """AWS makes the value; nobody can foretell it."""


def dropped(account: Account, world: World) -> set[tuple[str, str]]:
    """Types and properties that the templates give and the API does not have, or has otherwise. Raises KeyError for a
    resource that is not there."""
    physical = {
        (stack.name, name): one["PhysicalResourceId"]
        for stack in world.stacks
        for name, one in resources(account.aws.cloudformation, stack.name).items()
    }
    lost: set[tuple[str, str]] = set()
    for resource in world.of(*READERS):
        if empty := sorted(name for kind, name in EMPTY if kind == resource.type and name in resource.properties):
            lost |= {(resource.type, name) for name in empty}
            continue
        found = READERS[resource.type](account, physical[resource.key])
        lost |= {(resource.type, name) for name in _differing(resource, found, physical, account)}
    return lost


def given(world: World) -> set[tuple[str, str]]:
    """All types and properties that are compared."""
    found = set()
    for resource in world.of(*READERS):
        for name, value in resource.properties.items():
            parts = {part for one in value for part in one} if name in PARTED else set()
            found |= {(resource.type, f"{name}.{part}") for part in parts} or {(resource.type, name)}
    return found


def _differing(
    resource: Resource, found: Found, physical: Mapping[tuple[str, str], str], account: Account
) -> Iterator[str]:
    have = _lowered(found)
    for name, value in resource.properties.items():
        if name == "Tags" or (resource.type, name) in NOT_TOLD:
            continue
        wanted, told = _lowered(_known(value, physical, account)), have.get(name.lower())
        if name in PARTED:
            yield from (f"{name}.{part}" for part in _parts(value, wanted, told))
        elif not _contained(wanted, told):
            yield name


def _parts(given: Sequence[Mapping[str, Any]], wanted: Sequence[Found], told: Sequence[Found]) -> Iterator[str]:
    """The members that differ, of objects that have names."""
    by_name = {one["name"]: one for one in told}
    for raw, one in zip(given, wanted, strict=True):
        other = by_name.get(one["name"], {})
        yield from (key for key in raw if not _contained(one[key.lower()], other.get(key.lower())))


class Anything:
    """Stands where only AWS knows the value."""


def _known(value: Any, physical: Mapping[tuple[str, str], str], account: Account) -> Any:
    if isinstance(value, Mapping):
        return {key: _known(item, physical, account) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item, physical, account) for item in value]
    try:
        return _text(value, physical, account)
    except Made:
        return Anything()


def _text(value: Any, physical: Mapping[tuple[str, str], str], account: Account) -> Any:
    if isinstance(value, Text):
        parts = [str(_text(part, physical, account)) for part in value.parts]
        if any(part.startswith("{{resolve:") for part in parts):
            raise Made
        return "".join(parts)
    if isinstance(value, Pseudo):
        own = {**PSEUDO, "AWS::AccountId": account.session.get_credentials().access_key}  # type: ignore[union-attr]
        return own[value.name]
    if isinstance(value, Reference):
        if value.attribute or (value.stack, value.resource) not in physical:
            raise Made
        return physical[value.stack, value.resource]
    if isinstance(value, Unknown | Call):
        raise Made
    return value


def _lowered(value: Any) -> Any:
    """Names of members without regard to case: the APIs begin them small here and large there."""
    if isinstance(value, Mapping):
        return {key.lower(): _lowered(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lowered(item) for item in value]
    return value


def _contained(wanted: Any, have: Any) -> bool:
    """Whether all that is wanted is there; what is there beyond it are defaults. Lists in any order."""
    if isinstance(wanted, Anything):
        return have is not None
    if isinstance(wanted, Mapping):
        return isinstance(have, Mapping) and all(_contained(item, have.get(key)) for key, item in wanted.items())
    if isinstance(wanted, list):
        return isinstance(have, list) and all(any(_contained(item, other) for other in have) for item in wanted)
    known = number(wanted)
    return str(wanted).lower() == str(have).lower() or (known is not None and known == number(have))


# --- one reader for each type, which brings the answer into the shape of the template -------------------------------


def _balancer(account: Account, arn: str) -> Found:
    (one,) = account.aws.elbv2.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    attributes = account.aws.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
    zones = [zone["SubnetId"] for zone in one["AvailabilityZones"]]
    return {**one, "Name": one["LoadBalancerName"], "LoadBalancerAttributes": attributes, "Subnets": zones}


def _group(account: Account, arn: str) -> Found:
    (one,) = account.aws.elbv2.describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    attributes = account.aws.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    health = account.aws.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    targets = [target["Target"] for target in health]
    return {**one, "Name": one["TargetGroupName"], "TargetGroupAttributes": attributes, "Targets": targets}


def _listener(account: Account, arn: str) -> Found:
    (one,) = account.aws.elbv2.describe_listeners(ListenerArns=[arn])["Listeners"]
    return {**one, "ListenerAttributes": account.aws.elbv2.describe_listener_attributes(ListenerArn=arn)["Attributes"]}


def _rule(account: Account, arn: str) -> Found:
    (one,) = account.aws.elbv2.describe_rules(RuleArns=[arn])["Rules"]
    return {**one, "ListenerArn": arn.rpartition("/")[0].replace(":listener-rule/", ":listener/")}


def _cluster(account: Account, name: str) -> Found:
    include = ["SETTINGS", "CONFIGURATIONS"]
    (one,) = account.client("ecs").describe_clusters(clusters=[name], include=include)["clusters"]
    return {**one, "ClusterSettings": one["settings"]}


def _service(account: Account, arn: str) -> Found:
    cluster = arn.split("/")[1]
    (one,) = account.client("ecs").describe_services(cluster=cluster, services=[arn])["services"]
    return {**one, "Cluster": cluster, "EnableECSManagedTags": one.get("enableECSManagedTags")}


def _task(account: Account, arn: str) -> Found:
    one = account.client("ecs").describe_task_definition(taskDefinition=arn)["taskDefinition"]
    found: Found = one
    return found


def _function(account: Account, name: str) -> Found:
    told = account.client("lambda").get_function(FunctionName=name)
    one, reserved = told["Configuration"], told.get("Concurrency", {})
    return {**one, **reserved, "Code": told["Code"]}


def _database(account: Account, name: str) -> Found:
    (one,) = account.client("rds").describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
    return {
        **one,
        "DBSubnetGroupName": one["DBSubnetGroup"]["DBSubnetGroupName"],
        "VPCSecurityGroups": [group["VpcSecurityGroupId"] for group in one["VpcSecurityGroups"]],
        "DBParameterGroupName": one["DBParameterGroups"][0]["DBParameterGroupName"],
        "Port": one.get("Endpoint", {}).get("Port"),
        "EnablePerformanceInsights": one.get("PerformanceInsightsEnabled"),
        "EnableIAMDatabaseAuthentication": one.get("IAMDatabaseAuthenticationEnabled"),
        "EnableCloudwatchLogsExports": one.get("EnabledCloudwatchLogsExports"),
    }


def _repository(account: Account, name: str) -> Found:
    (one,) = account.aws.ecr.describe_repositories(repositoryNames=[name])["repositories"]
    policy = account.aws.ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
    return {**one, "LifecyclePolicy": {"LifecyclePolicyText": policy}}


def _log(account: Account, name: str) -> Found:
    (one,) = account.client("logs").describe_log_groups(logGroupNamePrefix=name, limit=1)["logGroups"]
    return one  # type: ignore[no-any-return]


def _bucket(account: Account, name: str) -> Found:
    s3 = account.aws.s3
    return {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {**rule, "ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
                for rule in s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
            ]
        },
        "VersioningConfiguration": s3.get_bucket_versioning(Bucket=name),
        "PublicAccessBlockConfiguration": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
        "OwnershipControls": s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
        "LifecycleConfiguration": _there(lambda: s3.get_bucket_lifecycle_configuration(Bucket=name)),
    }


def _there(ask: Callable[[], Found]) -> Found:
    """Nothing where the API says that there is no such part."""
    try:
        return ask()
    except ClientError as error:
        if code(error).startswith("NoSuch"):
            return {}
        raise


def _security_group(account: Account, identifier: str) -> Found:
    (one,) = account.client("ec2").describe_security_groups(GroupIds=[identifier])["SecurityGroups"]
    return {
        **one,
        "GroupDescription": one["Description"],
        "SecurityGroupIngress": list(_permissions(one["IpPermissions"], "SourceSecurityGroupId", "SourcePrefixListId")),
        "SecurityGroupEgress": list(
            _permissions(one["IpPermissionsEgress"], "DestinationSecurityGroupId", "DestinationPrefixListId")
        ),
    }


def _permissions(given: Sequence[Found], group: str, prefix: str) -> Iterator[Found]:
    for one in given:
        ports = {key: one[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in one}
        for pair in one.get("UserIdGroupPairs", ()):
            yield {**ports, **pair, group: pair["GroupId"]}
        for block in one.get("IpRanges", ()):
            yield {**ports, **block}
        for listed in one.get("PrefixListIds", ()):
            yield {**ports, **listed, prefix: listed["PrefixListId"]}


def _alarm(account: Account, name: str) -> Found:
    alarms = account.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return alarms[0] if alarms else {}


READERS: Mapping[str, Read] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::EC2::SecurityGroup": _security_group,
    "AWS::ECR::Repository": _repository,
    "AWS::ECS::Cluster": _cluster,
    "AWS::ECS::Service": _service,
    "AWS::ECS::TaskDefinition": _task,
    "AWS::ElasticLoadBalancingV2::Listener": _listener,
    "AWS::ElasticLoadBalancingV2::ListenerRule": _rule,
    "AWS::ElasticLoadBalancingV2::LoadBalancer": _balancer,
    "AWS::ElasticLoadBalancingV2::TargetGroup": _group,
    "AWS::Lambda::Function": _function,
    "AWS::Logs::LogGroup": _log,
    "AWS::RDS::DBInstance": _database,
    "AWS::S3::Bucket": _bucket,
}
PARTED = {"ContainerDefinitions"}  # too large to be one field
# What no API tells again.
NOT_TOLD = {
    ("AWS::RDS::DBInstance", "MasterUserPassword"),
    ("AWS::RDS::DBInstance", "DeleteAutomatedBackups"),
    ("AWS::Lambda::Function", "Code"),
}
