"""From the resolved templates to the values that the twin runs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.routing import listener_of, rules_of, serving
from cfn.doctor.services import LISTENER_RULE, TARGET_GROUP, Mounted, services
from cfn.doctor.values import dig, items
from scripts.twin.deployment.actions import action, whole
from scripts.twin.deployment.limits import Refused, check, require
from scripts.twin.deployment.names import Names, Remote, own_name
from scripts.twin.deployment.values import (
    Condition,
    Deployment,
    Function,
    HealthCheck,
    Rule,
    Settings,
    TargetGroup,
    Task,
)

DYNAMIC = re.compile(r"\{\{resolve:secretsmanager:(?P<secret>arn:[^}]+?):SecretString(?::[^}]*)?\}\}")
# The defaults of a group whose targets are functions differ ("Health checks for … target groups").
DEFAULTS = {"ip": HealthCheck(), "lambda": HealthCheck(enabled=False, interval=35, timeout=30)}


def read(world: World, secrets: Mapping[str, str]) -> Deployment:
    """`secrets` are local values by the key under which the services get them; a rule that compares a header with the
    same secret compares it with that. Raises Refused when something does not resolve, or AWS would not take it."""
    for stack in world.resolved:
        for problem in stack.problems:
            raise Refused(f"{problem.stack} does not resolve at {problem.path}: {problem.message}.")
    try:
        deployment = _Reader(world, Names(world), secrets).deployment()
    except Remote as made_by_aws:
        raise Refused(f"The load balancer would need {made_by_aws}, which only AWS has.") from None
    check(deployment)
    return deployment


@dataclass
class _Reader:
    world: World
    names: Names
    secrets: Mapping[str, str]

    def deployment(self) -> Deployment:
        listeners = serving(self.world)
        require(len(listeners) == 1, f"One listener must forward to services, not {len(listeners)}.")
        (listener,) = listeners
        mounted = services(self.world)
        self.owners = {rule.key: one.service.get("ServiceName") for one in mounted for rule in one.rules}
        self.values = self._secret_values(mounted)
        balancer = self.world.at(listener.get("LoadBalancerArn"))
        if balancer is None:
            raise Refused(f"{listener} belongs to no load balancer.")
        rules = [self._rule(rule) for rule in rules_of(self.world, listener)]
        default = Rule(arn=f"{self._arn(listener)}/default", priority=None, action=self._action(listener, "Default"))
        for stray in self.world.of(LISTENER_RULE):
            require(listener_of(self.world, stray) is not None, f"{stray} belongs to no listener.")
        return Deployment(
            environment=self.world.expectations.environment,
            balancer=self._arn(balancer),
            listener=self._arn(listener),
            rules=(*rules, default),
            groups=tuple(self._group(group) for group in self.world.of(TARGET_GROUP)),
            tasks=tuple(self._task(one) for one in mounted),
            functions=tuple(self._function(one, function) for one in mounted for function in one.functions),
            attributes=self._pairs(balancer.get("LoadBalancerAttributes")),
            front_headers=self._front_headers(),
        )

    # --- routing ------------------------------------------------------------------------------------------------

    def _rule(self, rule: Resource) -> Rule:
        return Rule(
            arn=self._arn(rule),
            priority=whole(rule.get("Priority"), f"The priority of {rule}"),
            action=self._action(rule),
            conditions=tuple(self._condition(given) for given in items(rule.get("Conditions"))),
            service=self.owners.get(rule.key, ""),
            tags=self._pairs(rule.get("Tags")),
        )

    def _action(self, owner: Resource, prefix: str = "") -> Any:
        return action([self._plain(given) for given in items(owner.get(f"{prefix}Actions"))])

    def _condition(self, given: Mapping[str, Any]) -> Condition:
        configs = [value for key, value in given.items() if key.endswith("Config")]
        config = configs[0] if configs else given
        values = tuple(self._secret(str(value)) for value in items(self._plain(config.get("Values"))))
        return Condition(field=given["Field"], values=values, header=config.get("HttpHeaderName", ""))

    def _group(self, group: Resource) -> TargetGroup:
        kind = group.get("TargetType") or "instance"
        targets = items(group.get("Targets"))
        return TargetGroup(
            arn=self._arn(group),
            name=own_name(group),
            kind=kind,
            port=whole(group.get("Port") or 0, f"The port of {group}"),
            health=_health(group, DEFAULTS.get(kind, HealthCheck())),
            attributes=self._pairs(group.get("TargetGroupAttributes")),
            functions=tuple(self.names.text(target["Id"]) for target in targets) if kind == "lambda" else (),
            tags=self._pairs(group.get("Tags")),
        )

    def _front_headers(self) -> dict[str, str]:
        origins = [
            origin
            for distribution in self.world.of("AWS::CloudFront::Distribution")
            for origin in items(distribution.get("DistributionConfig", "Origins"))
        ]
        return {
            str(header["HeaderName"]): self._secret(self.names.text(header["HeaderValue"]))
            for origin in origins
            for header in items(origin.get("OriginCustomHeaders"))
        }

    # --- programs -----------------------------------------------------------------------------------------------

    def _task(self, one: Mounted) -> Task:
        container = one.container or {}
        require(container and one.group and one.port, f"{one.service} has no container behind a target group.")
        settings = {given["Name"]: given.get("Value") for given in items(container.get("Environment"))}
        secrets = {given["Name"]: given.get("ValueFrom") for given in items(container.get("Secrets"))}
        return Task(
            service=str(one.service.get("ServiceName")),
            group=self._arn(one.group) if one.group else "",
            command=tuple(map(str, items(container.get("Command")))),
            port=one.port or 0,
            settings=self._settings(settings | secrets),
            secrets=tuple(sorted(secrets)),
            health_path=str(one.group.get("HealthCheckPath") or "/") if one.group else "/",
            stop_timeout=whole(container.get("StopTimeout", 30), "StopTimeout"),
        )

    def _function(self, one: Mounted, function: Resource) -> Function:
        return Function(
            arn=self._arn(function),
            name=own_name(function, "FunctionName"),
            service=str(one.service.get("ServiceName")),
            handler=str(function.get("Handler")),
            settings=self._settings(function.get("Environment", "Variables") or {}),
            timeout=whole(function.get("Timeout") or 3, "Timeout"),
            memory=whole(function.get("MemorySize") or 128, "MemorySize"),
            concurrency=whole(function.get("ReservedConcurrentExecutions") or 1000, "ReservedConcurrentExecutions"),
        )

    def _settings(self, given: Mapping[str, Any]) -> Settings:
        values, remote = {}, set()
        for key, value in sorted(given.items()):
            try:
                values[key] = self.names.text(value)
            except Remote as made_by_aws:
                values[key] = str(made_by_aws)
                remote.add(key)
            if values[key].startswith("arn:aws:secretsmanager:"):
                remote.add(key)
        return Settings(values=values, remote=frozenset(remote))

    # --- values -------------------------------------------------------------------------------------------------

    def _secret_values(self, mounted: Iterable[Mounted]) -> dict[str, str]:
        """The local value of each secret that the containers get, by the secret's ARN."""
        given = [secret for one in mounted for secret in items((one.container or {}).get("Secrets"))]
        return {
            self.names.text(secret["ValueFrom"]): self.secrets[secret["Name"]]
            for secret in given
            if secret["Name"] in self.secrets
        }

    def _secret(self, value: str) -> str:
        found = DYNAMIC.fullmatch(value)
        if found is None:
            return value
        if found["secret"] not in self.values:
            raise Refused(f"The load balancer compares a header with {found['secret']}, which no service sends.")
        return self.values[found["secret"]]

    def _arn(self, resource: Resource) -> str:
        found = self.names.arn(resource)
        if found is None:
            raise Refused(f"{resource} is a {resource.type}, for which the twin has no ARN.")
        return found

    def _pairs(self, given: Any) -> dict[str, str]:
        """Attributes and tags: objects with Key and Value. What AWS makes of them only (a bucket's name) stays open."""
        pairs = {}
        for pair in items(given):
            try:
                pairs[str(pair["Key"])] = self.names.text(pair["Value"])
            except Remote as made_by_aws:
                pairs[str(pair["Key"])] = str(made_by_aws)
        return pairs

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._plain(item) for item in value]
        return value if isinstance(value, bool | int | None) else self.names.text(value)


def _health(group: Resource, default: HealthCheck) -> HealthCheck:
    enabled = group.get("HealthCheckEnabled")
    numbers = {
        "interval": ("HealthCheckIntervalSeconds", default.interval),
        "timeout": ("HealthCheckTimeoutSeconds", default.timeout),
        "healthy": ("HealthyThresholdCount", default.healthy),
        "unhealthy": ("UnhealthyThresholdCount", default.unhealthy),
    }
    require(
        group.get("HealthCheckPort") in {None, "traffic-port"}, f"{group} is asked for its health on a port of its own."
    )
    return HealthCheck(
        enabled=default.enabled if enabled is None else str(enabled).lower() == "true",
        path=str(group.get("HealthCheckPath") or "/"),
        codes=str(dig(group.properties, "Matcher", "HttpCode") or "200"),
        **{key: whole(group.get(name) or usual, name) for key, (name, usual) in numbers.items()},
    )
