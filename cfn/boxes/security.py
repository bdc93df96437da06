"""Who may talk to whom: the internet to the load balancer, it to the tasks, they to the database. Nothing else.

The source rules of the chain refer to groups, never to addresses. Functions run in the tasks' group, so that "only the
tasks reach the database" holds as it is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from troposphere import GetAtt, Parameter, Ref, Sub, Template
from troposphere.ec2 import SecurityGroup, SecurityGroupEgress, SecurityGroupIngress, SecurityGroupRule

from cfn import names
from cfn.boxes.network import Network
from cfn.environments import Environment
from cfn.wiring import Value

POSTGRESQL, CACHE, HTTPS, HTTP = 5432, 6379, 443, 80
INTERNET = "0.0.0.0/0"
NOWHERE = "127.0.0.1/32"  # a group without any egress rule would get one to everywhere
# com.amazonaws.global.cloudfront.origin-facing in us-east-1. It counts as 55 of the 60 rules that a group may have.
CLOUDFRONT_ORIGIN_FACING = "pl-3b927c52"


@dataclass(frozen=True, slots=True)
class Security:
    load_balancer: Value
    tasks: Value
    database: Value
    cache: Value
    endpoints: Value


def security(template: Template, environment: Environment, network: Network) -> Security:
    balancer = _group(
        template, network, "LoadBalancer", "The only way in", _ways_in(template, environment, network), []
    )
    from_balancer = [
        _rule(service.port, f"{service.name} from the load balancer", SourceSecurityGroupId=GetAtt(balancer, "GroupId"))
        for service in environment.services
    ]
    out = [_rule(HTTPS, "AWS APIs, images and the load balancer", CidrIp=INTERNET)]
    tasks = _group(template, network, "Tasks", "Containers and functions", from_balancer, out)
    for service in environment.services:
        _let_out(template, balancer, tasks, service.port, service.name)
    database = _inner(template, network, "Database", POSTGRESQL, tasks)
    cache = _inner(template, network, "Cache", CACHE, tasks) if environment.cache else None
    endpoints = _inner(template, network, "Endpoints", HTTPS, tasks) if environment.addresses.endpoints else None
    if environment.edge == "vpc-origin":
        _internal_calls(template, serving_port(environment), balancer, tasks)
    return Security(
        load_balancer=GetAtt(balancer, "GroupId"),
        tasks=GetAtt(tasks, "GroupId"),
        database=GetAtt(database, "GroupId"),
        cache=cache and GetAtt(cache, "GroupId"),
        endpoints=endpoints and GetAtt(endpoints, "GroupId"),
    )


def _ways_in(template: Template, environment: Environment, network: Network) -> Iterator[SecurityGroupRule]:
    """CloudFront by AWS's own list; our tasks by the addresses of NAT; everybody on port 80, which only redirects."""
    prefixes = template.add_parameter(
        Parameter(
            "CloudFrontPrefixList",
            Type="String",
            Default=CLOUDFRONT_ORIGIN_FACING,
            AllowedPattern="pl-[0-9a-f]+",
            Description="Managed prefix list of the addresses from which CloudFront calls origins in this region",
        )
    )
    yield _rule(serving_port(environment), "CloudFront", SourcePrefixListId=Ref(prefixes))
    if environment.edge == "public-alb":
        yield _rule(HTTP, "Everybody, to be redirected", CidrIp=INTERNET)
        for number, address in enumerate(network.nat_addresses, 1):
            calls = f"Calls between services, through NAT {number}"
            yield _rule(HTTPS, calls, CidrIp=Sub("${Address}/32", Address=address))


def serving_port(environment: Environment) -> int:
    """Plain HTTP only inside the VPC, for a shop without a domain of its own."""
    return HTTPS if environment.site.domain else HTTP


def _internal_calls(template: Template, port: int, balancer: SecurityGroup, tasks: SecurityGroup) -> None:
    if port != HTTPS:  # which the tasks may reach everywhere
        _let_out(template, tasks, balancer, port, "load-balancer")
    template.add_resource(
        SecurityGroupIngress(
            "LoadBalancerFromTasks",
            GroupId=GetAtt(balancer, "GroupId"),
            SourceSecurityGroupId=GetAtt(tasks, "GroupId"),
            IpProtocol="tcp",
            FromPort=port,
            ToPort=port,
            Description="Calls between services",
        )
    )


def _inner(template: Template, network: Network, name: str, port: int, tasks: SecurityGroup) -> SecurityGroup:
    """A group that only the tasks reach, and that reaches nobody."""
    source = GetAtt(tasks, "GroupId")
    ways_in = [_rule(port, "From the tasks", SourceSecurityGroupId=source)]
    group = _group(template, network, name, f"{name}: reached by the tasks only", ways_in, [])
    if port != HTTPS:  # which the tasks may reach everywhere
        _let_out(template, tasks, group, port, name.lower())
    return group


def _group(
    template: Template,
    network: Network,
    name: str,
    description: str,
    ways_in: Iterator[SecurityGroupRule] | list[SecurityGroupRule],
    ways_out: list[SecurityGroupRule],
) -> SecurityGroup:
    closed = SecurityGroupRule(IpProtocol="-1", CidrIp=NOWHERE, Description="Nowhere")
    return template.add_resource(
        SecurityGroup(
            f"{name}Group",
            VpcId=network.vpc,
            GroupDescription=description,
            SecurityGroupIngress=list(ways_in),
            SecurityGroupEgress=ways_out or [closed],
        )
    )


def _rule(port: int, description: str, **source: Value) -> SecurityGroupRule:
    return SecurityGroupRule(IpProtocol="tcp", FromPort=port, ToPort=port, Description=description, **source)


def _let_out(template: Template, group: SecurityGroup, to: SecurityGroup, port: int, name: str) -> None:
    """Its own resource: within the groups, rules in both directions would be a cycle."""
    template.add_resource(
        SecurityGroupEgress(
            group.title + names.title("to", name),
            GroupId=GetAtt(group, "GroupId"),
            DestinationSecurityGroupId=GetAtt(to, "GroupId"),
            IpProtocol="tcp",
            FromPort=port,
            ToPort=port,
            Description=f"To {name}",
        )
    )
