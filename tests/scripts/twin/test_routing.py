"""Rules, weights and targets as the documentation of the load balancer has them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from scripts.twin.deployment.values import Action, Condition, HealthCheck, Rule, Share, TargetGroup
from scripts.twin.load_balancer.balancer import drawn
from scripts.twin.load_balancer.forwarding import Refusal
from scripts.twin.load_balancer.health import fits
from scripts.twin.load_balancer.matching import Asked, first_match, holds, pattern
from scripts.twin.load_balancer.targets import Group, Target
from tests.scripts.twin.deployments import SECRET, local

CHECK = HealthCheck(healthy=2, unhealthy=2)
VERIFIED = [(b"x-origin-verify", SECRET.encode())]


def asking(path: str = "/", method: str = "GET", headers: Sequence[tuple[bytes, bytes]] = ()) -> Asked:
    return Asked(method, path, headers)


def group_with(*targets: Target, **attributes: str) -> Group:
    return Group(TargetGroup(arn="g", name="g", kind="ip", port=1, health=CHECK, attributes=attributes), list(targets))


@pytest.mark.parametrize(
    ("path", "service"),
    [
        ("/products", "product"),
        ("/products/", "product"),
        ("/products/7", "product"),
        ("/products/7/stock", "product"),
        ("/products/%2e%2e", "product"),
        ("/orders", "order"),
        ("/orders/x", "order"),
        ("/", "frontend"),
        ("/healthz", "frontend"),
        ("/api/products", "frontend"),
        ("/productsandmore", "frontend"),
        ("/Products", "frontend"),
        ("/PRODUCTS/7", "frontend"),
        ("//products", "frontend"),
        ("/order", "frontend"),
    ],
)
def test_a_path_goes_to_the_service_whose_rule_matches_it(path: str, service: str) -> None:
    assert first_match(local().rules, asking(path, headers=VERIFIED)).service == service


@pytest.mark.parametrize(
    ("value", "path", "matches"),
    [
        ("/a?c", "/abc", True),
        ("/a?c", "/ac", False),
        ("/a?c", "/a/c", True),
        ("/a*", "/a", True),
        ("/a*", "/a/b/c", True),
        ("*.png", "/x/y.png", True),
        ("*.png", "/x/y.pngx", False),
        ("/a.c", "/abc", False),
        ("/a", "/a\n", False),
    ],
)
def test_a_star_is_any_run_of_characters_and_a_question_mark_exactly_one(value: str, path: str, matches: bool) -> None:
    """ "Path conditions" in "Condition types for listener rules"."""
    assert bool(pattern((value,)).match(path)) is matches


@pytest.mark.parametrize(
    ("condition", "asked", "expected"),
    [
        (
            Condition(field="http-header", header="X-Tag", values=("Blue*",)),
            asking(headers=[(b"x-tag", b"BLUEish")]),
            True,
        ),
        (Condition(field="http-header", header="X-Tag", values=("blue",)), asking(headers=[(b"x-tag", b"red")]), False),
        (Condition(field="http-header", header="X-Tag", values=("blue",)), asking(), False),
        (
            Condition(field="host-header", values=("*.Example.com",)),
            asking(headers=[(b"host", b"a.example.COM:80")]),
            True,
        ),
        (Condition(field="host-header", values=("example.com",)), asking(headers=[(b"host", b"a.example.com")]), False),
        (Condition(field="http-request-method", values=("GET", "HEAD")), asking(method="HEAD"), True),
        (Condition(field="http-request-method", values=("GET",)), asking(method="get"), False),
        (Condition(field="path-pattern", values=("/b", "/a")), asking("/a"), True),
    ],
)
def test_headers_and_hosts_are_compared_without_case_and_methods_exactly(
    condition: Condition, asked: Asked, expected: bool
) -> None:
    """ "Condition types for listener rules"."""
    assert holds(condition, asked) is expected


def test_all_conditions_of_a_rule_must_hold_and_the_first_rule_by_priority_decides() -> None:
    """ "Listener rules": evaluated from the lowest value to the highest, the default rule last."""

    def rule(arn: str, *conditions: Condition) -> Rule:
        return Rule(arn=arn, priority=1, action=Action(), conditions=conditions)

    path = Condition(field="path-pattern", values=("/x*",))
    method = Condition(field="http-request-method", values=("PUT",))
    rules = [rule("both", path, method), rule("path", path), rule("default")]
    assert first_match(rules, asking("/xy", "PUT")).arn == "both"
    assert first_match(rules, asking("/xy")).arn == "path"
    assert first_match(rules, asking("/y", "PUT")).arn == "default"


# --- weights --------------------------------------------------------------------------------------------------------


def test_groups_are_drawn_by_their_weight() -> None:
    """ "Forward actions": "If you specify multiple target groups for a forward action, you must specify a weight"."""
    shares = (Share(group="a", weight=1), Share(group="b", weight=0), Share(group="c", weight=3))
    points = iter(range(4))
    assert [drawn(shares, lambda _: next(points)) for _ in range(4)] == ["a", "c", "c", "c"]
    random = Random(7)
    counts = Counter(drawn(shares, random.randrange) for _ in range(4000))
    assert set(counts) == {"a", "c"}
    assert 0.2 < counts["a"] / 4000 < 0.3


def test_a_weight_of_zero_for_all_leaves_nobody() -> None:
    with pytest.raises(Refusal) as refusal:
        drawn((Share(group="a", weight=0),), Random(1).randrange)
    assert refusal.value.status == 503


# --- targets --------------------------------------------------------------------------------------------------------


def test_healthy_targets_take_turns_and_the_others_get_nothing() -> None:
    group = group_with(Target("a", healthy=True), Target("b", healthy=False), Target("c", healthy=True))
    taken = [target.id for target in (group.next() for _ in range(6)) if target]
    assert sorted(taken) == ["a", "a", "a", "c", "c", "c"]
    assert taken[0] != taken[1]


def test_a_group_without_a_healthy_target_fails_open() -> None:
    group = group_with(Target("a", healthy=False), Target("b"))
    assert {target.id for target in (group.next() for _ in range(4)) if target} == {"a", "b"}


@pytest.mark.parametrize(
    ("attribute", "value", "healthy", "open_"),
    [
        ("count", "1", 1, False),
        ("count", "2", 1, True),
        ("count", "off", 1, False),
        ("percentage", "50", 1, True),
        ("percentage", "50", 2, False),
        ("percentage", "off", 1, False),
    ],
)
def test_a_group_fails_open_below_its_own_threshold(attribute: str, value: str, healthy: int, open_: bool) -> None:
    """ "Target group health": unhealthy_state_routing.minimum_healthy_targets, whichever of the two is broken first."""
    key = f"target_group_health.unhealthy_state_routing.minimum_healthy_targets.{attribute}"
    targets = [Target(str(number), healthy=number < healthy) for number in range(3)]
    group = Group(replace(group_with().value, attributes={key: value}), targets)
    used = {target.id for target in (group.next() for _ in range(6)) if target}
    assert len(used) == (3 if open_ else healthy)


def test_a_group_without_targets_has_nothing_to_offer() -> None:
    """ "HTTP 503": "The target groups for the load balancer have no registered targets"."""
    assert group_with().next() is None
    assert group_with(Target("a", healthy=True, draining=True)).next() is None


def test_health_changes_after_the_threshold_and_a_new_target_is_healthy_at_once() -> None:
    """ "Health checks …": a new target must pass one check; later changes take HealthyThresholdCount and its like."""
    target = Target("a")
    seen = []
    for passed in (False, True, False, True, False, False, True, True):
        target.note("" if passed else "Target.Timeout", CHECK)
        seen.append(target.healthy)
    assert seen == [None, True, True, True, True, False, False, True]


def test_thresholds_for_the_way_down_and_the_way_up_are_separate() -> None:
    target, check = Target("a", healthy=True), HealthCheck(healthy=3, unhealthy=2)
    seen = []
    for passed in (False, False, True, True, True):
        target.note("" if passed else "Target.Timeout", check)
        seen.append(target.healthy)
    assert seen == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("codes", "status", "good"),
    [
        ("200", 200, True),
        ("200", 204, False),
        ("200,204", 204, True),
        ("200-299", 250, True),
        ("200-204,301", 301, True),
        ("200-204,301", 205, False),
    ],
)
def test_the_matcher_says_which_status_is_healthy(codes: str, status: int, good: bool) -> None:
    """ "Matcher" in the API reference: "200", "200,202", or "200-299"."""
    assert fits(status, codes) is good


def test_a_target_that_comes_back_while_it_leaves_starts_anew() -> None:
    group = group_with(Target("a", healthy=True, draining=True))
    again = group.register("a")
    assert group.targets == [again]
    assert group.register("a") is again
    assert group.state(again) == ("initial", "Elb.InitialHealthChecking")
