"""The controller over clients of botocore: what it asks, what it writes, and what it does when AWS or Slack fails."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib import controller, rules
from chalicelib.failover import Note, Runtime
from chalicelib.messages import Message
from tests.chalice_app.balancing import (
    ALONE,
    CONFIG,
    DATABASE,
    ERRORS,
    FIRST,
    FUNCTIONS,
    OWN_TAG,
    PRODUCT,
    SECOND,
    Alarms,
    Balancer,
    Functions,
)
from tests.chalice_app.calls import CALLS
from tests.chalice_app.stage import NOON, Stage
from tests.chalice_app.wire import Refused, Wire

LONG_AGO = NOON - timedelta(hours=1)


class World:
    """A service that is well, until a test says otherwise."""

    def __init__(self) -> None:
        self.balancer, self.functions = Balancer(), Functions()
        self.alarms = Alarms(dict.fromkeys((ALONE, ERRORS, DATABASE), ("OK", LONG_AGO)))
        self.wire = Wire({"elbv2": self.balancer, "cloudwatch": self.alarms, "lambda": self.functions})
        self.stage = Stage(CONFIG, self.wire.client)

    def run(self, *, by_alarm: bool = False) -> str:
        """What became of the product service: moved, or why not."""
        (service,) = controller.run(self.stage.operations, by_alarm=by_alarm)["services"]
        return "moved" if service["moved"] else str(service["why"])

    def fail(self) -> None:
        self.alarms.set(ALONE, "ALARM", self.stage.now)
        self.balancer.targets = ["unhealthy", "draining"]

    def recover(self) -> None:
        self.alarms.set(ALONE, "OK", self.stage.now)
        self.balancer.targets = ["healthy", "healthy"]

    def set_weights(self, *weights: int) -> None:
        self.balancer.weights = {arn: list(weights) for arn in (FIRST, SECOND)}


@pytest.fixture
def world() -> World:
    return World()


def test_there_and_back_again(world: World) -> None:
    assert world.run() == "settled"
    world.fail()
    assert world.run(by_alarm=True) == "moved"
    assert world.balancer.weights == {FIRST: [0, 100], SECOND: [0, 100]}
    assert world.balancer.tags[SECOND] == OWN_TAG | {
        rules.RUNTIME: "lambda",
        rules.SINCE: "2026-06-01T12:00:00Z",
        rules.REASON: f"alarm {ALONE}",
    }
    world.stage.wait(minutes=6)
    world.recover()
    for _ in range(4):
        assert world.run() == "waiting-for-ok"
        world.stage.wait(minutes=1)
    world.stage.wait(minutes=1)
    assert world.run() == "moved"
    assert world.balancer.weights == {FIRST: [100, 0], SECOND: [100, 0]}
    assert [message.title for message in world.stage.told] == [
        "product is answered by Lambda",
        "product is answered by its containers",
    ]
    assert world.stage.counted["FailoverMoves(service=product)"] == 2
    assert world.wire.actions == CALLS["failover"] - {"elasticloadbalancing:RemoveTags"}


def test_one_write_for_each_rule_and_none_for_the_same_event_again(world: World) -> None:
    world.fail()
    world.run(by_alarm=True)
    written = [name for name, _ in world.balancer.writes]
    assert written == ["add_tags", "modify_rule", "modify_rule"]
    assert world.run(by_alarm=True) == world.run() == "waiting-for-ok"
    assert len(world.balancer.writes) == 3
    assert len(world.stage.told) == 1


def test_the_probe_asks_for_readiness_as_the_load_balancer_asks_for_health(world: World) -> None:
    world.fail()
    world.run()
    (event,) = world.functions.events
    assert (event["httpMethod"], event["path"]) == ("GET", "/readyz")
    assert event["requestContext"]["elb"]["targetGroupArn"] == FUNCTIONS
    assert event["multiValueHeaders"] == {"user-agent": ["ELB-HealthChecker/2.0"]}


@pytest.mark.parametrize(
    "answer",
    [503, None, "200", b"", b"[]", b"\xff", Refused("TooManyRequestsException"), TimeoutError("too slow")],
    ids=str,
)
def test_a_fallback_that_does_not_answer_gets_no_traffic(world: World, answer: object) -> None:
    world.fail()
    world.functions.answer = answer
    assert world.run(by_alarm=True) == "fallback-unhealthy"
    assert world.balancer.writes == []
    assert world.stage.counted["FailoverRefused(reason=fallback-unhealthy,service=product)"] == 1
    assert world.stage.told[0].fields["The fallback said"]


@pytest.mark.parametrize(
    ("checks", "outcome"),
    [
        ({"database": False}, "fallback-unhealthy"),
        ({"database": False, "product": False}, "fallback-unhealthy"),
        ({"database": "yes"}, "fallback-unhealthy"),
        ({"database": True, "product": False}, "moved"),
        ({"product": False, "order": True}, "moved"),
        ({}, "fallback-unhealthy"),
        (["database"], "fallback-unhealthy"),
    ],
    ids=str,
)
def test_a_fallback_without_its_database_gets_no_traffic_and_one_without_a_neighbour_does(
    world: World, checks: object, outcome: str
) -> None:
    world.fail()
    world.functions.answer = json.dumps({"statusCode": 503, "body": json.dumps({"checks": checks})}).encode()
    assert world.run() == outcome


def test_a_function_error_is_no_answer_whatever_its_payload(world: World) -> None:
    world.fail()
    world.functions.error = "Unhandled"
    assert world.run() == "fallback-unhealthy"


def test_a_refusal_is_told_when_an_alarm_comes_and_not_by_the_clock(world: World) -> None:
    world.fail()
    world.alarms.set(DATABASE, "ALARM", world.stage.now)
    for _ in range(3):
        assert world.run() == "database"
    assert world.stage.told == []
    world.run(by_alarm=True)
    assert [message.title for message in world.stage.told] == ["product stays where it is"]
    assert world.functions.events == []


def test_a_rule_that_fails_is_moved_by_the_next_run(world: World) -> None:
    world.fail()
    world.balancer.failures = {"modify_rule": {1}}
    with pytest.raises(controller.ControlFailed, match="Throttling"):
        world.run(by_alarm=True)
    assert world.balancer.weights == {FIRST: [100, 0], SECOND: [0, 100]}
    assert world.stage.counted["FailoverFailed"] == 1
    world.stage.wait(minutes=1)
    assert world.run() == "moved"
    assert world.balancer.weights == {FIRST: [0, 100], SECOND: [0, 100]}
    assert world.balancer.tags[FIRST][rules.SINCE] == "2026-06-01T12:00:00Z"


def test_without_a_note_nothing_moves(world: World) -> None:
    world.fail()
    world.balancer.failures = {"add_tags": {1}}
    with pytest.raises(controller.ControlFailed):
        world.run()
    assert world.balancer.weights[FIRST] == [100, 0]
    assert world.run() == "moved"


def test_a_slack_that_fails_neither_stops_nor_hides_the_move(world: World) -> None:
    world.fail()
    world.stage.slack = TimeoutError("Slack is away")
    assert world.run(by_alarm=True) == "moved"
    assert world.balancer.weights[FIRST] == [0, 100]
    assert world.stage.counted["AnnouncementFailed"] == 1
    assert world.stage.counted["FailoverMoves(service=product)"] == 1


def test_slack_is_told_after_every_service_has_been_moved(world: World) -> None:
    world.fail()
    two = {"product": replace(PRODUCT, rules=(FIRST,)), "order": replace(PRODUCT, rules=(SECOND,))}
    world.stage.config = replace(CONFIG, failover=two)
    seen: list[tuple[list[int], ...]] = []

    def slow_slack(_: Message) -> None:
        seen.append(tuple(world.balancer.weights.values()))

    controller.run(replace(world.stage.operations, announce=slow_slack))
    assert seen == [([0, 100], [0, 100])] * 2


def test_a_service_that_cannot_be_read_does_not_keep_the_others_back(world: World) -> None:
    world.fail()
    gone = replace(PRODUCT, rules=(f"{FIRST}-gone",))
    world.stage.config = replace(CONFIG, failover={"order": gone, "product": PRODUCT})
    with pytest.raises(controller.ControlFailed, match="order: Unsuitable: There is no rule"):
        controller.run(world.stage.operations)
    assert world.balancer.weights[FIRST] == [0, 100]
    assert world.stage.told


def test_a_hold_set_while_the_fallback_is_asked_is_respected(world: World) -> None:
    world.fail()
    asked = world.functions.invoke

    def hold_meanwhile(**given: object) -> object:
        world.balancer.tags[SECOND][rules.HOLD] = "manual"
        return asked(**given)  # type: ignore[arg-type] # passed on as it came

    world.functions.invoke = hold_meanwhile  # type: ignore[method-assign,assignment] # somebody is faster
    assert world.run(by_alarm=True) == "held"
    assert world.balancer.writes == []


@pytest.mark.parametrize(
    "hold", ["manual", "until 2026-06-01T12:00:01Z", "until 2026-06-01T14:00:01+02:00", "until tea"]
)
def test_a_hold_wins_over_alarms_and_over_what_a_deployment_left(world: World, hold: str) -> None:
    world.fail()
    world.balancer.weights[FIRST] = [50, 50]
    world.balancer.tags[FIRST] = {rules.RUNTIME: "lambda", rules.HOLD: hold}
    assert world.run(by_alarm=True) == "held"
    assert world.balancer.writes == []


def test_a_hold_that_is_over_is_taken_off_with_the_next_move(world: World) -> None:
    world.fail()
    world.balancer.tags[FIRST] = {rules.HOLD: "until 2026-06-01T11:59:59Z"}
    assert world.run() == "moved"
    assert rules.HOLD not in world.balancer.tags[FIRST]
    assert "elasticloadbalancing:RemoveTags" in world.wire.actions


def test_an_alarm_that_does_not_exist_moves_nothing_and_vouches_for_nothing(world: World) -> None:
    del world.alarms.states[ERRORS]
    assert world.run() == "settled"
    world.set_weights(0, 100)
    world.balancer.tags[FIRST] = {rules.RUNTIME: "lambda", rules.SINCE: "2026-06-01T08:00:00Z"}
    assert world.run() == "waiting-for-ok"


def test_alarms_that_cannot_be_read_end_the_run_before_anything_moves(world: World) -> None:
    world.fail()
    world.wire.broken = {"cloudwatch:DescribeAlarms"}
    with pytest.raises(Refused):
        world.run()
    assert world.balancer.writes == []


def test_a_service_in_alarm_comes_first(world: World) -> None:
    world.fail()
    calm = replace(PRODUCT, rules=(SECOND,), alarms=(ERRORS,))
    world.stage.config = replace(CONFIG, failover={"order": calm, "product": replace(PRODUCT, rules=(FIRST,))})
    report = controller.run(world.stage.operations)
    assert [one["service"] for one in report["services"]] == ["product", "order"]


def test_other_actions_other_groups_and_stickiness_stay_as_they_are() -> None:
    third = {"TargetGroupArn": "third", "Weight": 7}
    login = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"ClientId": "c", "Issuer": "i"}}
    forward = {
        "Type": "forward",
        "Order": 2,
        "TargetGroupArn": "one",
        "ForwardConfig": {
            "TargetGroups": [{"TargetGroupArn": "one", "Weight": 100}, {"TargetGroupArn": "two", "Weight": 0}, third],
            "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 60},
        },
    }
    first, second = rules.shifted([login, forward], rules.Groups("one", "two"), Runtime.LAMBDA)
    assert first["AuthenticateOidcConfig"] == {"ClientId": "c", "Issuer": "i", "UseExistingClientSecret": True}
    assert second["ForwardConfig"]["TargetGroups"] == [
        {"TargetGroupArn": "one", "Weight": 0},
        {"TargetGroupArn": "two", "Weight": 100},
        third,
    ]
    assert second["ForwardConfig"]["TargetGroupStickinessConfig"] == {"Enabled": True, "DurationSeconds": 60}
    assert "TargetGroupArn" not in second


def test_a_reason_becomes_a_tag_that_aws_takes(world: World) -> None:
    live = rules.read(world.wire.client("elbv2"), (FIRST,), rules.Groups(PRODUCT.fargate, PRODUCT.fallback))
    rules.write(world.wire.client("elbv2"), live, Note(Runtime.LAMBDA, NOON, 'no "good" <reason>, ' + "x" * 300))
    reason = world.balancer.tags[FIRST][rules.REASON]
    assert reason.startswith("no  good   reason   xxx")
    assert len(reason) <= 256


@mock_aws
def test_the_same_on_a_load_balancer_that_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto keeps rules, weights and tags as AWS does; its targets are always well, and its alarms have no times."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    elbv2: Any = boto3.client("elbv2", region_name="us-east-1")
    ec2 = boto3.client("ec2", region_name="us-east-1")
    subnets = [one["SubnetId"] for one in ec2.describe_subnets()["Subnets"][:2]]
    balancer = elbv2.create_load_balancer(Name="tandem-dev", Subnets=subnets)["LoadBalancers"][0]["LoadBalancerArn"]
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    ip = {"TargetType": "ip", "Protocol": "HTTP", "Port": 8000, "VpcId": vpc}
    containers = elbv2.create_target_group(Name="one", **ip)["TargetGroups"][0]["TargetGroupArn"]
    functions = elbv2.create_target_group(Name="two", TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    groups = [{"TargetGroupArn": containers, "Weight": 100}, {"TargetGroupArn": functions, "Weight": 0}]
    refusal = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "403"}}
    listener = elbv2.create_listener(LoadBalancerArn=balancer, Protocol="HTTP", Port=80, DefaultActions=[refusal])[
        "Listeners"
    ][0]["ListenerArn"]
    arns = [
        elbv2.create_rule(
            ListenerArn=listener,
            Priority=number,
            Conditions=[{"Field": "path-pattern", "Values": [path]}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
        )["Rules"][0]["RuleArn"]
        for number, path in enumerate(("/products", "/products/*"), 1)
    ]
    pair = rules.Groups(containers, functions)
    rules.move(elbv2, rules.read(elbv2, arns, pair), pair, Note(Runtime.LAMBDA, NOON, "a test"), arns)
    moved = rules.read(elbv2, arns, pair)
    assert [(one.rule.fargate, one.rule.fallback) for one in moved] == [(0, 100), (0, 100)]
    assert {one.rule.note for one in moved} == {Note(Runtime.LAMBDA, NOON, "a test")}
    described = elbv2.describe_rules(RuleArns=arns)["Rules"]
    assert [rule["Conditions"][0]["Values"] for rule in described] == [["/products"], ["/products/*"]]
