"""Private doors to AWS APIs, for subnets that have no way out."""

from troposphere import Sub, Template
from troposphere.ec2 import VPCEndpoint

from cfn import names
from cfn.boxes.network import Network
from cfn.boxes.security import Security
from cfn.environments import Environment


def endpoints(template: Template, environment: Environment, network: Network, security: Security) -> None:
    """In the first zone only: each costs by the hour, and the zones reach each other."""
    for service in environment.addresses.endpoints:
        template.add_resource(
            VPCEndpoint(
                names.title(service, "endpoint"),
                VpcId=network.vpc,
                VpcEndpointType="Interface",
                ServiceName=Sub(f"com.amazonaws.${{AWS::Region}}.{service}"),
                PrivateDnsEnabled=True,
                SubnetIds=[network.private_subnets[0]],
                SecurityGroupIds=[security.endpoints],
            )
        )
