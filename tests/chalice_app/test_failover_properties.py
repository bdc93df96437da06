"""The controller through random weather: flapping alarms, lost and doubled messages, failing calls, deployments, holds.

Events carry nothing that the controller believes, so a reordered message is a run at another time; that is drawn, too.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib import controller, rules
from chalicelib.failover import Note, Runtime, held, recorded
from tests.chalice_app.balancing import (
    ALONE,
    CONFIG,
    DATABASE,
    ERRORS,
    FIRST,
    PRODUCT,
    SECOND,
    Alarms,
    Balancer,
    Functions,
)
from tests.chalice_app.stage import NOON, Stage

REST = timedelta(minutes=CONFIG.hold_minutes)
GROUPS = rules.Groups(PRODUCT.fargate, PRODUCT.fallback)
BOTH = (FIRST, SECOND)


class Weather:
    """A service and everything that may happen to it. Every write of the controller is judged when it is made."""

    def __init__(self) -> None:
        self.balancer, self.functions = Balancer(), Functions()
        self.alarms = Alarms({name: ("OK", NOON - timedelta(hours=1)) for name in (ALONE, ERRORS, DATABASE)})
        clients: dict[str, Any] = {"elbv2": self.balancer, "cloudwatch": self.alarms, "lambda": self.functions}
        self.stage = Stage(CONFIG, clients.__getitem__)
        self.moves: list[tuple[datetime, Runtime]] = []

    # what happens

    def minute(self) -> None:
        self.stage.wait(minutes=1)

    def while_(self) -> None:
        self.stage.wait(minutes=6)

    def outage(self) -> None:
        self.alarm(ALONE, "ALARM")()
        self.balancer.targets = ["unhealthy"]
        self.run()

    def recovery(self) -> None:
        for name in (ALONE, ERRORS):
            self.alarm(name, "OK")()
        self.balancer.targets = ["healthy"]
        self.stage.wait(minutes=3)

    def homecoming(self) -> None:
        self.recovery()
        self.stage.wait(minutes=11)
        self.run()

    def half_a_recovery(self) -> None:
        self.recovery()
        self.balancer.targets = ["healthy", "initial"]
        self.stage.wait(minutes=11)
        self.run()

    def errors(self) -> None:
        self.alarm(ERRORS, "ALARM")()
        self.run()

    def alarm(self, name: str, state: str) -> Callable[[], None]:
        return lambda: self.alarms.set(name, state, self.stage.now)

    def containers(self, *states: str) -> Callable[[], None]:
        return lambda: setattr(self.balancer, "targets", list(states))

    def fallback(self, answer: object) -> Callable[[], None]:
        return lambda: setattr(self.functions, "answer", answer)

    def breaks(self, operation: str) -> Callable[[], None]:
        """The next but one call of that operation fails."""
        return lambda: self.balancer.failures.update({operation: {self.balancer.asked.get(operation, 0) + 2}})

    def deployed(self) -> None:
        """Somebody forgot to pass on the weights."""
        self.balancer.weights[FIRST] = [100, 0]

    def hold(self, until: timedelta | None) -> Callable[[], None]:
        def act() -> None:
            until_then = self.stage.now + until if until else None
            self.balancer.tags[FIRST][rules.HOLD] = f"until {until_then:%Y-%m-%dT%H:%M:%SZ}" if until_then else "manual"

        return act

    def release(self) -> None:
        for arn in BOTH:
            self.balancer.tags[arn].pop(rules.HOLD, None)

    def message(self) -> None:
        self.run()

    def message_twice(self) -> None:
        failed = self.run()
        before = len(self.balancer.writes)
        again = self.run()
        assert failed or again or len(self.balancer.writes) == before, "the same event twice is not the same once"

    # what must hold

    def run(self) -> bool:
        """One run; True when a call has failed in it."""
        now, weights = self.stage.now, {arn: list(pair) for arn, pair in self.balancer.weights.items()}
        hold = held(tuple(one.rule for one in self._live()), now)
        before = self._note().runtime
        written = len(self.balancer.writes)
        try:
            controller.run(self.stage.operations)
            failed = False
        except controller.ControlFailed:
            failed = True
        if hold:
            assert len(self.balancer.writes) == written, "moved although somebody holds it"
        for arn in BOTH:
            if self.balancer.weights[arn] != weights[arn]:
                self._judge(Runtime.FARGATE if self.balancer.weights[arn][0] else Runtime.LAMBDA)
        after = self._note().runtime
        if after and after is not before:
            self._decided(now, after)
        return failed

    def _judge(self, to: Runtime) -> None:
        if to is Runtime.LAMBDA:
            assert self.alarms.states[DATABASE][0] != "ALARM", "moved to functions while the database is ill"
            assert self.functions.answer == 200, "moved to functions that do not answer"
        else:
            healthy = self.balancer.targets.count("healthy")
            assert healthy > len(self.balancer.targets) - healthy, "moved to containers that are not well"

    def _decided(self, now: datetime, to: Runtime) -> None:
        if self.moves:
            last, _ = self.moves[-1]
            rescued = to is Runtime.LAMBDA and "healthy" not in self.balancer.targets
            assert rescued or now - last >= REST, f"two moves within {now - last}"
        if to is Runtime.FARGATE:
            for name in (ALONE, ERRORS):
                state, since = self.alarms.states[name]
                assert state == "OK"
                assert now - since >= timedelta(minutes=CONFIG.healthy_minutes), "went back too early"
        self.moves.append((now, to))

    def settles(self, *, well: bool) -> None:
        """In steady weather the scheduled runs alone bring every rule to where it belongs."""
        self.release()
        self.balancer.failures = {}
        for act in (
            self.alarm(DATABASE, "OK"),
            self.alarm(ERRORS, "OK"),
            self.alarm(ALONE, "OK" if well else "ALARM"),
            self.containers("healthy" if well else "unhealthy"),
            self.fallback(200),
        ):
            act()
        for _ in range(13):
            self.run()
            self.minute()
        wanted = [100, 0] if well else [0, 100]
        assert list(self.balancer.weights.values()) == [wanted, wanted]

    def _live(self) -> tuple[rules.Live, ...]:
        asked, failures = dict(self.balancer.asked), self.balancer.failures
        self.balancer.failures = {}
        try:
            return rules.read(self.balancer, BOTH, GROUPS)
        finally:
            self.balancer.asked, self.balancer.failures = asked, failures

    def _note(self) -> Note:
        return recorded(tuple(one.rule for one in self._live()), self.stage.now)


def happenings(weather: Weather) -> Sequence[Callable[[], object]]:
    """Runs and the passing of time more often than any one misfortune."""
    return (
        *([weather.minute, weather.while_, weather.message, weather.message_twice] * 3),
        *([weather.outage, weather.recovery, weather.homecoming, weather.half_a_recovery, weather.errors] * 2),
        weather.alarm(ALONE, "ALARM"),
        weather.alarm(ALONE, "ALARM"),
        weather.alarm(ALONE, "OK"),
        weather.alarm(ALONE, "INSUFFICIENT_DATA"),
        weather.alarm(ERRORS, "ALARM"),
        weather.alarm(ERRORS, "OK"),
        weather.alarm(DATABASE, "ALARM"),
        weather.alarm(DATABASE, "OK"),
        weather.containers("healthy", "healthy"),
        weather.containers("unhealthy", "draining"),
        weather.containers(),
        weather.containers("healthy", "unhealthy", "initial"),
        weather.fallback(200),
        weather.fallback(503),
        weather.breaks("modify_rule"),
        weather.breaks("add_tags"),
        weather.breaks("describe_tags"),
        weather.deployed,
        weather.hold(None),
        weather.hold(timedelta(minutes=7)),
        weather.release,
    )


KINDS = len(happenings(Weather()))


@pytest.fixture(autouse=True, scope="module")
def silence() -> Iterator[None]:
    """Thousands of failed calls are written down otherwise, each with its traceback."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(st.integers(0, KINDS - 1), min_size=25, max_size=50), st.booleans())
def test_whatever_happens_the_rules_of_the_failover_hold(course: list[int], well: bool) -> None:
    weather = Weather()
    acts = happenings(weather)
    for number in course:
        acts[number]()
    weather.settles(well=well)
