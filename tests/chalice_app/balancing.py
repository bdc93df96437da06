"""A load balancer, its alarms and the fallback, as far as the failover sees them; each method is an AWS operation."""

import copy
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.config import Config, Fallback
from tests.chalice_app.wire import Refused

BASE = "arn:aws:elasticloadbalancing:us-east-1:123456789012"
CONTAINERS = f"{BASE}:targetgroup/tandem-dev-product/1"
FUNCTIONS = f"{BASE}:targetgroup/tandem-dev-product-lambda/2"
FIRST, SECOND = (f"{BASE}:listener-rule/app/tandem-dev/3/4/{number}" for number in (5, 6))
ALONE, ERRORS, DATABASE = "tandem-dev-product-no-healthy-host", "tandem-dev-product-errors", "tandem-dev-database-cpu"
OWN_TAG = {"Project": "tandem"}  # every rule has the tags of its stack
PRODUCT = Fallback(
    rules=(FIRST, SECOND),
    fargate=CONTAINERS,
    fallback=FUNCTIONS,
    function="tandem-dev-product",
    alarms=(ALONE, ERRORS),
    database_alarms=(DATABASE,),
)
CONFIG = Config(environment="dev", failover={"product": PRODUCT}, healthy_minutes=5, hold_minutes=10)


@dataclass
class Balancer:
    """`failures` are the numbers of calls that fail, by operation: {"modify_rule": {2}} fails the second."""

    weights: dict[str, list[int]] = field(default_factory=lambda: {FIRST: [100, 0], SECOND: [100, 0]})
    tags: dict[str, dict[str, str]] = field(default_factory=lambda: {FIRST: dict(OWN_TAG), SECOND: dict(OWN_TAG)})
    targets: list[str] = field(default_factory=lambda: ["healthy", "healthy"])
    writes: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    failures: dict[str, set[int]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def describe_rules(self, RuleArns: Sequence[str]) -> dict[str, Any]:  # noqa: N803 - AWS's spelling
        self._perhaps_fail("describe_rules")
        return {"Rules": [{"RuleArn": arn, "Actions": self.actions(arn)} for arn in RuleArns if arn in self.weights]}

    def actions(self, arn: str) -> list[dict[str, Any]]:
        pairs = zip((CONTAINERS, FUNCTIONS), self.weights[arn], strict=True)
        groups = [{"TargetGroupArn": group, "Weight": weight} for group, weight in pairs]
        return [{"Type": "forward", "Order": 1, "ForwardConfig": {"TargetGroups": groups}}]

    def describe_tags(self, ResourceArns: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        self._perhaps_fail("describe_tags")
        return {"TagDescriptions": [{"ResourceArn": arn, "Tags": _pairs(self.tags[arn])} for arn in ResourceArns]}

    def modify_rule(self, RuleArn: str, Actions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self._perhaps_fail("modify_rule")
        groups = Actions[-1]["ForwardConfig"]["TargetGroups"]
        weights = [group["Weight"] for group in groups]
        assert [group["TargetGroupArn"] for group in groups] == [CONTAINERS, FUNCTIONS]
        assert any(weights), "both weights 0: nobody answers"
        self.writes.append(("modify_rule", {"arn": RuleArn, "weights": weights}))
        self.weights[RuleArn] = weights
        return {"Rules": [{"RuleArn": RuleArn, "Actions": copy.deepcopy(list(Actions))}]}

    def add_tags(self, ResourceArns: Sequence[str], Tags: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803
        self._perhaps_fail("add_tags")
        self.writes.append(("add_tags", {"arns": ResourceArns}))
        for arn in ResourceArns:
            self.tags[arn] |= {tag["Key"]: tag["Value"] for tag in Tags}
        return {}

    def remove_tags(self, ResourceArns: Sequence[str], TagKeys: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        self._perhaps_fail("remove_tags")
        self.writes.append(("remove_tags", {"arns": ResourceArns}))
        for arn in ResourceArns:
            self.tags[arn] = {key: value for key, value in self.tags[arn].items() if key not in TagKeys}
        return {}

    def describe_target_health(self, TargetGroupArn: str) -> dict[str, Any]:  # noqa: N803
        self._perhaps_fail("describe_target_health")
        assert TargetGroupArn == CONTAINERS
        targets = [{"TargetHealth": {"State": state}} for state in self.targets]
        return {"TargetHealthDescriptions": targets}

    def _perhaps_fail(self, operation: str) -> None:
        self.asked[operation] = self.asked.get(operation, 0) + 1
        if self.asked[operation] in self.failures.get(operation, ()):
            raise Refused("Throttling", operation)


@dataclass
class Alarms:
    """State and the time of its beginning, by name."""

    states: dict[str, tuple[str, datetime]]

    def set(self, name: str, state: str, now: datetime) -> None:
        if self.states.get(name, ("",))[0] != state:
            self.states[name] = (state, now)

    def describe_alarms(self, AlarmNames: Sequence[str], **_: Any) -> dict[str, Any]:  # noqa: N803
        found = {name: self.states[name] for name in AlarmNames if name in self.states}
        alarms = [
            {"AlarmName": name, "StateValue": state, "StateTransitionedTimestamp": since}
            for name, (state, since) in found.items()
        ]
        return {"MetricAlarms": alarms, "CompositeAlarms": []}


@dataclass
class Functions:
    """`answer` is what the fallback's health check gives: a status, garbage, or an exception."""

    answer: object = 200
    error: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == PRODUCT.function
        self.events.append(json.loads(Payload))
        if isinstance(self.answer, BaseException):
            raise self.answer
        body = self.answer if isinstance(self.answer, bytes) else json.dumps({"statusCode": self.answer}).encode()
        failed = {"FunctionError": self.error} if self.error else {}
        return {"StatusCode": 200, "Payload": io.BytesIO(body), **failed}


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
