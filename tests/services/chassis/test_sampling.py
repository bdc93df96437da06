"""Which requests are traced."""

import pytest

from services.chassis.sampling import EVERYTHING, Reservoir, Rule, Sampler, read_rules

NEVER, ALWAYS = (lambda: 0.999_999), (lambda: 0.0)


def test_the_first_rule_that_fits_decides() -> None:
    rules = read_rules(
        '[{"path":"/orders*","method":"GET","rate":0},{"path":"/orders*","rate":1},{"path":"/p?c","rate":1}]'
    )
    sampler = Sampler(rules, chance=lambda: 0.5)
    assert sampler.keeps("POST", "/orders/1/cancel")
    assert not sampler.keeps("GET", "/orders/1")
    assert sampler.keeps("GET", "/pic")
    assert not sampler.keeps("GET", "/pick"), "the whole path has to fit"
    assert not sampler.keeps("GET", "/elsewhere"), "what no rule fits is not kept"


def test_a_pattern_means_its_dots_and_brackets_and_a_line_break_escapes_none() -> None:
    sampler = Sampler([Rule(path="/a.[b]*", rate=1)])
    assert sampler.keeps("GET", "/a.[b]\nc")
    assert not sampler.keeps("GET", "/aX[b]")
    assert not sampler.keeps("GET", "/a.b")


def test_a_reservoir_is_emptied_each_second_and_then_the_rate_decides() -> None:
    now = [100.0]
    sampler = Sampler([Rule(reservoir=2, rate=0.5)], clock=lambda: now[0], chance=NEVER)
    assert [sampler.keeps("GET", "/") for _ in range(4)] == [True, True, False, False]
    now[0] = 101.0
    assert [sampler.keeps("GET", "/") for _ in range(3)] == [True, True, False]


def test_a_reservoir_below_one_is_one_in_so_many_seconds() -> None:
    now = [0.0]
    reservoir = Reservoir(0.1, clock=lambda: now[0])
    taken = 0
    for now[0] in range(100):
        taken += reservoir.take()
    assert taken == 10


def test_a_rate_is_a_share() -> None:
    draws = iter([0.0, 0.04, 0.05, 0.9])
    sampler = Sampler([Rule(rate=0.05)], chance=lambda: next(draws))
    assert [sampler.keeps("GET", "/") for _ in range(4)] == [True, True, False, False]
    assert not Sampler([Rule(rate=0)], chance=ALWAYS).keeps("GET", "/")
    assert Sampler(EVERYTHING, chance=NEVER).keeps("GET", "/")


@pytest.mark.parametrize(
    "text",
    ["{", "[1]", '[{"rate":2}]', '[{"rate":-1}]', '[{"reservoir":-1}]', '[{"paths":"*"}]', '[{"path":1}]', "null"],
)
def test_rules_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        read_rules(text)
