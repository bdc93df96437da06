"""How each type is read back through its service's API, brought into the shape that templates have."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from scripts.rehearsals.deployed import Account
from scripts.releases.aws import code

Found = Mapping[str, Any]
Read = Callable[[Account, str], Found]


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
        "SourceDBInstanceIdentifier": one.get("ReadReplicaSourceDBInstanceIdentifier"),
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
