"""Every intrinsic function is resolved; what cannot be resolved is a problem, never a skip."""

from typing import Any

import pytest

from cfn.doctor.expectations import ENVIRONMENTS
from cfn.doctor.graph import Stack, World
from cfn.doctor.intrinsics import NOTHING, Resolver, declared_parameters
from cfn.doctor.values import Call, Pseudo, Reference, Text, Unknown

BODY: dict[str, Any] = {
    "Parameters": {
        "Size": {"Type": "Number", "Default": 3},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "Secret": {"Type": "String"},
    },
    "Mappings": {"Sizes": {"prod": {"disk": 100}}},
    "Conditions": {
        "Big": {"Fn::Equals": [{"Ref": "Size"}, 3]},
        "Small": {"Fn::Not": [{"Condition": "Big"}]},
        "Both": {"Fn::And": [{"Condition": "Big"}, {"Condition": "Small"}]},
        "Either": {"Fn::Or": [{"Condition": "Big"}, {"Condition": "Small"}]},
        "Here": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
    },
    "Resources": {"Net": {"Type": "T", "Properties": {"CidrBlock": "10.0.0.0/16"}}, "Off": {"Condition": "Small"}},
}
NET = Reference("one", "Net")


@pytest.fixture
def resolver() -> Resolver:
    parameters = declared_parameters(BODY, {})
    exports = {"other:Net": Reference("other", "Net")}
    return Resolver("one", BODY, parameters, "us-east-1", exports, {("other", "Out"): "value"})


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Net"}, NET),
        ({"Ref": "Size"}, 3),
        ({"Ref": "Zones"}, ["a", "b"]),
        ({"Ref": "Secret"}, Unknown("Secret")),
        ({"Ref": "AWS::Partition"}, Pseudo("AWS::Partition")),
        ({"Ref": "AWS::StackName"}, "one"),
        ({"Ref": "AWS::NoValue"}, NOTHING),
        ({"Fn::GetAtt": ["Net", "Arn"]}, Reference("one", "Net", "Arn")),
        ({"Fn::GetAtt": "Net.Endpoint.Port"}, Reference("one", "Net", "Endpoint.Port")),
        ({"Fn::Sub": "${Net}"}, NET),
        ({"Fn::Sub": "a ${Size} ${!Kept}"}, "a 3 ${Kept}"),
        ({"Fn::Sub": "arn:${AWS::Partition}:x"}, Text(("arn:", Pseudo("AWS::Partition"), ":x"))),
        ({"Fn::Sub": ["${Own}-${Net.Arn}", {"Own": {"Ref": "Size"}}]}, Text(("3-", Reference("one", "Net", "Arn")))),
        ({"Fn::Join": ["/", ["a", {"Ref": "Size"}, True]]}, "a/3/true"),
        ({"Fn::Join": ["/", [{"Ref": "Net"}, "b"]]}, Text((NET, "/b"))),
        ({"Fn::Select": [1, {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::Select": ["0", {"Fn::GetAZs": ""}]}, Call("Fn::Select", (0, Call("Fn::GetAZs", ("",))))),
        ({"Fn::FindInMap": ["Sizes", "prod", "disk"]}, 100),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::Cidr": [{"Fn::GetAtt": ["Net", "CidrBlock"]}, 1, 12]}, ["10.0.0.0/20"]),
        ({"Fn::If": ["Big", "yes", "no"]}, "yes"),
        ({"Fn::If": ["Small", "yes", {"Ref": "AWS::NoValue"}]}, NOTHING),
        ({"Fn::If": ["Both", 1, 2]}, 2),
        ({"Fn::If": ["Either", 1, 2]}, 1),
        ({"Fn::If": ["Here", 1, 2]}, 1),
        ({"Fn::ImportValue": "other:Net"}, Reference("other", "Net")),
        ({"Fn::ImportValue": {"Fn::Sub": "other:Net"}}, Reference("other", "Net")),
        ({"Fn::GetStackOutput": {"StackName": "other", "OutputName": "Out"}}, "value"),
        ({"Fn::Base64": "x"}, Call("Fn::Base64", ("x",))),
        ([1, {"Ref": "AWS::NoValue"}, 2], [1, 2]),
        ({"A": {"Ref": "AWS::NoValue"}, "B": 1}, {"B": 1}),
        ({"Condition": {"Bool": {"x": "false"}}}, {"Condition": {"Bool": {"x": "false"}}}),
    ],
)
def test_function_is_resolved(resolver: Resolver, value: Any, resolved: Any) -> None:
    assert resolver.resolve(value) == resolved
    assert resolver.problems == []


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::Transform": {"Name": "AWS::Include"}},
        {"Fn::Invented": "x"},
        {"Fn::ForEach::Loop": []},
        {"Ref": "Missing"},
        {"Ref": "Off"},
        {"Ref": {"Ref": "AWS::Region"}},
        {"Fn::GetAtt": ["Missing", "Arn"]},
        {"Fn::Sub": "${Missing}"},
        {"Fn::Sub": ["only one"]},
        {"Fn::Select": [5, ["a"]]},
        {"Fn::Select": [{"Ref": "Net"}, ["a"]]},
        {"Fn::FindInMap": ["Sizes", "prod", "colour"]},
        {"Fn::If": ["Missing", 1, 2]},
        {"Fn::ImportValue": "other:Missing"},
        {"Fn::ImportValue": {"Ref": "Secret"}},
        {"Fn::GetStackOutput": {"StackName": "other", "OutputName": "Missing"}},
    ],
)
def test_what_cannot_be_resolved_is_a_problem_with_its_place(resolver: Resolver, value: Any) -> None:
    with resolver.at("Resources"):
        resolver.resolve({"Deep": [value]})
    assert [path for path, _ in resolver.problems] == ["Resources.Deep.0"]


def test_conditions_in_a_circle_end() -> None:
    conditions = {"A": {"Condition": "B"}, "B": {"Condition": "A"}}
    resolver = Resolver("one", {"Conditions": conditions}, {}, "us-east-1", {}, {})
    assert resolver.condition("A") is False
    assert [message for _, message in resolver.problems] == ["the condition A waits for itself"]


def test_an_import_of_a_later_stack_is_a_problem() -> None:
    using = Stack("first", {"Resources": {"A": {"Type": "T", "Properties": {"X": {"Fn::ImportValue": "e"}}}}})
    output = {"Value": {"Ref": "B"}, "Export": {"Name": "e"}}
    making = Stack("second", {"Resources": {"B": {"Type": "T"}}, "Outputs": {"O": output}})
    world = World([using, making], ENVIRONMENTS["dev"])
    assert [problem.path for problem in world.resolved[0].problems] == ["Resources.A.Properties.X"]
    assert World([making, using], ENVIRONMENTS["dev"]).resolved[1].problems == ()


def test_two_exports_of_one_name_are_a_problem() -> None:
    output = {"Value": "x", "Export": {"Name": "e"}}
    stacks = [Stack(name, {"Resources": {}, "Outputs": {"O": output}}) for name in ("one", "two")]
    assert len(World(stacks, ENVIRONMENTS["dev"]).resolved[1].problems) == 1
