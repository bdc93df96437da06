"""The load balancer as it is now, for `/status`."""

from typing import Any

from scripts.twin.deployment.values import Action, Condition, Deployment, Rule
from scripts.twin.load_balancer.balancer import LoadBalancer
from scripts.twin.load_balancer.targets import Group

HIDDEN = "(secret)"


def status(balancer: LoadBalancer) -> dict[str, Any]:
    deployment = balancer.account.deployment
    return {
        "environment": deployment.environment,
        "listener": deployment.listener,
        "front_door_adds": sorted(deployment.front_headers),
        "health_checks": {
            "hurry": balancer.hurry,
            "note": f"Checks run {balancer.hurry:g} times as often as the template says.",
        },
        "weights": weights(deployment),
        "rules": [_rule(deployment, rule) for rule in deployment.rules],
        "groups": [_group(group) for group in balancer.groups.values()],
        "answers": balancer.journal.answers(),
        "requests": balancer.journal.last(),
    }


def weights(deployment: Deployment) -> dict[str, dict[str, int]]:
    """By service and runtime."""
    found: dict[str, dict[str, int]] = {}
    for rule in deployment.rules:
        for share in rule.action.shares:
            if (group := deployment.group(share.group)) and rule.service:
                found.setdefault(rule.service, {})[group.runtime] = share.weight
    return found


def _rule(deployment: Deployment, rule: Rule) -> dict[str, Any]:
    return {
        "arn": rule.arn,
        "priority": "default" if rule.priority is None else rule.priority,
        "service": rule.service,
        "conditions": [_condition(deployment, condition) for condition in rule.conditions],
        "action": _action(deployment, rule.action),
        "tags": dict(rule.tags),
    }


def _condition(deployment: Deployment, condition: Condition) -> dict[str, Any]:
    secret = condition.header in deployment.front_headers
    values = [HIDDEN] * len(condition.values) if secret else list(condition.values)
    named = {"header": condition.header} if condition.header else {}
    return {"field": condition.field, **named, "values": values}


def _action(deployment: Deployment, action: Action) -> dict[str, Any]:
    if action.fixed is not None:
        return {"fixed_response": {"status": action.fixed.status, "body": action.fixed.body}}
    groups = [(deployment.group(share.group), share.weight) for share in action.shares]
    return {
        "forward": [
            {"group": group.name, "arn": group.arn, "runtime": group.runtime, "weight": weight}
            for group, weight in groups
            if group
        ]
    }


def _group(group: Group) -> dict[str, Any]:
    value = group.value
    health = value.health
    return {
        "arn": value.arn,
        "name": value.name,
        "type": value.kind,
        "runtime": value.runtime,
        "health_check": f"{health.path} every {health.interval} s" if health.enabled else "off",
        "attributes": dict(value.attributes),
        "targets": [
            {
                "id": target.id,
                "state": group.state(target)[0],
                "reason": group.state(target)[1],
                "outstanding": len(target.requests),
            }
            for target in group.targets
        ],
    }
