"""What can be changed while the load balancer runs: actions and tags of rules, and which targets are registered."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from scripts.twin.deployment.hands import noted
from scripts.twin.deployment.limits import Refused, check_action
from scripts.twin.deployment.values import Action, Deployment, Rule, Share, TargetGroup

Changed = Callable[[Deployment], None]
Tagged = TypeVar("Tagged", Rule, TargetGroup)
TAGS = 50  # of one resource


class Account:
    """The deployment as it is now. `changed` is told of each change, to keep it beyond the end of this process."""

    def __init__(self, deployment: Deployment, changed: Changed = lambda _: None) -> None:
        self.deployment = deployment
        self._changed = changed

    def rule(self, arn: str) -> Rule:
        """Raises Refused."""
        for rule in self.deployment.rules:
            if rule.arn == arn:
                return rule
        raise Refused(f"There is no rule {arn}.", "RuleNotFound")

    def group(self, arn: str) -> TargetGroup:
        """Raises Refused."""
        found = self.deployment.group(arn)
        if found is None:
            raise Refused(f"There is no target group {arn}.", "TargetGroupNotFound")
        return found

    def act(self, arn: str, action: Action) -> Rule:
        """Give a rule another action. Raises Refused."""
        rule = self.rule(arn)
        if rule.priority is None:
            raise Refused("The default rule is changed by ModifyListener only.", "OperationNotPermitted")
        check_action(action, self.deployment.groups)
        changed = replace(rule, action=action)
        self._become(self.deployment.with_rule(changed))
        return changed

    def weigh(self, service: str, weights: Mapping[str, int]) -> None:
        """Share the service's requests by runtime, in all its rules, and note that it was by hand. Raises Refused."""
        rules = list(self.deployment.rules_of(service))
        if not rules:
            raise Refused(f"There is no service {service!r}.")
        for rule in rules:
            runtimes = [self.group(share.group).runtime for share in rule.action.shares]
            if set(weights) != set(runtimes):
                raise Refused(f"The weights of {service} are for {' and '.join(runtimes)}.")
            if not any(weights.values()):
                raise Refused(f"With all weights 0, {service} would answer nothing.")
        for rule in rules:
            groups = [self.group(share.group) for share in rule.action.shares]
            shares = tuple(Share(group=group.arn, weight=weights[group.runtime]) for group in groups)
            self.act(rule.arn, Action(shares=shares))
            self._retag(rule.arn, noted(rule.tags, fallback=weights["lambda"]))

    def tags(self, arn: str) -> Mapping[str, str]:
        """Raises Refused."""
        return self.rule(arn).tags if ":listener-rule/" in arn else self.group(arn).tags

    def tag(self, arn: str, tags: Mapping[str, str]) -> None:
        """Raises Refused."""
        merged = {**self.tags(arn), **tags}
        if len(merged) > TAGS:
            raise Refused(f"A resource has at most {TAGS} tags.", "TooManyTags")
        self._retag(arn, merged)

    def untag(self, arn: str, keys: set[str]) -> None:
        """Keys that are not there are no error. Raises Refused."""
        self._retag(arn, {key: value for key, value in self.tags(arn).items() if key not in keys})

    def _retag(self, arn: str, tags: Mapping[str, str]) -> None:
        if ":listener-rule/" in arn:
            self._become(self.deployment.with_rule(replace(self.rule(arn), tags=tags)))
        else:
            self._become(self.deployment.with_group(replace(self.group(arn), tags=tags)))

    def _become(self, deployment: Deployment) -> None:
        self._changed(deployment)  # first: what cannot be kept has not happened
        self.deployment = deployment
