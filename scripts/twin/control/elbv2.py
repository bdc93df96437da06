"""The operations of Elastic Load Balancing that operating the shop needs, with the API's names, shapes and errors."""

from collections.abc import Callable, Mapping
from typing import Any

from scripts.twin.control.query import Parameters, failure, members, strings, success, text
from scripts.twin.deployment.actions import action
from scripts.twin.deployment.limits import Refused
from scripts.twin.deployment.values import Action, Condition, Rule, TargetGroup
from scripts.twin.load_balancer.balancer import LoadBalancer
from scripts.twin.load_balancer.targets import Group, Target

CONFIGS = {
    "path-pattern": "PathPatternConfig",
    "host-header": "HostHeaderConfig",
    "http-header": "HttpHeaderConfig",
    "http-request-method": "HttpRequestMethodConfig",
}


def answer(balancer: LoadBalancer, given: Parameters) -> tuple[int, str]:
    """Status and XML."""
    name = str(given.get("Action", ""))
    operation = OPERATIONS.get(name)
    if operation is None:
        return 400, failure("InvalidAction", f"The twin has no operation {name!r}.")
    try:
        return 200, success(name, operation(balancer, given))
    except Refused as refused:
        return 400, failure(refused.code, str(refused))


# --- rules ----------------------------------------------------------------------------------------------------------


def describe_listeners(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    deployment = balancer.account.deployment
    if {given.get("LoadBalancerArn"), None} - {deployment.balancer, None}:
        raise Refused("There is no such load balancer.", "LoadBalancerNotFound")
    return {"Listeners": [{"ListenerArn": deployment.listener, "LoadBalancerArn": deployment.balancer}]}


def describe_rules(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    wanted, listener = strings(given, "RuleArns"), given.get("ListenerArn")
    if bool(wanted) == bool(listener):
        raise Refused("Give a listener or rules, and not both.")
    if wanted:
        return {"Rules": [shown(balancer.account.rule(arn)) for arn in wanted]}
    if listener != balancer.account.deployment.listener:
        raise Refused(f"There is no listener {listener}.", "ListenerNotFound")
    return {"Rules": [shown(rule) for rule in balancer.account.deployment.rules]}


def modify_rule(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    if "Conditions" in given:
        raise Refused("The twin changes the actions of a rule only.", "OperationNotPermitted")
    rule = balancer.account.rule(text(given, "RuleArn"))
    if "Actions" not in given:
        return {"Rules": [shown(rule)]}
    return {"Rules": [shown(balancer.account.act(rule.arn, action(given["Actions"])))]}


def shown(rule: Rule) -> dict[str, Any]:
    return {
        "RuleArn": rule.arn,
        "Priority": "default" if rule.priority is None else str(rule.priority),
        "Conditions": [_condition(condition) for condition in rule.conditions],
        "Actions": [_action(rule.action)],
        "IsDefault": rule.priority is None,
    }


def _condition(condition: Condition) -> dict[str, Any]:
    header = {"HttpHeaderName": condition.header} if condition.header else {}
    config = {CONFIGS[condition.field]: {**header, "Values": list(condition.values)}}
    plain = {"Values": list(condition.values)} if condition.field in {"path-pattern", "host-header"} else {}
    return {"Field": condition.field, **plain, **config}


def _action(given: Action) -> dict[str, Any]:
    if given.fixed is not None:
        fixed = given.fixed
        return {
            "Type": "fixed-response",
            "FixedResponseConfig": {
                "MessageBody": fixed.body,
                "StatusCode": str(fixed.status),
                "ContentType": fixed.content_type,
            },
        }
    alone = {"TargetGroupArn": given.shares[0].group} if len(given.shares) == 1 else {}
    groups = [{"TargetGroupArn": share.group, "Weight": share.weight} for share in given.shares]
    config = {"TargetGroups": groups, "TargetGroupStickinessConfig": {"Enabled": False}}
    return {"Type": "forward", **alone, "ForwardConfig": config}


# --- target groups --------------------------------------------------------------------------------------------------


def describe_target_groups(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    groups = balancer.account.deployment.groups
    names, arns = strings(given, "Names"), strings(given, "TargetGroupArns")
    known = {group.name for group in groups}
    if missing := [name for name in names if name not in known]:
        raise Refused(f"There is no target group named {missing[0]}.", "TargetGroupNotFound")
    balancers = {given.get("LoadBalancerArn"), None}
    if balancers - {balancer.account.deployment.balancer, None}:
        raise Refused("There is no such load balancer.", "LoadBalancerNotFound")
    chosen = [balancer.account.group(arn) for arn in arns] or [
        group for group in groups if not names or group.name in names
    ]
    return {"TargetGroups": [_target_group(balancer, group) for group in chosen]}


def _target_group(balancer: LoadBalancer, group: TargetGroup) -> dict[str, Any]:
    health, over_http = group.health, group.kind == "ip"
    return {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": "HTTP" if over_http else None,
        "Port": group.port if over_http else None,
        "HealthCheckProtocol": "HTTP" if over_http else None,
        "HealthCheckPort": "traffic-port" if over_http else None,
        "HealthCheckEnabled": health.enabled,
        "HealthCheckIntervalSeconds": health.interval,
        "HealthCheckTimeoutSeconds": health.timeout,
        "HealthyThresholdCount": health.healthy,
        "UnhealthyThresholdCount": health.unhealthy,
        "HealthCheckPath": health.path,
        "Matcher": {"HttpCode": health.codes},
        "LoadBalancerArns": [balancer.account.deployment.balancer],
        "TargetType": group.kind,
    }


def describe_target_health(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    group = _group(balancer, given)
    wanted = set(_targets(given))
    found = [target for target in group.targets if not wanted or target.id in wanted]
    return {"TargetHealthDescriptions": [_health(group, target) for target in found]}


def _health(group: Group, target: Target) -> dict[str, Any]:
    state, reason = group.state(target)
    host, _, port = target.id.rpartition(":")
    over_http = group.value.kind == "ip"
    return {
        "Target": {"Id": host, "Port": port} if over_http else {"Id": target.id},
        "HealthCheckPort": port if over_http else None,
        "TargetHealth": {"State": state, "Reason": reason or None},
    }


def register_targets(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    group = _group(balancer, given)
    if group.value.kind == "lambda":
        raise Refused("A function's group has its function from the template.", "TooManyTargets")
    for target in _targets(given, port=group.value.port):
        balancer.register(group.value.arn, target)
    return {}


def deregister_targets(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    group = _group(balancer, given)
    for target in _targets(given, port=group.value.port):
        balancer.deregister(group.value.arn, target)
    return {}


def _group(balancer: LoadBalancer, given: Parameters) -> Group:
    return balancer.groups[balancer.account.group(text(given, "TargetGroupArn")).arn]


def _targets(given: Parameters, port: int = 0) -> list[str]:
    """Ids as the twin has them: `host:port`, or the ARN of a function."""
    ids = []
    for target in members(given, "Targets"):
        name = text(target, "Id")
        ids.append(name if name.startswith("arn:") else f"{name}:{target.get('Port', port)}")
    return ids


# --- tags -----------------------------------------------------------------------------------------------------------


def describe_tags(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    return {
        "TagDescriptions": [
            {
                "ResourceArn": arn,
                "Tags": [{"Key": key, "Value": value} for key, value in balancer.account.tags(arn).items()],
            }
            for arn in strings(given, "ResourceArns")
        ]
    }


def add_tags(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    pairs = [(text(tag, "Key"), str(tag.get("Value", ""))) for tag in members(given, "Tags")]
    if len({key for key, _ in pairs}) < len(pairs):
        raise Refused("A tag key was given twice.", "DuplicateTagKeys")
    if any(key.lower().startswith("aws:") or not 1 <= len(key) <= 128 or len(value) > 256 for key, value in pairs):
        raise Refused("A tag key has 1 to 128 characters and does not begin with aws:, a value at most 256.")
    for arn in strings(given, "ResourceArns"):
        balancer.account.tag(arn, dict(pairs))
    return {}


def remove_tags(balancer: LoadBalancer, given: Parameters) -> dict[str, Any]:
    for arn in strings(given, "ResourceArns"):
        balancer.account.untag(arn, set(strings(given, "TagKeys")))
    return {}


OPERATIONS: Mapping[str, Callable[[LoadBalancer, Parameters], dict[str, Any]]] = {
    "AddTags": add_tags,
    "DeregisterTargets": deregister_targets,
    "DescribeListeners": describe_listeners,
    "DescribeRules": describe_rules,
    "DescribeTags": describe_tags,
    "DescribeTargetGroups": describe_target_groups,
    "DescribeTargetHealth": describe_target_health,
    "ModifyRule": modify_rule,
    "RegisterTargets": register_targets,
    "RemoveTags": remove_tags,
}
