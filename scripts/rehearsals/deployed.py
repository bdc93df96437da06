"""What stands in the account, as the twin runs it: rules, weights, groups and secrets are what the API says, not what a
template says; tasks are those of the deployed templates, with the deployed parameters."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import boto3

from cfn.doctor.expectations import Expectations
from cfn.doctor.graph import Stack as Template
from cfn.doctor.graph import World
from cfn.environments import Environment
from cfn.names import stack_name
from scripts.deploy import names
from scripts.rehearsals.cloud import Cloud, client
from scripts.releases.aws import Aws
from scripts.releases.live import look, resources
from scripts.twin.deployment.actions import action
from scripts.twin.deployment.reading import read
from scripts.twin.deployment.values import Condition, Deployment, Rule, Settings, TargetGroup
from scripts.twin.keys import ROLES, Keys
from services.chassis.auth import new_admin_key

SECRETS = {
    "ADMIN_KEYS": "AdminKeys",
    "ORIGIN_SECRET": "OriginSecret",
    "SERVICE_KEYS": "ServiceKeys",
    "SESSION_KEYS": "SessionKeys",
}
CACHE = {"CACHE_TOKEN", "CACHE_URL"}
PASSWORDS = {"product": "ProductRoleSecret", "order": "OrderRoleSecret"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed(Keys):
    """The secrets of the account, byte for byte as ECS would hand them to a container."""

    values: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        return dict(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    aws: Aws
    cloud: Cloud
    session: boto3.Session
    environment: Environment

    def client(self, service: str) -> Any:
        return client(self.session, self.cloud, service)

    def world(self) -> World:
        """The deployed templates, resolved with the deployed parameters."""
        live = [look(self.aws.cloudformation, name) for name in names(self.environment)]
        templates = [
            Template(one.name, one.template, one.parameters, self.environment.region) for one in live if one is not None
        ]
        return World(templates, Expectations(environment=self.environment.name))

    def keys(self) -> Handed:
        """The operator's first step is in it: a key for the back office, whose hash goes into its secret."""
        there = resources(self.aws.cloudformation, stack_name(self.environment, "data"))
        vault = self.client("secretsmanager")

        def secret(logical_id: str) -> str:
            value: str = vault.get_secret_value(SecretId=there[logical_id]["PhysicalResourceId"])["SecretString"]
            return value

        token, stored = new_admin_key("rehearsal", ROLES)
        admin = {"kid": "rehearsal", "sha256": stored.sha256.hex(), "roles": ROLES, "not_after": None}
        vault.put_secret_value(SecretId=there["AdminKeys"]["PhysicalResourceId"], SecretString=json.dumps([admin]))
        values = {key: secret(logical_id) for key, logical_id in SECRETS.items()}
        return Handed(
            values=values,
            session=json.loads(values["SESSION_KEYS"])["k1"],
            service=json.loads(values["SERVICE_KEYS"])["k1"],
            origin=values["ORIGIN_SECRET"],
            admin=token,
            admin_sha256=stored.sha256.hex(),
            passwords={name: json.loads(secret(logical_id))["password"] for name, logical_id in PASSWORDS.items()},
            database="",  # of compose.yaml, which has no part in this
        )

    def deployment(self, keys: Handed) -> Deployment:
        described = read(self.world(), keys.environment())
        groups = {one["TargetGroupName"]: one for one in self.aws.elbv2.describe_target_groups()["TargetGroups"]}
        arns = {groups[group.name]["TargetGroupArn"]: group.arn for group in described.groups}
        found = tuple(self._group(group, groups[group.name]) for group in described.groups)
        tasks = tuple(replace(task, settings=_without_cache(task.settings)) for task in described.tasks)
        return replace(described, rules=self._rules(described, arns), groups=found, tasks=tasks)

    def _group(self, group: TargetGroup, given: Mapping[str, Any]) -> TargetGroup:
        described = self.aws.elbv2.describe_target_group_attributes(TargetGroupArn=given["TargetGroupArn"])
        health = replace(
            group.health,
            enabled=given["HealthCheckEnabled"],
            path=given.get("HealthCheckPath", "/"),
            interval=given["HealthCheckIntervalSeconds"],
            timeout=given["HealthCheckTimeoutSeconds"],
            healthy=given["HealthyThresholdCount"],
            unhealthy=given["UnhealthyThresholdCount"],
            codes=given["Matcher"]["HttpCode"],
        )
        return replace(
            group,
            kind=given["TargetType"],
            port=given["Port"] if group.kind == "ip" else 0,
            health=health,
            attributes={one["Key"]: one["Value"] for one in described["Attributes"]},
        )

    def _rules(self, described: Deployment, arns: Mapping[str, str]) -> tuple[Rule, ...]:
        """In the order in which they are asked."""
        owners = {rule.priority: rule for rule in described.rules}
        found = []
        for balancer in self.aws.elbv2.describe_load_balancers()["LoadBalancers"]:
            for listener in self.aws.elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
                rules = self.aws.elbv2.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
                found += [rule for rule in rules if not rule["IsDefault"]]
        rules = [_rule(rule, owners, arns) for rule in found]
        return (*sorted(rules, key=lambda rule: rule.priority or 0), owners[None])


def _without_cache(settings: Settings) -> Settings:
    """This machine has none, and no service asks for one yet."""
    return replace(settings, values={key: value for key, value in settings.values.items() if key not in CACHE})


def _rule(given: Mapping[str, Any], owners: Mapping[int | None, Rule], arns: Mapping[str, str]) -> Rule:
    priority = int(given["Priority"])
    acted = action(given["Actions"])
    shares = tuple(replace(share, group=arns[share.group]) for share in acted.shares)
    return replace(
        owners[priority],
        action=replace(acted, shares=shares),
        conditions=tuple(_condition(one) for one in given["Conditions"]),
    )


def _condition(given: Mapping[str, Any]) -> Condition:
    configs = [value for key, value in given.items() if key.endswith("Config")]
    config = configs[0] if configs else given
    return Condition(field=given["Field"], values=tuple(config["Values"]), header=config.get("HttpHeaderName", ""))
