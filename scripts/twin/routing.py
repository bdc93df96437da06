"""Where a request goes: listener rules in the order of their priority, and the targets behind each."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cfn.environments import Service


@dataclass(slots=True)
class Target:
    address: str  # host:port
    healthy: bool | None = None  # None until the first check has passed or enough have failed: "initial"
    streak: int = 0  # checks in a row that contradict the state

    def note(self, *, passed: bool, threshold: int) -> None:
        """Count a health check. The first success makes a new target healthy; later changes need the threshold."""
        if passed == self.healthy:
            self.streak = 0
            return
        self.streak += 1
        if self.streak >= threshold or (passed and self.healthy is None):
            self.healthy, self.streak = passed, 0


@dataclass(slots=True)
class TargetGroup:
    name: str
    health_path: str = "/healthz"
    targets: list[Target] = field(default_factory=list)
    turn: int = 0

    def next(self) -> Target | None:
        """Round robin over the healthy; over all when none is (the group fails open); None when none is registered."""
        targets = [target for target in self.targets if target.healthy] or self.targets
        if not targets:
            return None
        self.turn += 1
        return targets[self.turn % len(targets)]


@dataclass(frozen=True, slots=True)
class Rule:
    priority: int
    pattern: re.Pattern[str]
    group: TargetGroup


class Listener:
    """Rules by priority, and a default for what none of them matches."""

    def __init__(self, rules: Iterable[Rule], default: TargetGroup) -> None:
        self._rules = sorted(rules, key=lambda rule: rule.priority)
        self._default = default
        self.groups = {rule.group.name: rule.group for rule in self._rules} | {default.name: default}

    def choose(self, path: str) -> TargetGroup:
        for rule in self._rules:
            if rule.pattern.match(path):
                return rule.group
        return self._default


def path_patterns(values: Sequence[str]) -> re.Pattern[str]:
    """`*` is any number of characters, slashes too, `?` exactly one; case counts, and the whole path must match."""
    wild = {"*": ".*", "?": "."}
    parts = ("".join(wild.get(character, re.escape(character)) for character in value) for value in values)
    return re.compile(rf"(?:{'|'.join(parts)})\Z", re.DOTALL)


def listener(services: Iterable[Service], addresses: Mapping[str, Sequence[str]]) -> Listener:
    """The listener that the table of services describes, with the targets that are running."""
    rules, default = [], TargetGroup("default")
    for service in services:
        targets = [Target(address) for address in addresses.get(service.name, ())]
        group = TargetGroup(service.name, service.health_path, targets)
        if service.paths:
            rules.append(Rule(service.priority, path_patterns(service.paths), group))
        else:
            default = group
    return Listener(rules, default)
