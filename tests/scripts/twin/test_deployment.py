"""What the templates say, as the twin reads it, and what it refuses."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cfn.doctor.expectations import Expectations
from cfn.doctor.graph import Stack, World
from cfn.environments import LOCAL, SERVICES
from cfn.stacks import render
from scripts.twin.deployment.file import load, save
from scripts.twin.deployment.limits import Refused, check
from scripts.twin.deployment.local import Split, local_deployment
from scripts.twin.deployment.reading import read
from scripts.twin.deployment.values import (
    Action,
    Condition,
    Deployment,
    FixedResponse,
    HealthCheck,
    Rule,
    Share,
    TargetGroup,
)
from tests.scripts.twin.deployments import SECRET, group_of, local, with_attributes, with_group

Bodies = dict[str, dict[str, Any]]
SECRETS = {"ORIGIN_SECRET": SECRET}


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    return {stack.row.name: stack.body for stack in render(LOCAL)}


@pytest.fixture
def bodies(rendered: dict[str, str]) -> Bodies:
    """The templates, to be changed by a test."""
    return {name: json.loads(body) for name, body in rendered.items()}


def deployed(bodies: Bodies) -> Deployment:
    stacks = [
        Stack(f"tandem-local-{name}", body, {key: one["Default"] for key, one in body.get("Parameters", {}).items()})
        for name, body in bodies.items()
    ]
    return read(World(stacks, Expectations(environment="local")), SECRETS)


def properties(bodies: Bodies, stack: str, resource: str) -> dict[str, Any]:
    found: dict[str, Any] = bodies[stack]["Resources"][resource]["Properties"]
    return found


# --- reading --------------------------------------------------------------------------------------------------------


def test_every_service_is_there_with_its_rule_both_groups_task_and_function() -> None:
    deployment = local()
    for service in SERVICES:
        (rule,) = deployment.rules_of(service.name)
        task, function = deployment.task(service.name), deployment.function(service.name)
        fargate, fallback = (group_of(deployment, service.name, runtime) for runtime in ("fargate", "lambda"))
        assert (rule.priority, rule.conditions[0].values) == (service.priority, service.patterns)
        assert (task.command, task.port, task.group) == (service.command, service.port, fargate.arn)
        assert (task.health_path, fargate.health.path, fargate.port) == ("/healthz", "/healthz", service.port)
        assert (function.handler, fallback.functions) == (service.handler, (function.arn,))
        assert (function.timeout, function.memory, function.concurrency) == (28, 1024, 10)
        assert (fargate.deregistration_delay, fargate.counts_outstanding) == (20, True)
        assert (fallback.multi_value_headers, fallback.health.enabled) == (True, False)
        assert "SERVICE_KEYS" in task.secrets


def test_the_last_rule_is_the_default_and_the_secret_is_the_one_that_cloudfront_sends() -> None:
    deployment = local()
    assert [rule.priority for rule in deployment.rules] == [10, 20, 1000, None]
    assert deployment.rules[-1].action.fixed == FixedResponse(status=403, body="Come through the front door.")
    assert deployment.front_headers == {"X-Origin-Verify": SECRET}
    wanted = Condition(field="http-header", header="X-Origin-Verify", values=(SECRET,))
    assert all(wanted in rule.conditions for rule in deployment.rules[:-1])


def test_arns_have_the_form_of_aws_and_stay_the_same() -> None:
    deployment, again = local(), local_deployment(SECRETS)
    assert deployment == again
    account = r"arn:aws:elasticloadbalancing:us-east-1:\d{12}"
    assert re.fullmatch(account + r":listener-rule/app/tandem-local(/[0-9a-f]{16}){3}", deployment.rules[0].arn)
    assert re.fullmatch(account + r":listener/app/tandem-local(/[0-9a-f]{16}){2}", deployment.listener)
    assert re.fullmatch(account + r":targetgroup/tandem-local-product/[0-9a-f]{16}", deployment.task("product").group)
    assert deployment.function("order").arn == "arn:aws:lambda:us-east-1:000000000000:function:tandem-local-order"


def test_weights_are_the_parameters_of_the_services_own_stack() -> None:
    deployment = local_deployment(SECRETS, weights={"product": Split(0, 100)})
    weights = {rule.service: [share.weight for share in rule.action.shares] for rule in deployment.rules}
    assert weights == {"product": [0, 100], "order": [100, 0], "frontend": [100, 0], "": []}
    held = {rule.service for rule in deployment.rules if "tandem:failover-hold" in rule.tags}
    assert held == {"product"}


def test_demo_data_is_what_the_template_says() -> None:
    for seed, text in ((True, "true"), (False, "false")):
        deployment = local_deployment(SECRETS, seed_demo=seed)
        assert deployment.task("product").settings.values["SEED_DEMO"] == text


def test_what_breaks_in_a_template_breaks_here(bodies: Bodies) -> None:
    properties(bodies, "product", "Rule")["Conditions"][0]["PathPatternConfig"]["Values"] = ["/produkte"]
    properties(bodies, "product", "Rule")["Priority"] = 5
    properties(bodies, "product", "TargetGroup")["HealthCheckPath"] = "/up"
    properties(bodies, "product", "TargetGroup")["Matcher"] = {"HttpCode": "200-299"}
    container = properties(bodies, "order", "TaskDefinition")["ContainerDefinitions"][1]
    container["Command"] = ["python", "-m", "nothing"]
    container["Environment"].append({"Name": "NEW", "Value": {"Fn::Sub": "in ${AWS::Region}"}})
    deployment = deployed(bodies)
    assert deployment.rules[0].conditions[0].values == ("/produkte",)
    assert (deployment.rules[0].priority, deployment.task("product").health_path) == (5, "/up")
    assert group_of(deployment, "product", "fargate").health.codes == "200-299"
    assert deployment.task("order").command == ("python", "-m", "nothing")
    assert deployment.task("order").settings.values["NEW"] == "in us-east-1"


def test_a_front_door_that_sends_nothing_is_one_that_nobody_gets_through(bodies: Bodies) -> None:
    distribution = properties(bodies, "cdn", "Distribution")["DistributionConfig"]
    for origin in distribution["Origins"]:
        origin.pop("OriginCustomHeaders", None)
    assert deployed(bodies).front_headers == {}


def remove(bodies: Bodies) -> None:
    del bodies["product"]["Resources"]["TargetGroup"]


def compare_with_another_secret(bodies: Bodies) -> None:
    condition = properties(bodies, "product", "Rule")["Conditions"][1]
    condition["HttpHeaderConfig"]["Values"] = ["{{resolve:secretsmanager:arn:aws:secretsmanager:x:SecretString}}"]


def redirect(bodies: Bodies) -> None:
    properties(bodies, "product", "Rule")["Actions"] = [{"Type": "redirect", "RedirectConfig": {"Port": "443"}}]


def authenticate_first(bodies: Bodies) -> None:
    properties(bodies, "product", "Rule")["Actions"].insert(0, {"Type": "authenticate-oidc"})


def stick(bodies: Bodies) -> None:
    forward = properties(bodies, "product", "Rule")["Actions"][0]["ForwardConfig"]
    forward["TargetGroupStickinessConfig"] = {"Enabled": True, "DurationSeconds": 60}


def look_at_the_query(bodies: Bodies) -> None:
    condition = {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "a", "Value": "b"}]}}
    properties(bodies, "product", "Rule")["Conditions"].append(condition)


def two_functions(bodies: Bodies) -> None:
    targets = properties(bodies, "fallback", "ProductFunctionGroup")["Targets"]
    targets.append({"Id": {"Fn::GetAtt": ["OrderFunction", "Arn"]}})


def weight_of_1000(bodies: Bodies) -> None:
    bodies["product"]["Parameters"]["FargateWeight"]["Default"] = 1000


def compare_with_an_address(bodies: Bodies) -> None:
    condition = properties(bodies, "product", "Rule")["Conditions"][1]
    condition["HttpHeaderConfig"]["Values"] = [{"Fn::ImportValue": "tandem-local-data:DataHost"}]


def compare_with_nothing(bodies: Bodies) -> None:
    del properties(bodies, "product", "Rule")["Conditions"][1]["HttpHeaderConfig"]["Values"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (compare_with_an_address, "which only AWS has"),
        (compare_with_nothing, "condition on http-header without values"),
        (remove, "does not resolve"),
        (compare_with_another_secret, "which no service sends"),
        (redirect, "cannot act out 'redirect'"),
        (authenticate_first, "has one action, not 2"),
        (stick, "stickiness"),
        (look_at_the_query, "query-string"),
        (two_functions, "can have one function, not 2"),
        (weight_of_1000, "A weight is 0 to 999, not 1000"),
    ],
)
def test_what_aws_would_refuse_or_the_twin_cannot_do_is_said(
    bodies: Bodies, change: Callable[[Bodies], None], sentence: str
) -> None:
    change(bodies)
    with pytest.raises(Refused, match=sentence):
        deployed(bodies)


def test_a_file_gives_back_what_was_saved_and_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "deployment.json"
    save(local(), file)
    assert load(file) == local()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["deployment.json"]


# --- limits ---------------------------------------------------------------------------------------------------------
# "Quotas for your Application Load Balancers" unless a case names another page of the documentation.


def rule_with(*conditions: Condition, priority: int | None = 1, **more: Any) -> Rule:
    return Rule(
        arn="r", priority=priority, conditions=conditions, action=Action(fixed=FixedResponse(status=404)), **more
    )


def paths(*values: str) -> Condition:
    return Condition(field="path-pattern", values=values)


def with_rule(rule: Rule) -> Deployment:
    return replace(local(), rules=(rule, local().rules[-1]))


def with_shares(*shares: Share) -> Deployment:
    return with_rule(replace(rule_with(paths("/")), action=Action(shares=shares)))


def fixed(**members: Any) -> Deployment:
    return with_rule(replace(rule_with(paths("/")), action=Action(fixed=FixedResponse(**members))))


def groups(count: int) -> Deployment:
    made = tuple(TargetGroup(arn=str(n), name=f"g{n}", kind="ip", port=1) for n in range(count))
    return replace(local(), groups=made, rules=local().rules[-1:])


def checked_by(**members: Any) -> Deployment:
    health = HealthCheck(**{"interval": 30, "timeout": 5, "healthy": 5, "unhealthy": 2, **members})
    return local().with_group(replace(group_of(local(), "product", "fargate"), health=health))


def named(name: str) -> Deployment:
    return local().with_group(replace(group_of(local(), "product", "fargate"), name=name))


def a_group(weight: int = 1) -> Share:
    return Share(group=group_of(local(), "product", "fargate").arn, weight=weight)


GOOD: dict[str, Callable[[], Deployment]] = {
    "a pattern of 128 characters": lambda: with_rule(rule_with(paths("/" + "x" * 127))),
    "five values": lambda: with_rule(
        rule_with(paths("/1", "/2", "/3"), replace(paths("GET", "PUT"), field="http-request-method"))
    ),
    "five wildcards": lambda: with_rule(rule_with(paths("/*/?", "/*", "/??"))),
    "the last priority": lambda: with_rule(rule_with(paths("/"), priority=50_000)),
    "the heaviest weight": lambda: with_shares(a_group(999)),
    "five groups": lambda: with_shares(*(Share(group=group.arn) for group in local().groups[:5])),
    "a hundred groups": lambda: groups(100),
    "a message of 1024": lambda: fixed(status=503, body="x" * 1024),
    "the quickest check": lambda: checked_by(interval=5, timeout=2, healthy=2, unhealthy=10),
    "some codes": lambda: checked_by(codes="200,202-204"),
    "a name of 32": lambda: named("n" * 32),
}
BAD: dict[str, Callable[[], Deployment]] = {
    "a pattern of 129 characters": lambda: with_rule(rule_with(paths("/" + "x" * 128))),
    "an empty pattern": lambda: with_rule(rule_with(paths(""))),
    "six values": lambda: with_rule(rule_with(paths("/1", "/2", "/3"), paths("/4", "/5", "/6"))),
    "six wildcards": lambda: with_rule(rule_with(paths("/*/?", "/*", "/???"))),
    "no condition": lambda: with_rule(rule_with()),
    "a condition without values": lambda: with_rule(rule_with(paths())),
    "priority 0": lambda: with_rule(rule_with(paths("/"), priority=0)),
    "priority 50001": lambda: with_rule(rule_with(paths("/"), priority=50_001)),
    "a priority twice": lambda: replace(
        local(), rules=(rule_with(paths("/")), rule_with(paths("/")), local().rules[-1])
    ),
    "a header name of 41": lambda: with_rule(rule_with(Condition(field="http-header", header="h" * 41, values=("v",)))),
    "a hundred and one rules": lambda: replace(
        local(), rules=(*(rule_with(paths("/"), priority=n) for n in range(1, 102)), local().rules[-1])
    ),
    "a hundred and one groups": lambda: groups(101),
    "a weight of 1000": lambda: with_shares(a_group(1000)),
    "a weight of -1": lambda: with_shares(a_group(-1)),
    "six groups": lambda: with_shares(*(Share(group=group.arn) for group in local().groups)),
    "no group": with_shares,
    "a group twice": lambda: with_shares(a_group(), a_group()),
    "a group that is not there": lambda: with_shares(Share(group="nobody")),
    # "Fixed-response actions": 2XX, 4XX or 5XX; FixedResponseActionConfig: 1024 characters.
    "a fixed redirect": lambda: fixed(status=302),
    "a message of 1025": lambda: fixed(status=503, body="x" * 1025),
    # "Health checks for Application Load Balancer target groups".
    "an interval of 4": lambda: checked_by(interval=4, timeout=2),
    "an interval of 301": lambda: checked_by(interval=301),
    "a timeout of 1": lambda: checked_by(timeout=1),
    "a timeout as long as the interval": lambda: checked_by(interval=10, timeout=10),
    "a threshold of 1": lambda: checked_by(healthy=1),
    "a threshold of 11": lambda: checked_by(unhealthy=11),
    "a path without slash": lambda: checked_by(path="up"),
    "no code": lambda: checked_by(codes="fine"),
    # CreateTargetGroup: at most 32 characters, letters, digits, hyphens, none of them at an end.
    "a name of 33": lambda: named("n" * 33),
    "a name with a hyphen in front": lambda: named("-n"),
    "two of a name": lambda: named("tandem-local-order"),
    # "Target group health": not supported where targets are functions.
    "health thresholds of functions": lambda: with_group(
        local(), "product", "lambda", {"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1"}
    ),
    # "Edit target group attributes": lambda.multi_value_headers.enabled is for functions, the delay for the others.
    "multi-value headers of addresses": lambda: with_group(
        local(), "product", "fargate", {"lambda.multi_value_headers.enabled": "true"}
    ),
    "a delay of functions": lambda: with_group(
        local(), "product", "lambda", {"deregistration_delay.timeout_seconds": "5"}
    ),
    "a delay of 3601": lambda: with_group(
        local(), "product", "fargate", {"deregistration_delay.timeout_seconds": "3601"}
    ),
    # What AWS has and the twin does not act out.
    "sticky sessions": lambda: with_group(local(), "product", "fargate", {"stickiness.enabled": "true"}),
    "slow start": lambda: with_group(local(), "product", "fargate", {"slow_start.duration_seconds": "30"}),
    "random routing": lambda: with_group(
        local(), "product", "fargate", {"load_balancing.algorithm.type": "weighted_random"}
    ),
    "forwarded headers preserved": lambda: with_attributes(
        local(), {"routing.http.xff_header_processing.mode": "preserve"}
    ),
    "an unknown attribute": lambda: with_attributes(local(), {"routing.http.something.enabled": "true"}),
    "targets by instance": lambda: local().with_group(
        replace(group_of(local(), "product", "fargate"), kind="instance")
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_within_the_limits_is_taken(name: str) -> None:
    check(GOOD[name]())


@pytest.mark.parametrize("name", BAD)
def test_what_is_beyond_a_limit_is_refused(name: str) -> None:
    deployment = BAD[name]()
    with pytest.raises(Refused):
        check(deployment)
