"""The VPC and who may talk to whom."""

from typing import Any

import pytest

from cfn.environments import SERVICES
from tests.cfn.rendered import Rendered, Resource

GROUP = "AWS::EC2::SecurityGroup"
PORTS = {service.port for service in SERVICES}


def default_targets(deployment: Rendered, tier: str) -> list[tuple[str, str]]:
    routes = deployment.resources("AWS::EC2::Route")
    own = [route for route in routes if deployment.leads_to(route.stack, route["RouteTableId"])[1].startswith(tier)]
    return [
        deployment.leads_to(route.stack, route.properties.get("NatGatewayId") or route["GatewayId"]) for route in own
    ]


def test_three_public_and_three_private_subnets_stand_in_three_zones(deployment: Rendered) -> None:
    subnets = deployment.resources("AWS::EC2::Subnet")
    for tier in ("Public", "Private"):
        zones = [one["AvailabilityZone"] for one in subnets if one.title.startswith(tier)]
        assert zones == [{"Fn::Select": [index, {"Fn::GetAZs": ""}]} for index in range(3)]
    assert len(subnets) == 6


def test_private_subnets_never_lead_to_the_internet_gateway(deployment: Rendered) -> None:
    assert all(target.startswith("Nat") for _, target in default_targets(deployment, "Private"))
    assert [target for _, target in default_targets(deployment, "Public")] == ["InternetGateway"]


@pytest.mark.parametrize(
    ("name", "expected"), [("dev", ["Nat1"] * 3), ("prod", ["Nat1", "Nat2", "Nat3"]), ("lean", [])]
)
def test_the_ways_out_are_as_many_as_the_environment_says(
    deployments: dict[str, Rendered], name: str, expected: list[str]
) -> None:
    assert [target for _, target in default_targets(deployments[name], "Private")] == expected
    assert len(deployments[name].resources("AWS::EC2::NatGateway")) == len(set(expected))


def test_each_nat_stands_in_the_zone_it_serves(prod: Rendered) -> None:
    for nat in prod.resources("AWS::EC2::NatGateway"):
        assert prod.leads_to(nat.stack, nat["SubnetId"])[1] == f"PublicSubnet{nat.title[-1]}"


def test_whoever_needs_the_gateway_waits_for_its_attachment(deployment: Rendered) -> None:
    for one in deployment.resources("AWS::EC2::EIP", "AWS::EC2::Route"):
        if one.type == "AWS::EC2::EIP" or "GatewayId" in one.properties:
            assert one.body["DependsOn"] == ["GatewayAttachment"], one.title


def test_no_subnet_gives_out_public_addresses_by_itself(deployment: Rendered) -> None:
    assert all(one["MapPublicIpOnLaunch"] is False for one in deployment.resources("AWS::EC2::Subnet"))


def test_images_come_through_the_s3_endpoint_of_every_private_table(deployment: Rendered) -> None:
    (endpoint,) = [one for one in deployment.resources("AWS::EC2::VPCEndpoint") if one["VpcEndpointType"] == "Gateway"]
    assert [one["Ref"] for one in endpoint["RouteTableIds"]] == [f"PrivateRoutes{number}" for number in (1, 2, 3)]


def test_all_traffic_is_recorded_for_seven_days(deployment: Rendered) -> None:
    log = deployment.only("AWS::EC2::FlowLog")
    assert (log["TrafficType"], log["ResourceType"]) == ("ALL", "VPC")
    stack, title = deployment.leads_to(log.stack, log["LogGroupName"])
    assert deployment.titled(stack, title)["RetentionInDays"] == 7


def test_the_default_group_is_emptied(deployment: Rendered) -> None:
    emptied = deployment.only("AWS::CloudFormation::CustomResource")
    assert emptied["GroupId"] == {"Fn::GetAtt": ["Vpc", "DefaultSecurityGroup"]}
    (function,) = [one for one in deployment.resources("AWS::Lambda::Function") if one.stack == "network"]
    assert deployment.leads_to("network", emptied["ServiceToken"]) == function.key
    compile(function["Code"]["ZipFile"], "default_group", "exec")
    assert len(function["Code"]["ZipFile"]) < 4096


def ways_in(deployment: Rendered, title: str) -> list[dict[str, Any]]:
    """All rules that let somebody into a group, wherever they are written."""
    group = deployment.titled("network", title)
    apart = [
        one.properties
        for one in deployment.resources("AWS::EC2::SecurityGroupIngress")
        if deployment.leads_to(one.stack, one["GroupId"]) == group.key
    ]
    return [*group["SecurityGroupIngress"], *apart]


def sources(deployment: Rendered, title: str) -> set[tuple[int, str]]:
    found = set()
    for rule in ways_in(deployment, title):
        assert rule["FromPort"] == rule["ToPort"]
        assert rule["Description"]
        group = rule.get("SourceSecurityGroupId")
        source = (
            deployment.leads_to("network", group)[1] if group else rule.get("CidrIp", rule.get("SourcePrefixListId"))
        )
        found.add((rule["FromPort"], str(source)))
    return found


def test_only_the_load_balancer_reaches_the_tasks_on_exactly_their_ports(deployment: Rendered) -> None:
    assert sources(deployment, "TasksGroup") == {(port, "LoadBalancerGroup") for port in PORTS}


def test_only_the_tasks_reach_the_database(deployment: Rendered) -> None:
    assert sources(deployment, "DatabaseGroup") == {(5432, "TasksGroup")}


def test_only_the_tasks_reach_the_cache(prod: Rendered, dev: Rendered) -> None:
    assert sources(prod, "CacheGroup") == {(6379, "TasksGroup")}
    assert not [one for one in dev.resources(GROUP) if one.title == "CacheGroup"]


def test_a_public_load_balancer_admits_cloudfront_our_own_calls_and_who_is_to_be_redirected(dev: Rendered) -> None:
    nat = {"Fn::Sub": ["${Address}/32", {"Address": {"Ref": "NatAddress1"}}]}
    assert sources(dev, "LoadBalancerGroup") == {
        (443, str({"Ref": "CloudFrontPrefixList"})),
        (443, str(nat)),
        (80, "0.0.0.0/0"),
    }


def test_a_private_load_balancer_admits_cloudfront_and_the_tasks(lean: Rendered) -> None:
    prefixes = str({"Ref": "CloudFrontPrefixList"})
    assert sources(lean, "LoadBalancerGroup") == {(443, prefixes), (443, "TasksGroup")}


def test_nothing_but_the_load_balancer_is_open_to_addresses(deployment: Rendered) -> None:
    for group in deployment.resources(GROUP):
        for rule in ways_in(deployment, group.title):
            if "SourceSecurityGroupId" not in rule:
                assert group.title == "LoadBalancerGroup"


def test_the_rules_of_the_load_balancer_fit_into_the_quota_of_sixty(deployment: Rendered) -> None:
    """The prefix list of CloudFront counts as 55."""
    rules = ways_in(deployment, "LoadBalancerGroup")
    assert sum(55 if "SourcePrefixListId" in rule else 1 for rule in rules) <= 60


def ways_out(deployment: Rendered, group: Resource) -> set[tuple[Any, str]]:
    apart = [
        one.properties
        for one in deployment.resources("AWS::EC2::SecurityGroupEgress")
        if deployment.leads_to(one.stack, one["GroupId"]) == group.key
    ]
    found = set()
    for rule in [*group["SecurityGroupEgress"], *apart]:
        to = rule.get("DestinationSecurityGroupId")
        found.add((rule.get("FromPort"), deployment.leads_to("network", to)[1] if to else rule["CidrIp"]))
    return found - {(None, "127.0.0.1/32")}  # which is nowhere


def test_groups_let_out_only_what_they_need(deployment: Rendered) -> None:
    out = {group.title: ways_out(deployment, group) for group in deployment.resources(GROUP)}
    assert out["LoadBalancerGroup"] == {(port, "TasksGroup") for port in PORTS}
    assert out["DatabaseGroup"] == set()
    assert {(443, "0.0.0.0/0"), (5432, "DatabaseGroup")} <= out["TasksGroup"]


def test_without_a_domain_services_call_each_other_inside_the_vpc_by_http(nameless: Rendered) -> None:
    tasks = nameless.titled("network", "TasksGroup")
    assert (80, "LoadBalancerGroup") in ways_out(nameless, tasks)
    assert (80, "TasksGroup") in sources(nameless, "LoadBalancerGroup")


def test_without_nat_private_subnets_have_a_door_to_their_secrets(lean: Rendered) -> None:
    (door,) = [one for one in lean.resources("AWS::EC2::VPCEndpoint") if one["VpcEndpointType"] == "Interface"]
    assert door["ServiceName"] == {"Fn::Sub": "com.amazonaws.${AWS::Region}.secretsmanager"}
    assert door["PrivateDnsEnabled"] is True
    assert sources(lean, "EndpointsGroup") == {(443, "TasksGroup")}
