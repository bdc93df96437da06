"""Who may do what. Every star has its reason here."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from cfn.names import title
from cfn.operations import HANDLERS
from tests.cfn.rendered import Rendered, Resource

INLINE_LIMIT = 10_240  # characters of all inline policies of a role
# Statements that may name every resource, and why.
STARS = {
    "JoinTheNetwork": "EC2 knows no resource for the network interfaces of a function",
    "Look": "listing knows no resource; bound to the region, or to listing rules of groups",
    "SeeWhatRuns": "an image that anything in the account runs is in use; bound to the region",
    "RegistryToken": "the token is the account's, not a repository's",
    "SeeWeights": "describing rules and tags knows no resource; bound to the region",
    "SeeWhatIsLive": "listing knows no resource; bound to the region",
    "SendTraces": "X-Ray knows no resource to restrict these to",
}
HOST = "token.actions.githubusercontent.com"


def statements(role: Resource) -> Iterator[dict[str, Any]]:
    for policy in role.properties.get("Policies", ()):
        yield from policy["PolicyDocument"]["Statement"]


def roles(deployment: Rendered) -> dict[str, Resource]:
    return {f"{one.stack}/{one.title}": one for one in deployment.resources("AWS::IAM::Role")}


def test_no_action_is_a_bare_star(deployment: Rendered) -> None:
    for role in roles(deployment).values():
        for statement in statements(role):
            for action in statement["Action"]:
                service, _, verb = action.partition(":")
                assert service
                assert not verb.startswith("*"), f"{role.title} may {action}"


def test_every_resource_is_named_unless_there_is_a_reason(deployment: Rendered) -> None:
    used = set()
    for role in roles(deployment).values():
        for statement in statements(role):
            if "*" in statement["Resource"]:
                assert statement["Sid"] in STARS, f"{role.title}: {statement['Sid']}"
                if statement["Sid"] in {"Look", "SeeWeights", "SeeWhatIsLive"} and role.stack == "bootstrap":
                    assert statement["Condition"] == {"StringEquals": {"aws:RequestedRegion": {"Ref": "AWS::Region"}}}
                used.add(statement["Sid"])
    assert used == set(STARS)


def test_every_arn_takes_its_partition_and_account_from_the_deployment(deployment: Rendered) -> None:
    for stack in deployment.stacks:
        assert "arn:aws:" not in stack.body
        assert "000000000000:" not in stack.body


def test_roles_stay_below_what_iam_stores(deployment: Rendered) -> None:
    for role in roles(deployment).values():
        assert sum(len(str(statement)) for statement in statements(role)) < INLINE_LIMIT, role.title


def test_each_role_serves_one_master(deployment: Rendered) -> None:
    expected = {
        "bootstrap/BuilderRole": "cloudformation.amazonaws.com",
        "network/FlowLogRole": "vpc-flow-logs.amazonaws.com",
        "network/DefaultGroupRole": "lambda.amazonaws.com",
    }
    for service in deployment.environment.services:
        expected[f"{service.name}/TaskRole"] = expected[f"{service.name}/ExecutionRole"] = "ecs-tasks.amazonaws.com"
        expected[f"fallback/{service.name.capitalize()}FunctionRole"] = "lambda.amazonaws.com"
    for handler in HANDLERS:
        expected[f"ops/{title(handler.name)}Role"] = "lambda.amazonaws.com"
    if deployment.environment.database.monitoring:
        expected["data/MonitoringRole"] = "monitoring.rds.amazonaws.com"
    found = {}
    for name, role in roles(deployment).items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        if "Service" in trust["Principal"]:
            found[name] = trust["Principal"]["Service"]
    assert found == expected


def test_the_service_itself_may_only_send_traces(deployment: Rendered) -> None:
    for service in deployment.environment.services:
        (statement,) = statements(roles(deployment)[f"{service.name}/TaskRole"])
        assert all(action.startswith("xray:") for action in statement["Action"])


@pytest.mark.parametrize(("title", "subject"), [("DeployRole", "environment:dev"), ("PlanRole", "pull_request")])
def test_workflows_are_those_of_one_repository(dev: Rendered, title: str, subject: str) -> None:
    (trust,) = dev.titled("bootstrap", title)["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    claims = trust["Condition"]["StringEquals"]
    assert claims[f"{HOST}:aud"] == "sts.amazonaws.com"
    assert claims[f"{HOST}:sub"]["Fn::Sub"][0] == f"repo:${{Repository}}:{subject}"
    assert list(trust["Condition"]) == ["StringEquals"]


def test_a_pull_request_only_looks(deployment: Rendered) -> None:
    actions = [action for one in statements(roles(deployment)["bootstrap/PlanRole"]) for action in one["Action"]]
    assert actions
    assert all(action.split(":")[1].startswith(("Describe", "Get", "List")) for action in actions)


def test_a_deployment_hands_only_our_builder_to_only_cloudformation(deployment: Rendered) -> None:
    passing = [one for one in statements(roles(deployment)["bootstrap/DeployRole"]) if "iam:PassRole" in one["Action"]]
    (statement,) = passing
    assert statement["Resource"] == [{"Fn::GetAtt": ["BuilderRole", "Arn"]}]
    assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}}


def test_the_builder_touches_only_roles_of_this_environment(deployment: Rendered) -> None:
    own = f"role/tandem-{deployment.environment.name}-*"
    for statement in statements(roles(deployment)["bootstrap/BuilderRole"]):
        for action in statement["Action"]:
            if action.startswith("iam:") and action != "iam:CreateServiceLinkedRole":
                assert all(one["Fn::Sub"].endswith(own) for one in statement["Resource"])
            if action == "iam:PassRole":
                assert statement["Condition"]["StringEquals"]["iam:PassedToService"]


def test_the_builder_may_make_every_kind_of_resource_that_the_templates_hold(deployment: Rendered) -> None:
    """By service: a new kind of resource needs a line in the builder's table."""
    prefixes = {
        "ApplicationAutoScaling": "application-autoscaling",
        "ElasticLoadBalancingV2": "elasticloadbalancing",
    }
    builder = roles(deployment)["bootstrap/BuilderRole"]
    looking = ("Describe", "Get", "List")
    actions = [
        action
        for one in statements(builder)
        for action in one["Action"]
        if not action.split(":")[1].startswith(looking)
    ]
    for one in deployment.resources():
        _, service, _ = one.type.split("::")
        if one.stack == "bootstrap" or service == "CloudFormation":
            continue
        prefix = prefixes.get(service, service.lower())
        assert any(fnmatchcase(action, f"{prefix}:*") for action in actions), one.type


def test_the_key_works_for_this_account_and_its_publishers_only(deployment: Rendered) -> None:
    for statement in deployment.only("AWS::KMS::Key")["KeyPolicy"]["Statement"]:
        assert "kms:*" not in statement["Action"]
        principal = statement["Principal"]
        if "Service" in principal:
            assert statement["Condition"]
        else:
            assert principal == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
