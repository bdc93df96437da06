"""The decision: what moves a service, and what must not."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.failover import (
    Alarm,
    Containers,
    Evidence,
    Hold,
    Look,
    Move,
    Note,
    Policy,
    Rule,
    Runtime,
    Situation,
    State,
    Stay,
    Why,
    decide,
)
from tests.chalice_app.stage import NOON

POLICY = Policy(rest=timedelta(minutes=10), healthy=timedelta(minutes=5))
LONG_AGO = NOON - timedelta(hours=1)
WELL = Alarm("alone", State.OK, LONG_AGO)
ILL = Alarm("alone", State.ALARM, NOON)
DATABASE = Alarm("database", State.ALARM, LONG_AGO)
READY, GONE = Containers(2, 0), Containers(0, 2)
ON_CONTAINERS, ON_FUNCTIONS = Rule("a", 100, 0), Rule("a", 0, 100)


def noted(runtime: Runtime, since: datetime, hold: Hold | None = None, arn: str = "a") -> Rule:
    weights = (100, 0) if runtime is Runtime.FARGATE else (0, 100)
    return Rule(arn, *weights, Note(runtime, since, "a test", hold))


AWAY = noted(Runtime.LAMBDA, LONG_AGO)
BACK = noted(Runtime.FARGATE, NOON - timedelta(minutes=2))


def situation(*rules: Rule, alarm: Alarm = ILL, **known: Any) -> Situation:
    return replace(Situation(rules=rules, alarms=(alarm,), fallback=True, containers=READY), **known)


def test_an_alarm_moves_every_rule_when_the_fallback_answers() -> None:
    decision = decide(situation(ON_CONTAINERS, Rule("b", 90, 10)), POLICY, NOON)
    assert decision == Move(Runtime.LAMBDA, ("a", "b"), NOON, "alarm alone")


@pytest.mark.parametrize("state", [State.OK, State.UNKNOWN, State.MISSING])
def test_nothing_but_an_alarm_moves_it(state: State) -> None:
    assert decide(situation(ON_CONTAINERS, alarm=Alarm("alone", state)), POLICY, NOON) == Stay(Why.SETTLED)


def test_the_fallback_is_asked_only_when_a_move_hangs_on_it() -> None:
    assert decide(situation(ON_CONTAINERS, fallback=None), POLICY, NOON) == Look(Evidence.FALLBACK)
    assert decide(situation(ON_CONTAINERS, fallback=None, database=(DATABASE,)), POLICY, NOON) == Stay(
        Why.DATABASE, refused=True
    )


@pytest.mark.parametrize(
    ("known", "why"),
    [({"fallback": False}, Why.FALLBACK), ({"database": (DATABASE,)}, Why.DATABASE)],
    ids=lambda value: str(value)[:20],
)
def test_a_move_to_lambda_is_refused(known: dict[str, Any], why: Why) -> None:
    assert decide(situation(ON_CONTAINERS, **known), POLICY, NOON) == Stay(why, refused=True)


@pytest.mark.parametrize("state", [State.OK, State.UNKNOWN, State.MISSING])
def test_a_database_alarm_that_is_not_on_forbids_nothing(state: State) -> None:
    known = situation(ON_CONTAINERS, database=(Alarm("database", state),))
    assert isinstance(decide(known, POLICY, NOON), Move)


def test_inside_the_rest_it_stays_while_any_container_answers() -> None:
    assert decide(situation(BACK), POLICY, NOON) == Stay(Why.RESTING, refused=True)
    assert decide(situation(BACK, containers=None), POLICY, NOON) == Look(Evidence.CONTAINERS)


def test_inside_the_rest_it_moves_when_no_container_is_left() -> None:
    assert isinstance(decide(situation(BACK, containers=GONE), POLICY, NOON), Move)


def test_it_goes_back_when_everything_has_been_well_for_long_enough() -> None:
    decision = decide(situation(AWAY, alarm=WELL), POLICY, NOON)
    assert decision == Move(Runtime.FARGATE, ("a",), NOON, "healthy for 5 minutes")


@pytest.mark.parametrize(
    "alarm",
    [
        ILL,
        Alarm("alone", State.OK, NOON - timedelta(minutes=4, seconds=59)),
        Alarm("alone", State.OK),
        Alarm("alone", State.UNKNOWN, LONG_AGO),
        Alarm("alone", State.MISSING),
    ],
    ids=lambda alarm: f"{alarm.state} since {alarm.since}",
)
def test_it_does_not_go_back_on_less_than_that(alarm: Alarm) -> None:
    assert decide(situation(AWAY, alarm=alarm), POLICY, NOON) == Stay(Why.WAITING)


def test_it_does_not_go_back_without_an_alarm_that_would_say_so() -> None:
    assert decide(replace(situation(AWAY), alarms=()), POLICY, NOON) == Stay(Why.WAITING)


@pytest.mark.parametrize("containers", [GONE, Containers(1, 1)])
def test_it_does_not_go_back_to_containers_of_which_too_few_are_healthy(containers: Containers) -> None:
    assert decide(situation(AWAY, alarm=WELL, containers=containers), POLICY, NOON) == Stay(Why.WAITING)


def test_it_does_not_go_back_inside_the_rest() -> None:
    just = noted(Runtime.LAMBDA, NOON - timedelta(minutes=9, seconds=59))
    assert decide(situation(just, alarm=WELL), POLICY, NOON) == Stay(Why.WAITING)


@pytest.mark.parametrize("hold", [Hold(), Hold(NOON + timedelta(seconds=1))], ids=["for ever", "until later"])
@pytest.mark.parametrize("alarm", [ILL, WELL], ids=["alarm", "ok"])
def test_a_hold_on_one_rule_keeps_every_rule(hold: Hold, alarm: Alarm) -> None:
    rules = (noted(Runtime.FARGATE, LONG_AGO, hold), noted(Runtime.LAMBDA, LONG_AGO, arn="b"))
    assert decide(situation(*rules, alarm=alarm), POLICY, NOON) in (Stay(Why.HELD), Stay(Why.HELD, refused=True))


def test_a_hold_that_is_over_holds_nothing() -> None:
    over = noted(Runtime.FARGATE, LONG_AGO, Hold(NOON))
    assert isinstance(decide(situation(over), POLICY, NOON), Move)


def test_a_move_that_failed_half_way_is_completed_without_a_new_time() -> None:
    half = (AWAY, replace(noted(Runtime.LAMBDA, LONG_AGO, arn="b"), fargate=100, fallback=0))
    decision = decide(situation(*half), POLICY, NOON)
    assert decision == Move(Runtime.LAMBDA, ("b",), LONG_AGO, "a test", fresh=False)
    assert decide(situation(*half, database=(DATABASE,)), POLICY, NOON) == Stay(Why.DATABASE, refused=True)


def test_weights_that_a_deployment_put_back_are_mended() -> None:
    undone = replace(AWAY, fargate=100, fallback=0)
    assert decide(situation(undone), POLICY, NOON) == Move(Runtime.LAMBDA, ("a",), LONG_AGO, "a test", fresh=False)


def test_a_rule_with_no_weight_at_all_is_mended() -> None:
    dead = Rule("b", 0, 0)
    decision = decide(situation(ON_CONTAINERS, dead, alarm=WELL), POLICY, NOON)
    assert isinstance(decision, Move)
    assert (decision.to, decision.rules) == (Runtime.FARGATE, ("b",))


def test_the_newest_note_counts_where_rules_disagree() -> None:
    newer = noted(Runtime.LAMBDA, NOON - timedelta(minutes=1), arn="b")
    decision = decide(situation(noted(Runtime.FARGATE, LONG_AGO), newer), POLICY, NOON)
    assert decision == Move(Runtime.LAMBDA, ("a",), NOON - timedelta(minutes=1), "a test", fresh=False)


def test_functions_that_nobody_noted_are_noted_before_anything_else() -> None:
    decision = decide(situation(ON_FUNCTIONS, alarm=WELL), POLICY, NOON)
    assert decision == Move(Runtime.LAMBDA, (), NOON, "found on functions", fresh=False)


def test_a_note_from_the_future_does_not_stop_the_clock() -> None:
    tomorrow = noted(Runtime.FARGATE, NOON + timedelta(days=1))
    assert isinstance(decide(situation(tomorrow), POLICY, NOON), Move)


def test_weights_shared_on_purpose_are_left_alone() -> None:
    shared = Rule("a", 90, 10, Note(Runtime.FARGATE, LONG_AGO))
    assert decide(situation(shared, alarm=WELL), POLICY, NOON) == Stay(Why.SETTLED)
