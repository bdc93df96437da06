"""Every property that names another resource leads to one of the right type, by the attribute that is meant there."""

from collections.abc import Iterable, Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.values import Call, Reference, Text, references

rule = Rules()
IDENTITY = frozenset({""})  # what Ref gives
ARN = frozenset({"Arn"})
EITHER = IDENTITY | ARN
Target = tuple[str, frozenset[str]]

ROLE: Target = ("AWS::IAM::Role", ARN)
KEY: Target = ("AWS::KMS::Key", EITHER)
TOPIC: Target = ("AWS::SNS::Topic", IDENTITY | {"TopicArn"})
GROUP: Target = ("AWS::EC2::SecurityGroup", IDENTITY | {"GroupId"})
SUBNET: Target = ("AWS::EC2::Subnet", IDENTITY | {"SubnetId"})
VPC: Target = ("AWS::EC2::VPC", IDENTITY | {"VpcId"})
TABLE: Target = ("AWS::EC2::RouteTable", IDENTITY | {"RouteTableId"})
LOGS: Target = ("AWS::Logs::LogGroup", IDENTITY)
SECRET: Target = ("AWS::SecretsManager::Secret", IDENTITY | {"Id"})
BUCKET: Target = ("AWS::S3::Bucket", IDENTITY)
TARGETS: Target = ("AWS::ElasticLoadBalancingV2::TargetGroup", IDENTITY | {"TargetGroupArn"})
BALANCER: Target = ("AWS::ElasticLoadBalancingV2::LoadBalancer", IDENTITY | {"LoadBalancerArn"})
LISTENER: Target = ("AWS::ElasticLoadBalancingV2::Listener", IDENTITY | {"ListenerArn"})
FUNCTION: Target = ("AWS::Lambda::Function", EITHER)
DATABASE: Target = ("AWS::RDS::DBInstance", IDENTITY)
ALARM: Target = ("AWS::CloudWatch::Alarm", IDENTITY)
QUEUE: Target = ("AWS::SQS::Queue", ARN)

# type → path (a star is every item of a list) → what it has to lead to.
LEADS: dict[str, dict[str, Target]] = {
    "AWS::ApplicationAutoScaling::ScalingPolicy": {
        "ScalingTargetId": ("AWS::ApplicationAutoScaling::ScalableTarget", IDENTITY)
    },
    "AWS::CloudFront::Distribution": {
        "DistributionConfig.WebACLId": ("AWS::WAFv2::WebACL", ARN),
        "DistributionConfig.Logging.Bucket": ("AWS::S3::Bucket", frozenset({"DomainName", "RegionalDomainName"})),
    },
    "AWS::CloudWatch::Alarm": {"AlarmActions.*": TOPIC, "OKActions.*": TOPIC},
    "AWS::CloudWatch::CompositeAlarm": {"AlarmActions.*": TOPIC, "OKActions.*": TOPIC},
    "AWS::DynamoDB::Table": {"SSESpecification.KMSMasterKeyId": KEY},
    "AWS::EC2::FlowLog": {"ResourceId": VPC, "DeliverLogsPermissionArn": ROLE, "LogGroupName": LOGS},
    "AWS::EC2::NatGateway": {"SubnetId": SUBNET, "AllocationId": ("AWS::EC2::EIP", frozenset({"AllocationId"}))},
    "AWS::EC2::Route": {
        "RouteTableId": TABLE,
        "GatewayId": ("AWS::EC2::InternetGateway", IDENTITY | {"InternetGatewayId"}),
        "NatGatewayId": ("AWS::EC2::NatGateway", IDENTITY | {"NatGatewayId"}),
    },
    "AWS::EC2::RouteTable": {"VpcId": VPC},
    "AWS::EC2::SecurityGroup": {
        "VpcId": VPC,
        "SecurityGroupIngress.*.SourceSecurityGroupId": GROUP,
        "SecurityGroupEgress.*.DestinationSecurityGroupId": GROUP,
    },
    "AWS::EC2::SecurityGroupEgress": {"GroupId": GROUP, "DestinationSecurityGroupId": GROUP},
    "AWS::EC2::SecurityGroupIngress": {"GroupId": GROUP, "SourceSecurityGroupId": GROUP},
    "AWS::EC2::Subnet": {"VpcId": VPC},
    "AWS::EC2::SubnetRouteTableAssociation": {"RouteTableId": TABLE, "SubnetId": SUBNET},
    "AWS::EC2::VPCEndpoint": {
        "VpcId": VPC,
        "RouteTableIds.*": TABLE,
        "SubnetIds.*": SUBNET,
        "SecurityGroupIds.*": GROUP,
    },
    "AWS::EC2::VPCGatewayAttachment": {
        "VpcId": VPC,
        "InternetGatewayId": ("AWS::EC2::InternetGateway", IDENTITY | {"InternetGatewayId"}),
    },
    "AWS::ECR::Repository": {"EncryptionConfiguration.KmsKey": KEY},
    "AWS::ECS::Service": {
        "Cluster": ("AWS::ECS::Cluster", EITHER),
        "TaskDefinition": ("AWS::ECS::TaskDefinition", IDENTITY | {"TaskDefinitionArn"}),
        "DeploymentConfiguration.Alarms.AlarmNames.*": ALARM,
        "LoadBalancers.*.TargetGroupArn": TARGETS,
        "NetworkConfiguration.AwsvpcConfiguration.SecurityGroups.*": GROUP,
        "NetworkConfiguration.AwsvpcConfiguration.Subnets.*": SUBNET,
    },
    "AWS::ECS::TaskDefinition": {
        "ExecutionRoleArn": ROLE,
        "TaskRoleArn": ROLE,
        "ContainerDefinitions.*.LogConfiguration.Options.awslogs-group": LOGS,
        "ContainerDefinitions.*.Secrets.*.ValueFrom": SECRET,
    },
    "AWS::ElastiCache::ReplicationGroup": {
        "AuthToken": SECRET,
        "CacheSubnetGroupName": ("AWS::ElastiCache::SubnetGroup", IDENTITY),
        "KmsKeyId": KEY,
        "SecurityGroupIds.*": GROUP,
    },
    "AWS::ElastiCache::SubnetGroup": {"SubnetIds.*": SUBNET},
    "AWS::ElasticLoadBalancingV2::Listener": {"LoadBalancerArn": BALANCER},
    "AWS::ElasticLoadBalancingV2::ListenerRule": {
        "Actions.*.ForwardConfig.TargetGroups.*.TargetGroupArn": TARGETS,
        "ListenerArn": LISTENER,
    },
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {"SecurityGroups.*": GROUP, "Subnets.*": SUBNET},
    "AWS::ElasticLoadBalancingV2::TargetGroup": {"VpcId": VPC, "Targets.*.Id": FUNCTION},
    "AWS::Events::Rule": {"Targets.*.Arn": ("AWS::Lambda::Function", ARN)},
    "AWS::KMS::Alias": {"TargetKeyId": KEY},
    "AWS::Lambda::EventInvokeConfig": {"FunctionName": ("AWS::Lambda::Function", IDENTITY)},
    "AWS::Lambda::Function": {
        "Code.S3Bucket": BUCKET,
        "DeadLetterConfig.TargetArn": QUEUE,
        "KmsKeyArn": ("AWS::KMS::Key", ARN),
        "LoggingConfig.LogGroup": LOGS,
        "Role": ROLE,
        "VpcConfig.SecurityGroupIds.*": GROUP,
        "VpcConfig.SubnetIds.*": SUBNET,
    },
    "AWS::Lambda::Permission": {"FunctionName": FUNCTION},
    "AWS::Logs::LogGroup": {"KmsKeyId": ("AWS::KMS::Key", ARN)},
    "AWS::RDS::DBInstance": {
        "DBParameterGroupName": ("AWS::RDS::DBParameterGroup", IDENTITY | {"DBParameterGroupName"}),
        "DBSubnetGroupName": ("AWS::RDS::DBSubnetGroup", IDENTITY),
        "KmsKeyId": KEY,
        "MasterUserPassword": SECRET,
        "MonitoringRoleArn": ROLE,
        "PerformanceInsightsKMSKeyId": KEY,
        "SourceDBInstanceIdentifier": DATABASE,
        "VPCSecurityGroups.*": GROUP,
    },
    "AWS::RDS::DBSubnetGroup": {"SubnetIds.*": SUBNET},
    "AWS::RDS::EventSubscription": {"SnsTopicArn": TOPIC, "SourceIds.*": DATABASE},
    "AWS::S3::Bucket": {
        "BucketEncryption.ServerSideEncryptionConfiguration.*.ServerSideEncryptionByDefault.KMSMasterKeyID": KEY
    },
    "AWS::S3::BucketPolicy": {"Bucket": BUCKET},
    "AWS::SNS::Subscription": {"TopicArn": TOPIC, "RedrivePolicy.deadLetterTargetArn": QUEUE},
    "AWS::SNS::Topic": {"KmsMasterKeyId": KEY},
    "AWS::SNS::TopicPolicy": {"Topics.*": TOPIC},
    "AWS::SQS::QueuePolicy": {"Queues.*": ("AWS::SQS::Queue", IDENTITY)},
    "AWS::SecretsManager::RotationSchedule": {
        "HostedRotationLambda.KmsKeyArn": KEY,
        "HostedRotationLambda.VpcSecurityGroupIds": GROUP,
        "SecretId": SECRET,
    },
    "AWS::SecretsManager::Secret": {"KmsKeyId": KEY},
    "AWS::SecretsManager::SecretTargetAttachment": {"SecretId": SECRET, "TargetId": DATABASE},
    "AWS::WAFv2::WebACLAssociation": {"ResourceArn": BALANCER, "WebACLArn": ("AWS::WAFv2::WebACL", ARN)},
}


def select(value: Any, path: tuple[str, ...], trail: str = "") -> Iterator[tuple[str, Any]]:
    """The values at a path, with where each was found."""
    if not path:
        yield trail, value
    elif path[0] == "*":
        for index, item in enumerate(value if isinstance(value, list) else []):
            yield from select(item, path[1:], f"{trail}.{index}")
    elif isinstance(value, dict) and path[0] in value:
        yield from select(value[path[0]], path[1:], f"{trail}.{path[0]}" if trail else path[0])


@rule("TND-REF-01", "References lead to the right kind of thing, by the right attribute")
def leads(world: World) -> Iterator[Fault]:
    """A role where a key is meant, or an ARN where a name is meant, is accepted by every linter: both are text."""
    for kind, paths in LEADS.items():
        for resource in world.of(kind):
            for path, target in paths.items():
                for place, value in select(resource.properties, tuple(path.split("."))):
                    if wrong := _wrong(world, resource, value, target):
                        attributes = " or ".join(sorted(name or "Ref" for name in target[1]))
                        yield Fault(resource, place, wrong, f"use {attributes} of an {target[0]}")


def _wrong(world: World, resource: Resource, value: Any, target: Target) -> str | None:
    kind, attributes = target
    if kind == "AWS::EC2::VPC" and resource.get("TargetType") == "lambda":
        return None
    found = list(references(value)) if isinstance(value, Reference | Text | Call) else []
    if len(found) != 1:
        return f"it names {value}, and no resource of ours"
    if not world.at(found[0], kind) or found[0].attribute not in attributes:
        return f"it leads to {found[0]}"
    return None


# What each type offers to Fn::GetAtt, as far as these stacks ask.
ATTRIBUTES: dict[str, set[str]] = {
    "AWS::CloudFront::Distribution": {"DomainName", "Id"},
    "AWS::CloudFront::OriginRequestPolicy": {"Id"},
    "AWS::CloudFront::ResponseHeadersPolicy": {"Id"},
    "AWS::CloudFront::VpcOrigin": {"Id", "Arn"},
    "AWS::CloudWatch::Alarm": {"Arn"},
    "AWS::CloudWatch::CompositeAlarm": {"Arn"},
    "AWS::DynamoDB::Table": {"Arn"},
    "AWS::EC2::EIP": {"AllocationId", "PublicIp"},
    "AWS::EC2::SecurityGroup": {"GroupId", "VpcId"},
    "AWS::EC2::Subnet": {"AvailabilityZone", "CidrBlock", "SubnetId", "VpcId"},
    "AWS::EC2::VPC": {"CidrBlock", "DefaultSecurityGroup", "DefaultNetworkAcl", "VpcId"},
    "AWS::ECR::Repository": {"Arn", "RepositoryUri"},
    "AWS::ECS::Cluster": {"Arn"},
    "AWS::ECS::Service": {"Name", "ServiceArn"},
    "AWS::ECS::TaskDefinition": {"TaskDefinitionArn"},
    "AWS::ElastiCache::ReplicationGroup": {"PrimaryEndPoint.Address", "PrimaryEndPoint.Port", "ReaderEndPoint.Address"},
    "AWS::ElasticLoadBalancingV2::Listener": {"ListenerArn"},
    "AWS::ElasticLoadBalancingV2::ListenerRule": {"RuleArn", "IsDefault"},
    "AWS::ElasticLoadBalancingV2::LoadBalancer": {
        "CanonicalHostedZoneID",
        "DNSName",
        "LoadBalancerArn",
        "LoadBalancerFullName",
        "LoadBalancerName",
    },
    "AWS::ElasticLoadBalancingV2::TargetGroup": {"TargetGroupArn", "TargetGroupFullName", "TargetGroupName"},
    "AWS::Events::Rule": {"Arn"},
    "AWS::IAM::OIDCProvider": {"Arn"},
    "AWS::IAM::Role": {"Arn", "RoleId"},
    "AWS::KMS::Key": {"Arn", "KeyId"},
    "AWS::Lambda::Function": {"Arn"},
    "AWS::Logs::LogGroup": {"Arn"},
    "AWS::RDS::DBInstance": {
        "DBInstanceArn",
        "DbiResourceId",
        "Endpoint.Address",
        "Endpoint.Port",
        "Endpoint.HostedZoneId",
    },
    "AWS::S3::Bucket": {"Arn", "DomainName", "RegionalDomainName", "DualStackDomainName"},
    "AWS::SNS::Topic": {"TopicArn", "TopicName"},
    "AWS::SQS::Queue": {"Arn", "QueueName"},
    "AWS::SecretsManager::Secret": {"Id"},
    "AWS::WAFv2::WebACL": {"Arn", "Id", "LabelNamespace"},
    "AWS::XRay::Group": {"GroupARN"},
}


@rule("TND-REF-02", "Attributes exist")
def attributes(world: World) -> Iterator[Fault]:
    """Fn::GetAtt of an attribute that a type does not have is found when that resource is made, after all before it."""
    for resource in world.resources:
        yield from _unknown(world, resource, resource.references)
    for resolved in world.resolved:
        for name, value in resolved.outputs.items():
            yield from _unknown(world, resolved.stack.name, references(value), f"Outputs.{name}")


def _unknown(world: World, where: Resource | str, found_in: Iterable[Reference], path: str = "") -> Iterator[Fault]:
    for reference in found_in:
        found = world.at(reference)
        if found and reference.attribute and reference.attribute not in ATTRIBUTES.get(found.type, set()):
            wrong = f"{found.type} has no attribute {reference.attribute} (at {found})"
            yield Fault(where, path, wrong, f"use one of {sorted(ATTRIBUTES.get(found.type, set()))}, or Ref")
