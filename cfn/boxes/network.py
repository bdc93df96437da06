"""The VPC: three public and three private subnets over three zones, the ways out, and a record of who talks to whom."""

from dataclasses import dataclass

from awacs import logs as actions
from troposphere import GetAtt, GetAZs, Ref, Select, Sub, Template, ec2
from troposphere.logs import LogGroup

from cfn.boxes.encryption import Encryption
from cfn.environments import Environment
from cfn.permissions import allow, role
from cfn.wiring import Value


@dataclass(frozen=True, slots=True)
class Network:
    vpc: Value
    cidr: str
    public_subnets: tuple[Value, ...]
    private_subnets: tuple[Value, ...]
    nats: tuple[Value, ...]
    nat_addresses: tuple[Value, ...]  # as which private subnets appear outside
    default_group: Value


def network(template: Template, environment: Environment, encryption: Encryption) -> Network:
    """`nat` decides how many NAT gateways stand in the public subnets: none, one for all, or one per zone."""
    addresses = environment.addresses
    vpc = template.add_resource(
        ec2.VPC("Vpc", CidrBlock=addresses.vpc, EnableDnsHostnames=True, EnableDnsSupport=True),
    )
    gateway = template.add_resource(ec2.InternetGateway("InternetGateway"))
    attachment = template.add_resource(
        ec2.VPCGatewayAttachment("GatewayAttachment", VpcId=Ref(vpc), InternetGatewayId=Ref(gateway))
    )
    public = _subnets(template, vpc, "Public", addresses.public)
    private = _subnets(template, vpc, "Private", addresses.private)
    _public_routes(template, vpc, gateway, attachment, public)
    count = {"none": 0, "single": 1, "per-zone": len(public)}[addresses.nat]
    nats = [_nat(template, number, subnet, attachment) for number, subnet in enumerate(public[:count], 1)]
    tables = _private_routes(template, vpc, private, nats)
    template.add_resource(
        ec2.VPCEndpoint(
            "S3Endpoint",
            VpcId=Ref(vpc),
            VpcEndpointType="Gateway",
            ServiceName=Sub("com.amazonaws.${AWS::Region}.s3"),
            RouteTableIds=[Ref(table) for table in tables],
        )
    )
    _flow_logs(template, environment, vpc, encryption)
    return Network(
        vpc=Ref(vpc),
        cidr=addresses.vpc,
        public_subnets=tuple(Ref(subnet) for subnet in public),
        private_subnets=tuple(Ref(subnet) for subnet in private),
        nats=tuple(Ref(nat) for nat in nats),
        nat_addresses=tuple(Ref(f"NatAddress{number}") for number in range(1, count + 1)),
        default_group=GetAtt(vpc, "DefaultSecurityGroup"),
    )


def _subnets(template: Template, vpc: ec2.VPC, tier: str, blocks: tuple[str, ...]) -> list[ec2.Subnet]:
    return [
        template.add_resource(
            ec2.Subnet(
                f"{tier}Subnet{number + 1}",
                VpcId=Ref(vpc),
                CidrBlock=block,
                AvailabilityZone=Select(number, GetAZs("")),
                MapPublicIpOnLaunch=False,  # who needs an address asks for it
            )
        )
        for number, block in enumerate(blocks)
    ]


def _public_routes(
    template: Template,
    vpc: ec2.VPC,
    gateway: ec2.InternetGateway,
    attachment: ec2.VPCGatewayAttachment,
    subnets: list[ec2.Subnet],
) -> None:
    table = template.add_resource(ec2.RouteTable("PublicRoutes", VpcId=Ref(vpc)))
    template.add_resource(
        ec2.Route(
            "PublicDefaultRoute",
            RouteTableId=Ref(table),
            DestinationCidrBlock="0.0.0.0/0",
            GatewayId=Ref(gateway),
            DependsOn=[attachment.title],
        )
    )
    for number, subnet in enumerate(subnets, 1):
        _associate(template, f"PublicAssociation{number}", table, subnet)


def _private_routes(
    template: Template, vpc: ec2.VPC, subnets: list[ec2.Subnet], nats: list[ec2.NatGateway]
) -> list[ec2.RouteTable]:
    """A table per zone, so that one NAT gateway becomes three without moving a subnet."""
    tables = []
    for number, subnet in enumerate(subnets, 1):
        table = template.add_resource(ec2.RouteTable(f"PrivateRoutes{number}", VpcId=Ref(vpc)))
        _associate(template, f"PrivateAssociation{number}", table, subnet)
        tables.append(table)
        for nat in nats[(number - 1) % len(nats) :][:1] if nats else ():
            template.add_resource(
                ec2.Route(
                    f"PrivateDefaultRoute{number}",
                    RouteTableId=Ref(table),
                    DestinationCidrBlock="0.0.0.0/0",
                    NatGatewayId=Ref(nat),
                )
            )
    return tables


def _associate(template: Template, title: str, table: ec2.RouteTable, subnet: ec2.Subnet) -> None:
    template.add_resource(
        ec2.SubnetRouteTableAssociation(title, RouteTableId=Ref(table), SubnetId=Ref(subnet)),
    )


def _nat(template: Template, number: int, subnet: ec2.Subnet, attachment: ec2.VPCGatewayAttachment) -> ec2.NatGateway:
    address = template.add_resource(ec2.EIP(f"NatAddress{number}", Domain="vpc", DependsOn=[attachment.title]))
    return template.add_resource(
        ec2.NatGateway(f"Nat{number}", AllocationId=GetAtt(address, "AllocationId"), SubnetId=Ref(subnet))
    )


def _flow_logs(template: Template, environment: Environment, vpc: ec2.VPC, encryption: Encryption) -> None:
    group = template.add_resource(
        LogGroup(
            "FlowLogGroup",
            RetentionInDays=environment.log_days,
            KmsKeyId=encryption.key,
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )
    writer = role(
        template,
        "FlowLogRole",
        "vpc-flow-logs.amazonaws.com",
        [
            allow(
                "WriteOwnGroup",
                [actions.CreateLogStream, actions.DescribeLogStreams, actions.PutLogEvents],
                [GetAtt(group, "Arn")],
            )
        ],
        description="Lets the VPC write its flow logs",
    )
    template.add_resource(
        ec2.FlowLog(
            "FlowLog",
            ResourceId=Ref(vpc),
            ResourceType="VPC",
            TrafficType="ALL",
            LogDestinationType="cloud-watch-logs",
            LogGroupName=Ref(group),
            DeliverLogsPermissionArn=GetAtt(writer, "Arn"),
            MaxAggregationInterval=600,
        )
    )
