"""The targets behind each group: which of them gets a request, and which is healthy."""

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from scripts.twin.deployment.values import HealthCheck, TargetGroup


@dataclass(slots=True, eq=False)
class Target:
    id: str  # host:port, or the ARN of a function
    healthy: bool | None = None  # None until the first check has passed or enough have failed: "initial"
    streak: int = 0  # checks in a row that contradict the state
    reason: str = "Elb.InitialHealthChecking"  # why it is not healthy
    draining: bool = False
    ended: bool = False  # the deregistration delay is over
    requests: "set[asyncio.Task[None]]" = field(default_factory=set)  # that it has not answered yet

    def note(self, reason: str, health: HealthCheck) -> None:
        """Count a health check; the reason is empty when it passed. The first success makes a new target healthy;
        later changes need as many in a row as the group asks for."""
        passed = not reason
        if passed == self.healthy:
            self.streak = 0
            return
        self.streak += 1
        threshold = health.healthy if passed else health.unhealthy
        if self.streak >= threshold or (passed and self.healthy is None):
            self.healthy, self.streak, self.reason = passed, 0, reason

    @contextlib.contextmanager
    def occupied(self) -> Iterator[None]:
        """Counts the running request as outstanding; it is cancelled when the target has to go before it ends."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a request is served within a task")
        self.requests.add(task)
        try:
            yield
        finally:
            self.requests.discard(task)

    def cut(self) -> None:
        """End what is still running ("The deregistration delay period elapsed for a request …": 502)."""
        self.ended = True
        for task in self.requests:
            task.cancel()


@dataclass(slots=True)
class Group:
    """A target group at work."""

    value: TargetGroup
    targets: list[Target] = field(default_factory=list)
    turn: int = 0

    @property
    def registered(self) -> list[Target]:
        return [target for target in self.targets if not target.draining]

    def next(self) -> Target | None:
        """Among the healthy, or among all when too few are (the group fails open); None when none is registered.

        In turn, or the one with the fewest requests outstanding, as the group's algorithm says.
        """
        registered = self.registered
        healthy = [target for target in registered if target.healthy]
        candidates = healthy if len(healthy) >= self.value.needed_healthy(len(registered)) else registered
        if not candidates:
            return None
        self.turn += 1
        start = self.turn % len(candidates)
        in_turn = candidates[start:] + candidates[:start]
        return min(in_turn, key=lambda target: len(target.requests)) if self.value.counts_outstanding else in_turn[0]

    def register(self, target: str) -> Target:
        """A target that was leaving comes back as a new one."""
        for known in self.registered:
            if known.id == target:
                return known
        made = Target(target)
        if not self.value.health.enabled:
            made.reason = "Target.HealthCheckDisabled"
        self.targets = [known for known in self.targets if known.id != target] + [made]
        return made

    def state(self, target: Target) -> tuple[str, str]:
        """The state and its reason as DescribeTargetHealth says them."""
        if target.draining:
            return "draining", "Target.DeregistrationInProgress"
        if not self.value.health.enabled:
            return "unavailable", target.reason
        states = {None: "initial", True: "healthy", False: "unhealthy"}
        return states[target.healthy], target.reason
