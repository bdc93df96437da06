"""What the emulator cannot do, as closed lists. A rehearsal that meets another gap fails, and so does one that no
longer meets one of these: what has not been rehearsed is known at any time."""

from collections.abc import Mapping

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
    "AWS::XRay::SamplingRule": (),
}
