"""What the emulator cannot do, as closed lists. A rehearsal that meets another gap fails, and so does one that no
longer meets one of these: what has not been rehearsed is known at any time."""

from collections.abc import Iterator, Mapping, Set

# CloudFormation of ministack 1.5.33 knows nothing of these types; the attributes are those that others read of them.
TYPES: Mapping[str, tuple[str, ...]] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": (),
    "AWS::ApplicationAutoScaling::ScalingPolicy": (),
    "AWS::CloudFront::VpcOrigin": (),
    "AWS::CloudWatch::CompositeAlarm": (),
    "AWS::EC2::EIP": ("AllocationId",),
    "AWS::EC2::FlowLog": (),
    "AWS::EC2::NatGateway": (),
    "AWS::EC2::SecurityGroupEgress": (),
    "AWS::EC2::SecurityGroupIngress": (),
    "AWS::IAM::OIDCProvider": (),
    "AWS::RDS::EventSubscription": (),
    "AWS::SecretsManager::RotationSchedule": (),
    "AWS::XRay::Group": (),
}

# A resource with one of these properties is taken, and nothing is behind it (emulator/launch.py).
EMPTY: Set[tuple[str, str]] = {("AWS::CloudWatch::Alarm", "Metrics")}

# What it takes and does not tell again, or tells otherwise. Lists of objects with names are taken apart.
FIELDS: Set[tuple[str, str]] = {
    *EMPTY,
    ("AWS::ECS::Service", "AvailabilityZoneRebalancing"),
    ("AWS::ECS::Service", "EnableECSManagedTags"),
    ("AWS::ECS::Service", "HealthCheckGracePeriodSeconds"),
    ("AWS::ECS::Service", "PlatformVersion"),
    ("AWS::ECS::Service", "PropagateTags"),
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions.DependsOn"),
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions.HealthCheck"),
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions.LinuxParameters"),
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions.RestartPolicy"),
    ("AWS::ECS::TaskDefinition", "ContainerDefinitions.Secrets"),
    ("AWS::ECS::TaskDefinition", "RuntimePlatform"),
    ("AWS::ECS::TaskDefinition", "Volumes"),
    ("AWS::ElasticLoadBalancingV2::Listener", "ListenerAttributes"),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "Targets"),
    ("AWS::Lambda::Function", "DeadLetterConfig"),
    ("AWS::Lambda::Function", "KmsKeyArn"),
    ("AWS::Lambda::Function", "ReservedConcurrentExecutions"),
    ("AWS::Lambda::Function", "VpcConfig"),
    ("AWS::RDS::DBInstance", "EnableCloudwatchLogsExports"),
    ("AWS::RDS::DBInstance", "PerformanceInsightsKMSKeyId"),
    ("AWS::RDS::DBInstance", "SourceDBInstanceIdentifier"),
    ("AWS::S3::Bucket", "BucketEncryption"),
    ("AWS::S3::Bucket", "LifecycleConfiguration"),
    ("AWS::S3::Bucket", "OwnershipControls"),
}


def lines() -> Iterator[str]:
    yield from (f"{kind}: CloudFormation takes it, and nothing is behind" for kind in TYPES)
    yield from (f"{kind} {name}: not to be read back" for kind, name in sorted(FIELDS))


def wrong(lost: Set[tuple[str, str]], given: Set[tuple[str, str]]) -> list[str]:
    """What of the lists does not hold: `lost` is what a rehearsal could not read back, `given` all that it deployed."""
    new = sorted(lost - FIELDS)
    over = sorted((FIELDS & given) - lost)
    return [f"{kind} {name} was deployed and cannot be read back; it is not on the list." for kind, name in new] + [
        f"{kind} {name} is read back by now; take it off the list." for kind, name in over
    ]
