"""The VPC, its two tiers of subnets, and the ways in and out of them."""

import ipaddress
from collections.abc import Iterator
from itertools import combinations

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World, fact
from cfn.doctor.values import Call, dig, only, truth

rule = Rules()
INTERNET = "0.0.0.0/0"


def tables_of(world: World, subnet: Resource) -> list[Resource]:
    associations = world.users(subnet, "AWS::EC2::SubnetRouteTableAssociation")
    found = [world.at(association.get("RouteTableId"), "AWS::EC2::RouteTable") for association in associations]
    return [table for table in found if table]


def default_routes(world: World, table: Resource) -> list[Resource]:
    routes = world.users(table, "AWS::EC2::Route")
    return [route for route in routes if route.get("DestinationCidrBlock") == INTERNET]


def gateways_of(world: World, subnet: Resource) -> list[Resource]:
    """Where the subnet sends what leaves the VPC."""
    found = []
    for table in tables_of(world, subnet):
        for route in default_routes(world, table):
            found += world.all_at([route.get("GatewayId"), route.get("NatGatewayId")])
    return found


def is_public(world: World, subnet: Resource) -> bool:
    return subnet in tiers(world)["public"]


@fact
def tiers(world: World) -> dict[str, list[Resource]]:
    found: dict[str, list[Resource]] = {"public": [], "private": []}
    for subnet in world.of("AWS::EC2::Subnet"):
        reached = any(gateway.type == "AWS::EC2::InternetGateway" for gateway in gateways_of(world, subnet))
        found["public" if reached else "private"].append(subnet)
    return found


def network(value: object) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(value) if isinstance(value, str) else None
    except ValueError:
        return None


@rule("TND-NET-01", "Three public and three private subnets")
def three_of_each(world: World) -> Iterator[Fault]:
    """A subnet is public when its route table sends the default route to an internet gateway, whatever it is called.
    One private subnet routed to the gateway makes four public ones, and puts tasks or the database on the internet."""
    if not world.of("AWS::EC2::VPC"):
        yield Fault(world.stacks[0].name, "Resources", "no stack declares a VPC", "declare one VPC")
    for tier, subnets in tiers(world).items():
        if len(subnets) != world.expectations.zones:
            where: Resource | str = subnets[0] if subnets else world.stacks[0].name
            wrong = f"{len(subnets)} subnets are {tier} by their routes, not {world.expectations.zones}"
            yield Fault(where, "", wrong, "route private subnets to a NAT gateway and public ones to the gateway")


@rule("TND-NET-02", "Each tier spans three zones and names none")
def zones(world: World) -> Iterator[Fault]:
    """Two subnets of a tier in one zone lose half of the capacity with that zone. A zone by name exists in one region
    only, and means another building in another account."""
    for tier, subnets in tiers(world).items():
        seen: dict[str, Resource] = {}
        for subnet in subnets:
            zone = subnet.get("AvailabilityZone")
            if not isinstance(zone, Call):
                yield Fault(
                    subnet, "AvailabilityZone", f"the zone is fixed as {zone}", "select it from Fn::GetAZs by its index"
                )
            elif str(zone) in seen:
                wrong = f"this {tier} subnet shares its zone with {seen[str(zone)]}"
                yield Fault(subnet, "AvailabilityZone", wrong, "give each subnet of a tier another index of Fn::GetAZs")
            seen.setdefault(str(zone), subnet)


@rule("TND-NET-03", "Subnets lie inside the VPC and apart from each other")
def blocks(world: World) -> Iterator[Fault]:
    """Overlapping or foreign address blocks are refused only half-way through a deployment."""
    known = [(subnet, network(subnet.get("CidrBlock"))) for subnet in world.of("AWS::EC2::Subnet")]
    for subnet, block in known:
        vpc = world.at(subnet.get("VpcId"), "AWS::EC2::VPC")
        outer = network(vpc.get("CidrBlock")) if vpc else None
        if not (block and outer and block.subnet_of(outer)):
            wrong = f"{subnet.get('CidrBlock')} is not inside the VPC's {outer}"
            yield Fault(subnet, "CidrBlock", wrong, "take a block from the VPC's range")
        if block and not 20 <= block.prefixlen <= 24:
            wrong = f"{block} holds {block.num_addresses} addresses"
            yield Fault(subnet, "CidrBlock", wrong, "use a block between /20 and /24, so that tasks can grow")
    for (one, a), (other, b) in combinations(known, 2):
        if a and b and a.overlaps(b):
            yield Fault(other, "CidrBlock", f"{b} overlaps {a} of {one}", "give each subnet a block of its own")
    for vpc in world.of("AWS::EC2::VPC"):
        block = network(vpc.get("CidrBlock"))
        if not (block and block.is_private and 16 <= block.prefixlen <= 22):
            yield Fault(vpc, "CidrBlock", f"{vpc.get('CidrBlock')} is no private /16 to /22", "use a private range")


@rule("TND-NET-04", "Every subnet has one route table, every table one way out")
def ways_out(world: World) -> Iterator[Fault]:
    """A subnet without its own association falls back to the VPC's main table, which routes nowhere. Private subnets
    leave through NAT: one of their zone where zones must fail alone, one for all where money counts, none in lean."""
    for tier, subnets in tiers(world).items():
        wanted = 0 if tier == "private" and world.expectations.nat == "none" else 1
        for subnet in subnets:
            tables, gateways = tables_of(world, subnet), gateways_of(world, subnet)
            if len(tables) != 1:
                wrong = f"the {tier} subnet has {len(tables)} route tables"
                yield Fault(subnet, "", wrong, "associate it with exactly one route table")
            elif len(gateways) != wanted:
                wrong = f"the {tier} subnet has {len(gateways)} default routes, not {wanted}"
                yield Fault(tables[0], "", wrong, "give its route table one default route, or none without NAT")
    for table in world.of("AWS::EC2::RouteTable"):
        if not world.users(table, "AWS::EC2::SubnetRouteTableAssociation"):
            yield Fault(table, "", "no subnet uses this route table", "associate its subnet, or drop it")
    if world.expectations.nat != "none":
        yield from _nat_by_zone(world)


def _nat_by_zone(world: World) -> Iterator[Fault]:
    private = tiers(world)["private"]
    nats = {gateway.key for subnet in private for gateway in gateways_of(world, subnet)}
    wanted = world.expectations.zones if world.expectations.nat == "per-zone" else 1
    if private and len(nats) != wanted:
        wrong = f"private subnets leave through {len(nats)} NAT gateways, not {wanted}"
        yield Fault(private[0], "", wrong, "use one NAT gateway per zone in production, one for all elsewhere")
    for nat in world.of("AWS::EC2::NatGateway"):
        if nat.key not in nats:
            yield Fault(nat, "", "no private subnet leaves through this NAT gateway", "route one through it or drop it")
    for subnet in private if wanted > 1 else ():
        for nat in gateways_of(world, subnet):
            home = world.at(nat.get("SubnetId"), "AWS::EC2::Subnet")
            if home and home.get("AvailabilityZone") != subnet.get("AvailabilityZone"):
                wrong = f"it leaves through {nat}, which stands in another zone"
                yield Fault(subnet, "", wrong, "route it to the NAT gateway of its own zone")


@rule("TND-NET-05", "Gateways are attached before they are used")
def attachment_first(world: World) -> Iterator[Fault]:
    """A route to a gateway, or an address for NAT, made before the attachment fails now and then: only a DependsOn
    orders them, since nothing refers to an attachment."""
    attachments = world.of("AWS::EC2::VPCGatewayAttachment")
    users = [
        *(route for route in world.of("AWS::EC2::Route") if world.at(route.get("GatewayId"))),
        *world.of("AWS::EC2::EIP"),
    ]
    for user in users:
        if not any(world.waits_for(user, attachment) for attachment in attachments):
            yield Fault(user, "DependsOn", "it does not wait for the gateway's attachment", "let it depend on that")
    for attachment in attachments:
        if not (world.at(attachment.get("VpcId"), "AWS::EC2::VPC") and world.at(attachment.get("InternetGatewayId"))):
            yield Fault(attachment, "", "it attaches no gateway to no VPC", "name both the VPC and the gateway")


@rule("TND-NET-06", "NAT gateways stand in public subnets with an address")
def nat_is_public(world: World) -> Iterator[Fault]:
    """NAT in a private subnet routes to itself; NAT without an elastic address cannot reach the internet."""
    homes = []
    for nat in world.of("AWS::EC2::NatGateway"):
        home = world.at(nat.get("SubnetId"), "AWS::EC2::Subnet")
        homes.append(home)
        if not home or not is_public(world, home):
            yield Fault(nat, "SubnetId", "this NAT gateway is not in a public subnet", "put it into a public subnet")
        named = only(nat.get("AllocationId"))
        if not world.at(named, "AWS::EC2::EIP") or (named and named.attribute != "AllocationId"):
            yield Fault(nat, "AllocationId", "it has no elastic address", "give it the AllocationId of an EIP")
    addresses = [str(nat.get("AllocationId")) for nat in world.of("AWS::EC2::NatGateway")]
    for address in world.of("AWS::EC2::EIP"):
        if addresses.count(f"{address}.AllocationId") != 1:
            yield Fault(address, "", "it belongs to no NAT gateway, or to two", "give each NAT gateway its own address")
    if len({home.key for home in homes if home}) != len(homes):
        yield Fault(homes[0] or "", "", "two NAT gateways share a subnet", "put one into each public subnet")


@rule("TND-NET-07", "The VPC's traffic is recorded, for a bounded time")
def flow_logs(world: World) -> Iterator[Fault]:
    """After an incident the flow logs are the only witness. They cost by the gigabyte, hence the retention."""
    for vpc in world.of("AWS::EC2::VPC"):
        logs = world.users(vpc, "AWS::EC2::FlowLog")
        if not any(log.get("ResourceType") == "VPC" and log.get("TrafficType") == "ALL" for log in logs):
            yield Fault(vpc, "", "no flow log records all traffic of this VPC", "declare an AWS::EC2::FlowLog on it")
    for log in world.of("AWS::EC2::FlowLog"):
        if log.get("LogDestinationType") in {None, "cloud-watch-logs"}:
            group = world.at(log.get("LogGroupName") or log.get("LogDestination"), "AWS::Logs::LogGroup")
            role = world.at(log.get("DeliverLogsPermissionArn"), "AWS::IAM::Role")
            if not group or not role or not group.get("RetentionInDays"):
                wrong = "it does not write to a declared log group with a role and a retention"
                yield Fault(log, "", wrong, "name a log group with RetentionInDays and the role that may write to it")
        elif not world.at(log.get("LogDestination"), "AWS::S3::Bucket"):
            yield Fault(log, "LogDestination", "it writes to a bucket nobody declares", "name a declared bucket")


@rule("TND-NET-08", "S3 is reached without NAT", Severity.WARNING)
def s3_endpoint(world: World) -> Iterator[Fault]:
    """Image layers come from S3. Through NAT every pull is paid by the gigabyte; the gateway endpoint is free."""
    endpoints = [e for e in world.of("AWS::EC2::VPCEndpoint") if str(e.get("ServiceName")).endswith(".s3")]
    gateways = [e for e in endpoints if e.get("VpcEndpointType") == "Gateway"]
    covered = {table.key for e in gateways for table in world.all_at(e.get("RouteTableIds"), "AWS::EC2::RouteTable")}
    for subnet in tiers(world)["private"]:
        if not any(table.key in covered for table in tables_of(world, subnet)):
            wrong = "its route table has no gateway endpoint for S3"
            yield Fault(subnet, "", wrong, "list its route table in the S3 endpoint's RouteTableIds")


@rule("TND-NET-09", "No subnet hands out public addresses by itself", Severity.CRITICAL)
def no_public_addresses(world: World) -> Iterator[Fault]:
    """What needs a public address asks for one: the load balancer and NAT do. All else would be reachable."""
    for subnet in world.of("AWS::EC2::Subnet"):
        if truth(subnet.get("MapPublicIpOnLaunch")):
            yield Fault(subnet, "MapPublicIpOnLaunch", "it gives every interface a public address", "set it to false")


@rule("TND-NET-10", "The VPC answers DNS")
def dns(world: World) -> Iterator[Fault]:
    """Without host names and support, endpoints, RDS and service names do not resolve inside the VPC."""
    for vpc in world.of("AWS::EC2::VPC"):
        for switch in ("EnableDnsHostnames", "EnableDnsSupport"):
            if truth(vpc.get(switch)) is not True:
                yield Fault(vpc, switch, f"{switch} is not on", "set it to true")


@rule("TND-NET-11", "The default security group lets nothing through", Severity.WARNING)
def default_group(world: World) -> Iterator[Fault]:
    """Whatever is launched without a group gets the default one. Nothing here may be in it or let it in."""
    for resource in world.resources:
        for path, value in resource.leaves if resource.type in USERS_OF_GROUPS else ():
            reference = only(value)
            if reference and reference.attribute == "DefaultSecurityGroup":
                yield Fault(resource, path, "it uses the VPC's default security group", "use a group of its own")


USERS_OF_GROUPS = {
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::VPCEndpoint",
    "AWS::ECS::Service",
    "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "AWS::Lambda::Function",
    "AWS::RDS::DBInstance",
}


@rule("TND-NET-12", "Everything is in the one VPC")
def one_vpc(world: World) -> Iterator[Fault]:
    """A group, table or target group of another VPC than its neighbours cannot be used together with them."""
    for resource in world.resources:
        if resource.type in IN_A_VPC and not world.at(dig(resource.properties, "VpcId"), "AWS::EC2::VPC"):
            if resource.type == "AWS::ElasticLoadBalancingV2::TargetGroup" and resource.get("TargetType") == "lambda":
                continue
            yield Fault(resource, "VpcId", "it names no declared VPC", "refer to the VPC of the network stack")


IN_A_VPC = {
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::Subnet",
    "AWS::EC2::VPCEndpoint",
    "AWS::ElasticLoadBalancingV2::TargetGroup",
}
