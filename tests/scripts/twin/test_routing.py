"""Listener rules as the load balancer's documentation has them."""

import pytest

from cfn.environments import SERVICES
from scripts.twin.routing import Listener as Rules
from scripts.twin.routing import Rule, Target, TargetGroup, listener, path_patterns


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
    rules = listener(SERVICES, {one.name: [f"{one.name}:1"] for one in SERVICES})
    target = rules.choose(path).next()
    assert target is not None
    assert target.address == f"{service}:1"


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
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
def test_a_star_is_any_run_of_characters_and_a_question_mark_exactly_one(
    pattern: str, path: str, matches: bool
) -> None:
    assert bool(path_patterns([pattern]).match(path)) is matches


def test_the_lowest_priority_number_decides_whatever_the_order_of_the_rules() -> None:
    first, second = TargetGroup("first"), TargetGroup("second")
    rules = Rules([Rule(20, path_patterns(["/x*"]), second), Rule(10, path_patterns(["/xy"]), first)], second)
    assert rules.choose("/xy") is first
    assert rules.choose("/xz") is second


def test_healthy_targets_take_turns_and_the_others_get_nothing() -> None:
    group = TargetGroup("g", targets=[Target("a", healthy=True), Target("b", healthy=False), Target("c", healthy=True)])
    taken = [target.address for target in (group.next() for _ in range(6)) if target]
    assert sorted(taken) == ["a", "a", "a", "c", "c", "c"]
    assert taken[0] != taken[1]


def test_a_group_without_a_healthy_target_fails_open() -> None:
    group = TargetGroup("g", targets=[Target("a", healthy=False), Target("b")])
    assert {target.address for target in (group.next() for _ in range(4)) if target} == {"a", "b"}


def test_a_group_without_targets_has_nothing_to_offer() -> None:
    assert TargetGroup("g").next() is None


def test_health_changes_after_the_threshold_and_a_new_target_is_healthy_at_once() -> None:
    target = Target("a")
    seen = []
    for passed in (False, True, False, True, False, False, True, True):
        target.note(passed=passed, threshold=2)
        seen.append(target.healthy)
    assert seen == [None, True, True, True, True, False, False, True]
