"""Types that cost nothing themselves, and why."""

from collections.abc import Mapping

NO_CHARGE = "AWS does not charge for it"
ELSEWHERE = "what it asks for is priced with"

FREE: Mapping[str, str] = {
    "AWS::ApplicationAutoScaling::ScalableTarget": f"{ELSEWHERE} the service it scales",
    "AWS::CloudFormation::CustomResource": f"{ELSEWHERE} its function",
    "AWS::CloudFront::OriginRequestPolicy": NO_CHARGE,
    "AWS::CloudFront::VpcOrigin": NO_CHARGE,
    "AWS::EC2::FlowLog": f"{ELSEWHERE} the log group it writes to",
    "AWS::EC2::InternetGateway": NO_CHARGE,
    "AWS::EC2::Route": NO_CHARGE,
    "AWS::EC2::RouteTable": NO_CHARGE,
    "AWS::EC2::SecurityGroup": NO_CHARGE,
    "AWS::EC2::SecurityGroupEgress": NO_CHARGE,
    "AWS::EC2::SecurityGroupIngress": NO_CHARGE,
    "AWS::EC2::Subnet": NO_CHARGE,
    "AWS::EC2::SubnetRouteTableAssociation": NO_CHARGE,
    "AWS::EC2::VPC": NO_CHARGE,
    "AWS::EC2::VPCGatewayAttachment": NO_CHARGE,
    "AWS::ECS::TaskDefinition": f"{ELSEWHERE} the service that runs it",
    "AWS::ElastiCache::SubnetGroup": NO_CHARGE,
    "AWS::ElasticLoadBalancingV2::Listener": f"{ELSEWHERE} the load balancer",
    "AWS::ElasticLoadBalancingV2::ListenerRule": f"{ELSEWHERE} the load balancer's capacity units",
    "AWS::ElasticLoadBalancingV2::TargetGroup": f"{ELSEWHERE} the load balancer",
    "AWS::Events::Rule": f"{ELSEWHERE} the function it calls: rules with a schedule cost nothing",
    "AWS::IAM::OIDCProvider": NO_CHARGE,
    "AWS::IAM::Role": NO_CHARGE,
    "AWS::KMS::Alias": NO_CHARGE,
    "AWS::Lambda::EventInvokeConfig": NO_CHARGE,
    "AWS::Lambda::Permission": NO_CHARGE,
    "AWS::RDS::DBParameterGroup": NO_CHARGE,
    "AWS::RDS::DBSubnetGroup": NO_CHARGE,
    "AWS::RDS::EventSubscription": f"{ELSEWHERE} the topic's subscriptions",
    "AWS::S3::BucketPolicy": NO_CHARGE,
    "AWS::SNS::Topic": f"{ELSEWHERE} its subscriptions",
    "AWS::SNS::TopicPolicy": NO_CHARGE,
    "AWS::SQS::QueuePolicy": NO_CHARGE,
    "AWS::SecretsManager::RotationSchedule": "a function of AWS's runs once a month, for far less than a cent",
    "AWS::SecretsManager::SecretTargetAttachment": NO_CHARGE,
}
