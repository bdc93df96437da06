"""What AWS refuses, and what the twin cannot act out: said before anything starts, instead of being let through.

The figures are from the user guide of Application Load Balancers ("Quotas for your Application Load Balancers",
"Listener rules", "Target groups", "Health checks for Application Load Balancer target groups", "Use Lambda functions
as targets of an Application Load Balancer") and from the API reference of Elastic Load Balancing.
"""

import re
from collections.abc import Iterable, Mapping

from scripts.twin.deployment.values import Action, Condition, Deployment, FixedResponse, HealthCheck, Rule, TargetGroup

GROUPS_PER_ACTION = 5
HEAVIEST = 999
RULES = GROUPS = 100  # of one load balancer
VALUES_PER_RULE = WILDCARDS_PER_RULE = 5
LONGEST_PATTERN = 128
LONGEST_HEADER_NAME = 40
LONGEST_MESSAGE = 1024
LAST_PRIORITY = 50_000
GROUP_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,32}(?<!-)")
FIELDS = {"path-pattern", "http-header", "host-header", "http-request-method"}

ON = re.compile("true|false")
NUMBER = re.compile(r"\d+")
ANY = re.compile(".*")
HEALTH = re.compile(r"off|\d+")
# Attributes that the twin acts out, or that change nothing here, and the values that it can take for them.
OF_BALANCERS = {
    "access_logs.s3.enabled": ON,
    "access_logs.s3.bucket": ANY,
    "access_logs.s3.prefix": ANY,
    "deletion_protection.enabled": ON,
    "idle_timeout.timeout_seconds": NUMBER,
    "routing.http.desync_mitigation_mode": re.compile("defensive|strictest"),
    "routing.http.drop_invalid_header_fields.enabled": ON,
    "routing.http.xff_header_processing.mode": re.compile("append"),
    "routing.http2.enabled": ON,
}
OF_ADDRESSES = {
    "deregistration_delay.timeout_seconds": NUMBER,
    "load_balancing.algorithm.type": re.compile("round_robin|least_outstanding_requests"),
    "slow_start.duration_seconds": re.compile("0"),
    "stickiness.enabled": re.compile("false"),
    "target_group_health.dns_failover.minimum_healthy_targets.count": HEALTH,
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": HEALTH,
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": HEALTH,
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": HEALTH,
}
OF_FUNCTIONS = {"lambda.multi_value_headers.enabled": ON}


class Refused(Exception):
    """One sentence. `code` is the error code with which the API of Elastic Load Balancing says the same."""

    def __init__(self, sentence: str, code: str = "ValidationError") -> None:
        super().__init__(sentence)
        self.code = code


def require(holds: object, sentence: str, code: str = "ValidationError") -> None:
    if not holds:
        raise Refused(sentence, code)


def check(deployment: Deployment) -> None:
    """Raises Refused."""
    require(len(deployment.rules) - 1 <= RULES, f"A load balancer has at most {RULES} rules.", "TooManyRules")
    require(
        len(deployment.groups) <= GROUPS,
        f"A load balancer has at most {GROUPS} target groups.",
        "TooManyUniqueTargetGroupsPerLoadBalancer",
    )
    _check_attributes("The load balancer", deployment.attributes, OF_BALANCERS)
    for group in deployment.groups:
        check_group(group)
    _check_unique("target groups", "name", [group.name for group in deployment.groups], "DuplicateTargetGroupName")
    _check_unique("rules", "priority", [str(rule.priority) for rule in deployment.rules], "PriorityInUse")
    for rule in deployment.rules:
        _check_rule(rule)
        check_action(rule.action, deployment.groups)


def _check_unique(what: str, key: str, found: Iterable[str], code: str) -> None:
    seen: set[str] = set()
    for one in found:
        require(one not in seen, f"Two {what} have the {key} {one}.", code)
        seen.add(one)


def _check_rule(rule: Rule) -> None:
    name = f"Rule {rule.priority}"
    if rule.priority is None:
        return
    require(1 <= rule.priority <= LAST_PRIORITY, f"A rule's priority is 1 to {LAST_PRIORITY}, not {rule.priority}.")
    require(rule.conditions, f"{name} has no condition.")
    values = [value for condition in rule.conditions for value in condition.values]
    require(
        len(values) <= VALUES_PER_RULE, f"{name} has {len(values)} condition values; {VALUES_PER_RULE} are allowed."
    )
    wild = sum(value.count("*") + value.count("?") for value in values)
    require(wild <= WILDCARDS_PER_RULE, f"{name} has {wild} wildcards; {WILDCARDS_PER_RULE} are allowed.")
    for condition in rule.conditions:
        _check_condition(name, condition)


def _check_condition(name: str, condition: Condition) -> None:
    require(condition.field in FIELDS, f"{name} asks for {condition.field}, which the twin cannot act out.")
    require(condition.values, f"{name} has a condition on {condition.field} without values.")
    if condition.field == "http-header":
        fits = 0 < len(condition.header) <= LONGEST_HEADER_NAME
        require(fits, f"{name} names a header of {len(condition.header)} characters; 1 to {LONGEST_HEADER_NAME} fit.")
    for value in condition.values:
        require(
            0 < len(value) <= LONGEST_PATTERN,
            f"{name} has a {condition.field} of {len(value)} characters; 1 to {LONGEST_PATTERN} are allowed.",
        )


def check_action(action: Action, groups: Iterable[TargetGroup]) -> None:
    """Raises Refused."""
    known = {group.arn for group in groups}
    if action.fixed is not None:
        _check_fixed(action.fixed)
        return
    count = len(action.shares)
    require(
        0 < count <= GROUPS_PER_ACTION,
        f"A forward action names 1 to {GROUPS_PER_ACTION} target groups, not {count}.",
        "InvalidLoadBalancerAction",
    )
    named = [share.group for share in action.shares]
    require(len(set(named)) == count, "A forward action names the same target group twice.", "DuplicateTargetGroup")
    for share in action.shares:
        require(0 <= share.weight <= HEAVIEST, f"A weight is 0 to {HEAVIEST}, not {share.weight}.")
        require(share.group in known, f"There is no target group {share.group}.", "TargetGroupNotFound")


def _check_fixed(fixed: FixedResponse) -> None:
    require(fixed.status // 100 in {2, 4, 5}, f"A fixed response has a status 2XX, 4XX or 5XX, not {fixed.status}.")
    require(
        len(fixed.body) <= LONGEST_MESSAGE, f"The message of a fixed response has at most {LONGEST_MESSAGE} characters."
    )


def check_group(group: TargetGroup) -> None:
    """Raises Refused."""
    name = f"The target group {group.name}"
    require(GROUP_NAME.fullmatch(group.name), f"{name} needs a name of 1 to 32 letters, digits and inner hyphens.")
    require(group.kind in {"ip", "lambda"}, f"{name} has targets of type {group.kind}, which the twin cannot act out.")
    if group.kind == "lambda":
        require(
            len(group.functions) <= 1, f"{name} can have one function, not {len(group.functions)}.", "TooManyTargets"
        )
    else:
        require(1 <= group.port <= 65_535, f"{name} has the port {group.port}.")
    _check_attributes(name, group.attributes, OF_FUNCTIONS if group.kind == "lambda" else OF_ADDRESSES)
    require(group.kind == "lambda" or group.deregistration_delay <= 3600, f"{name} waits for more than an hour.")
    if group.health.enabled:
        _check_health(name, group.health)


def _check_health(name: str, health: HealthCheck) -> None:
    ranges = {
        "interval": (health.interval, 5, 300),
        "timeout": (health.timeout, 2, 120),
        "healthy threshold": (health.healthy, 2, 10),
        "unhealthy threshold": (health.unhealthy, 2, 10),
    }
    for what, (value, least, most) in ranges.items():
        require(least <= value <= most, f"{name} has a health check with the {what} {value}; it is {least} to {most}.")
    require(health.timeout < health.interval, f"{name} has a health check that waits longer than its interval.")
    require(health.path.startswith("/") and len(health.path) <= 1024, f"{name} has the health path {health.path!r}.")
    require(
        all(re.fullmatch(r"[2-4]\d\d(-[2-4]\d\d)?", code) for code in health.codes.split(",")),
        f"{name} takes {health.codes!r} for healthy, which is no list of codes.",
    )


def _check_attributes(name: str, given: Mapping[str, str], known: Mapping[str, re.Pattern[str]]) -> None:
    for key, value in given.items():
        require(key in known, f"{name} cannot have the attribute {key}, or the twin does not know it.")
        require(known[key].fullmatch(value), f"{name} has {key} = {value!r}, which the twin cannot act out.")
