"""Rules that no small change of the rendered templates makes speak, each on a few lines written by hand."""

from typing import Any

import pytest

from cfn.doctor.expectations import ENVIRONMENTS
from cfn.doctor.findings import Finding
from cfn.doctor.graph import Stack, World
from cfn.doctor.rules import AREAS, RULES
from tests.cfn.doctor.defects import Templates, twin
from tests.cfn.doctor.deployments import small, stacks_of
from tests.cfn.rendered import Rendered

GITHUB = {
    "Effect": "Allow",
    "Principal": {"Federated": {"Ref": "Provider"}},
    "Condition": {"StringEquals": {"token.actions.githubusercontent.com:sub": "repo:a/b:pull_request"}},
}
LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}


def test_no_rule_takes_the_place_of_another() -> None:
    assert len(RULES) == sum(len(area.rule.rules) for area in AREAS)


def asked(rule: str, stack: Stack) -> list[Finding]:
    return list(RULES[rule].findings(World([stack], ENVIRONMENTS["dev"])))


def role(statement: dict[str, Any], action: str) -> dict[str, Any]:
    policy = {"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": [action], "Resource": "*"}]}}
    trust = {"Statement": [statement | {"Action": "sts:AssumeRole"}]}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust, "Policies": [policy]}}


@pytest.mark.parametrize(("action", "count"), [("cloudformation:ExecuteChangeSet", 1), ("s3:GetObject", 0)])
def test_a_pull_request_may_not_deploy(action: str, count: int) -> None:
    resources = {"Provider": {"Type": "AWS::IAM::OIDCProvider"}, "Role": role(GITHUB, action)}
    assert len(asked("TND-CIC-03", small(resources))) == count


@pytest.mark.parametrize(("user", "count"), [({"MasterUsername": "admin"}, 1), ({}, 0)])
def test_a_replica_has_no_user_of_its_own(user: dict[str, Any], count: int) -> None:
    replica = {"SourceDBInstanceIdentifier": {"Ref": "Source"}, **user}
    kind = "AWS::RDS::DBInstance"
    resources = {"Source": {"Type": kind}, "Replica": {"Type": kind, "Properties": replica}}
    assert len(asked("TND-DAT-12", small(resources))) == count


@pytest.mark.parametrize(("value", "count"), [({"Ref": "Db"}, 1), ({"Fn::GetAtt": ["Db", "Endpoint.Address"]}, 0)])
def test_the_host_of_the_database_is_its_endpoint(value: Any, count: int) -> None:
    function = {"Environment": {"Variables": {"DATABASE_HOST": value}}}
    resources = {
        "Db": {"Type": "AWS::RDS::DBInstance"},
        "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
    }
    assert len(asked("TND-DAT-13", small(resources))) == count


@pytest.mark.parametrize(("action", "count"), [("xray:PutTraceSegments", 1), ("logs:*", 0)])
def test_a_function_may_write_its_log(action: str, count: int) -> None:
    function = {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}}
    assert len(asked("TND-IAM-09", small({"Function": function, "Role": role(LAMBDA, action)}))) == count


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [("TND-FBK-04", "Timeout", 600), ("TND-FBK-05", "ReservedConcurrentExecutions", 101)],
)
def test_fallbacks_give_up_in_time_and_spare_the_database(rule: str, name: str, value: int, dev: Rendered) -> None:
    templates = Templates(stacks_of(dev))
    assert not list(RULES[rule].findings(World(templates.stacks, ENVIRONMENTS["dev"])))
    twin(templates)[name] = value
    assert list(RULES[rule].findings(World(templates.stacks, ENVIRONMENTS["dev"])))


@pytest.mark.parametrize(
    ("rules", "count"),
    [
        ('[{"path":"/a*","rate":0},{"path":"*","rate":0.1}]', 0),
        ('[{"path":"*","reservoir":1,"rate":0}]', 0),
        ('[{"path":"/a*","rate":1}]', 1),
        ('[{"path":"*","method":"GET","rate":1}]', 1),
        ('[{"path":"*","rate":0}]', 1),
        ('[{"path":"*","rate":1},{"path":"/a*"},{"path":"*","rate":1}]', 1),
        ('[{"path":"/a*","rate":2},{"path":"*","rate":0.1}]', 1),
        ('[{"path":"*","reservoir":500}]', 1),
        ("[]", 1),
        ("{", 1),
    ],
)
def test_rules_for_traces_leave_nothing_out_and_are_all_asked(rules: str, count: int, dev: Rendered) -> None:
    templates = Templates(stacks_of(dev))
    twin(templates)["Environment"]["Variables"]["TRACE_SAMPLING"] = rules
    assert len(list(RULES["TND-OBS-14"].findings(World(templates.stacks, ENVIRONMENTS["dev"])))) == count


@pytest.mark.parametrize(("group", "count"), [(["Vpc", "DefaultSecurityGroup"], 1), (["Own", "GroupId"], 0)])
def test_nothing_uses_the_default_group(group: list[str], count: int) -> None:
    function = {"VpcConfig": {"SecurityGroupIds": [{"Fn::GetAtt": group}]}}
    resources = {
        "Vpc": {"Type": "AWS::EC2::VPC"},
        "Own": {"Type": "AWS::EC2::SecurityGroup"},
        "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
    }
    assert len(asked("TND-NET-11", small(resources))) == count


@pytest.mark.parametrize(("kind", "count"), [("AWS::EC2::Instance", 1), ("AWS::EC2::VPC", 0)])
def test_only_known_types_are_there(kind: str, count: int) -> None:
    assert len(asked("TND-STD-02", small({"It": {"Type": kind}}))) == count


@pytest.mark.parametrize(("other", "count"), [("tandem", 1), ("tandem-2", 0)])
def test_names_do_not_collide(other: str, count: int) -> None:
    kind = "AWS::Lambda::Function"
    resources = {
        f"Function{n}": {"Type": kind, "Properties": {"FunctionName": name}} for n, name in enumerate(("tandem", other))
    }
    assert len(asked("TND-STD-03", small(resources))) == count


@pytest.mark.parametrize(("text", "count"), [("x" * 51_200, 1), ("x" * 50_000, 0)])
def test_templates_fit_into_one_call(text: str, count: int) -> None:
    assert len(asked("TND-STK-04", small({"It": {"Type": "T"}}, Description=text))) == count


def test_too_many_resources_are_two_stacks() -> None:
    assert len(asked("TND-STK-04", small({f"R{n}": {"Type": "T"} for n in range(201)}))) == 1


@pytest.mark.parametrize(("use", "count"), [({}, 1), ({"Condition": "Idle"}, 0)])
def test_conditions_are_used(use: dict[str, Any], count: int) -> None:
    stack = small({"It": {"Type": "T", **use}}, Conditions={"Idle": {"Fn::Equals": [1, 1]}})
    assert len(asked("TND-STK-06", stack)) == count


def test_a_property_of_an_unexpected_shape_is_a_finding_and_no_crash() -> None:
    service = {"Type": "AWS::ECS::Service", "Properties": {"LoadBalancers": "none"}}
    found = [
        finding
        for rule in RULES.values()
        for finding in rule.findings(World([small({"S": service})], ENVIRONMENTS["dev"]))
    ]
    assert any("shape" in finding.wrong for finding in found)


def test_every_rule_has_a_reason_a_title_and_an_id_of_its_area() -> None:
    for name, rule in RULES.items():
        assert name.startswith("TND-")
        assert len(rule.reason) > 40, name
        assert rule.title[0].isupper(), name
        assert not rule.title.endswith("."), name
