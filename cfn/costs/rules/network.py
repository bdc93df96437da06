"""Ways in and out: load balancer, NAT, addresses, endpoints."""

from collections.abc import Iterator, Mapping

from cfn.costs.lines import Item
from cfn.costs.rules.bill import Bill, Rule
from cfn.costs.traffic import NAT
from cfn.doctor.graph import Resource
from cfn.doctor.values import items

OTHER_ZONES = 2 / 3  # of what goes to a thing that stands in one of three zones
# One capacity unit: 25 new connections a second, 3,000 open ones, 1 GB an hour, 1,000 rules tried a second.
# Open connections follow from new ones, and a request tries few rules, so that these two never lead here.
NEW_CONNECTIONS = 25
GB_AN_HOUR = 1


def balancer(resource: Resource, bill: Bill) -> Iterator[Item]:
    traffic, hours = bill.traffic, bill.hours
    connections = traffic.at_balancer / bill.usage["requests_per_connection"] / (hours * 3600)
    units = max(connections / NEW_CONNECTIONS, traffic.balancer_gb / hours / GB_AN_HOUR)
    yield Item("balancer", "elb.application", hours, "hours")
    yield Item("balancer", "elb.capacity", units * hours, "capacity units")
    if resource.get("Scheme") != "internal":
        zones = len(items(resource.get("Subnets")) or items(resource.get("SubnetMappings")))
        yield Item("ipv4", "ipv4.public", zones * hours, "one address in each zone")


def nat(_: Resource, bill: Bill) -> Iterator[Item]:
    gateways = len(bill.world.of(NAT))
    data = bill.traffic.nat_gb / gateways
    yield Item("nat", "nat.gateway", bill.hours, "hours")
    yield Item("nat", "nat.data", data, "data processed")
    if gateways == 1:
        yield Item("zones", "transfer.zones", data * OTHER_ZONES, "to the only NAT gateway")


def address(_: Resource, bill: Bill) -> Iterator[Item]:
    yield Item("ipv4", "ipv4.public", bill.hours, "address")


def endpoint(resource: Resource, bill: Bill) -> Iterator[Item]:
    """Gateway endpoints, for S3 and DynamoDB, are free; Gateway is also what a template means that says nothing."""
    if resource.get("VpcEndpointType") in {None, "Gateway"}:
        return
    zones = len(items(resource.get("SubnetIds")))
    yield Item("endpoints", "endpoint.interface", zones * bill.hours, "hours in each zone")
    yield Item("endpoints", "endpoint.data", bill.usage["endpoint_gb"], "data processed")


RULES: Mapping[str, Rule] = {
    "AWS::ElasticLoadBalancingV2::LoadBalancer": balancer,
    "AWS::EC2::NatGateway": nat,
    "AWS::EC2::EIP": address,
    "AWS::EC2::VPCEndpoint": endpoint,
}
