"""What a rehearsal can say: fields read back from the emulator, the closed lists of its gaps, the twin on deployed
rules; and moto's opinion on the rules and on scaling, where the emulator has none."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from cfn.doctor.graph import World
from scripts.rehearsals import gaps, readback
from scripts.rehearsals.cloud import Cloud
from scripts.rehearsals.deployed import Account
from scripts.twin.deployment.reading import read
from tests.scripts.releases.accounts import Landing

POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"


@pytest.fixture(scope="module")
def account(emulated: Cloud, deployed: Landing) -> Account:
    return Account(aws=deployed.aws, cloud=emulated, session=deployed.session, environment=deployed.environment)


@pytest.fixture(scope="module")
def world(account: Account) -> World:
    return account.world()


def test_what_cannot_be_read_back_is_exactly_what_is_on_the_list(account: Account, world: World) -> None:
    given = readback.given(world)
    assert len(given) > 150
    assert gaps.wrong(readback.dropped(account, world), given) == []


def test_a_field_that_the_api_has_otherwise_is_found(account: Account, world: World) -> None:
    (group,) = (one for one in world.of("AWS::ElasticLoadBalancingV2::TargetGroup") if one.get("Port") == 8000)
    group.properties["HealthCheckPath"] = "/elsewhere"
    try:
        lost = readback.dropped(account, world)
    finally:
        group.properties["HealthCheckPath"] = "/healthz"
    (sentence,) = gaps.wrong(lost, readback.given(world))
    assert "TargetGroup HealthCheckPath was deployed and cannot be read back; it is not on the list" in sentence


def test_a_gap_that_is_none_any_more_is_found() -> None:
    (sentence,) = gaps.wrong(
        set(), {("AWS::S3::Bucket", "BucketEncryption"), ("AWS::S3::Bucket", "VersioningConfiguration")}
    )
    assert "AWS::S3::Bucket BucketEncryption is read back by now" in sentence


def test_every_type_on_the_list_is_in_some_template_and_says_so(world: World) -> None:
    assert {kind for kind in gaps.TYPES if not world.of(kind)} <= {
        "AWS::CloudFront::VpcOrigin",
        "AWS::EC2::SecurityGroupIngress",
    }
    assert len(list(gaps.lines())) == len(gaps.TYPES) + len(gaps.FIELDS)


def test_the_twin_gets_the_rules_that_the_api_has_and_they_are_those_of_the_templates(
    account: Account, world: World
) -> None:
    keys = account.keys()
    said, deployed = read(world, keys.environment()), account.deployment(keys)
    assert deployed.rules == said.rules
    assert [group.health for group in deployed.groups if group.kind == "ip"] == [
        group.health for group in said.groups if group.kind == "ip"
    ]
    assert json.loads(keys.values["SESSION_KEYS"]).keys() == {"k1"}


# --- the second opinion ---------------------------------------------------------------------------------------------


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.Session(aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1")


def test_moto_takes_the_deployed_rules_with_their_weights_and_no_priority_twice(
    account: Account, moto: boto3.Session
) -> None:
    deployment = account.deployment(account.keys())
    ec2, elbv2 = moto.client("ec2"), moto.client("elbv2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("ab")
    ]
    balancer = elbv2.create_load_balancer(Name="moto", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    fixed: Any = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "403", "ContentType": "text/plain"}}
    listener = elbv2.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[fixed])
    arn = listener["Listeners"][0]["ListenerArn"]
    groups = {group.arn: moto_group(elbv2, vpc, group) for group in deployment.groups}
    for rule in deployment.rules:
        if rule.priority is None:
            continue
        shares = [{"TargetGroupArn": groups[share.group], "Weight": share.weight} for share in rule.action.shares]
        actions: Any = [{"Type": "forward", "ForwardConfig": {"TargetGroups": shares}}]
        given: Any = {"Conditions": [condition(one) for one in rule.conditions], "Priority": rule.priority}
        made = elbv2.create_rule(ListenerArn=arn, Actions=actions, **given)["Rules"][0]
        assert made["Actions"][0]["ForwardConfig"]["TargetGroups"] == shares
        with pytest.raises(elbv2.exceptions.PriorityInUseException):
            elbv2.create_rule(ListenerArn=arn, Actions=actions, **given)


def moto_group(elbv2: Any, vpc: str, group: Any) -> str:
    more = {"Protocol": "HTTP", "Port": group.port, "VpcId": vpc} if group.kind == "ip" else {}
    made = elbv2.create_target_group(Name=group.name, TargetType=group.kind, **more)
    arn: str = made["TargetGroups"][0]["TargetGroupArn"]
    return arn


def condition(one: Any) -> dict[str, Any]:
    if one.field == "http-header":
        return {"Field": one.field, "HttpHeaderConfig": {"HttpHeaderName": one.header, "Values": list(one.values)}}
    return {"Field": one.field, "PathPatternConfig": {"Values": list(one.values)}}


def test_moto_takes_the_scaling_of_every_service(world: World, moto: boto3.Session) -> None:
    scaling = moto.client("application-autoscaling")
    assert len(world.of(TARGET)) == 3
    for target in world.of(TARGET):
        place: Any = {
            "ServiceNamespace": target.get("ServiceNamespace"),
            "ResourceId": f"service/tandem-dev/{target.stack.rpartition('-')[2]}",
            "ScalableDimension": target.get("ScalableDimension"),
        }
        bounds = {"MinCapacity": int(target.get("MinCapacity")), "MaxCapacity": int(target.get("MaxCapacity"))}
        service_there(moto, place["ResourceId"].rpartition("/")[2])
        scaling.register_scalable_target(**place, **bounds)
        policies = world.users(target, POLICY)
        assert len(policies) == 3
        for policy in policies:
            scaling.put_scaling_policy(
                PolicyName=str(policy.get("PolicyName")),
                PolicyType=policy.get("PolicyType"),
                **place,
                TargetTrackingScalingPolicyConfiguration=plain(policy.get("TargetTrackingScalingPolicyConfiguration")),
            )
        (kept,) = scaling.describe_scalable_targets(ServiceNamespace="ecs", ResourceIds=[place["ResourceId"]])[
            "ScalableTargets"
        ]
        assert {key: kept[key] for key in bounds} == bounds


def service_there(moto: boto3.Session, name: str) -> None:
    ecs = moto.client("ecs")
    ecs.create_cluster(clusterName="tandem-dev")
    ecs.register_task_definition(family=name, containerDefinitions=[{"name": name, "image": name, "memory": 64}])
    ecs.create_service(cluster="tandem-dev", serviceName=name, taskDefinition=name, desiredCount=1)


def plain(value: Any) -> Any:
    """With a text where only AWS knows the value."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) else "app/x/1/targetgroup/x/1"
