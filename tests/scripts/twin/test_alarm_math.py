"""Statistics, metric math and rules of composite alarms, as far as the templates have them; the rest is refused."""

import pytest

from cfn.environments import ENVIRONMENTS
from scripts.twin.alarms.expression import calculated, holds
from scripts.twin.alarms.reading import Alarm, alarms
from scripts.twin.alarms.samples import Samples, Series, Unreadable, statistic
from scripts.twin.deployment.local import local_world

HERE = Series.of("Tandem/Shop", "Duration", {"service": "order", "environment": "dev"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sum", 100),
        ("Average", 25),
        ("Minimum", 10),
        ("Maximum", 40),
        ("SampleCount", 4),
        ("p50", 25),
        ("p95", 38.5),
        ("TC(20:)", 2),
        ("PR(20:)", 50),
        ("PR(40:)", 0),
    ],
)
def test_a_window_becomes_one_number(name: str, value: float) -> None:
    assert statistic(name, [40, 10, 30, 20]) == pytest.approx(value)
    assert statistic(name, []) is None, "no data is not 0"


@pytest.mark.parametrize("name", ["Median", "tm95", "PR(:20)", "IQM", "p", ""])
def test_a_statistic_that_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(Unreadable, match="no statistic"):
        statistic(name, [1.0])


def test_a_window_ends_with_its_last_second_and_begins_after_the_one_before() -> None:
    samples = Samples()
    for at in (60.0, 120.0, 180.0):
        samples.add(HERE, [at], at)
    assert samples.within(HERE, 60, 120) == [120]
    assert samples.within(HERE, 0, 180) == [60, 120, 180]
    samples.forget(120)
    assert samples.within(HERE, 0, 180) == [120, 180]


def test_other_dimensions_are_another_series() -> None:
    samples = Samples()
    samples.add(HERE, [1], 60)
    for other in ({"service": "order"}, {"service": "order", "environment": "dev", "route": "/orders"}):
        assert not samples.within(Series.of("Tandem/Shop", "Duration", other), 0, 60)
    same = Series.of("Tandem/Shop", "Duration", {"environment": "dev", "service": "order"})
    assert samples.within(same, 0, 60) == [1]


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("100 * a / b", 50),
        ("a / (b - b)", None),
        ("a + missing", None),
        ("FILL(missing, 0) + a", 2),
        ("IF(a >= 2, b, 0)", 4),
        ("IF(a > 2, b, 0)", 0),
        ("IF(missing > 2, b, 0)", None),
        ("IF(a < 3, missing, 0)", None),
        ("IF(a <= 1, 1, missing)", None),
    ],
)
def test_what_lacks_data_has_no_value_unless_it_is_filled(formula: str, value: float | None) -> None:
    assert calculated(formula, {"a": 2, "b": 4, "missing": None}) == value


@pytest.mark.parametrize("formula", ["RATE(a)", "MAX([a, b])", "a ** 2", "IF(a, b)", "IF(a > 1, RATE(a), b)", "c", "="])
def test_a_formula_that_is_not_known_is_refused_on_every_way_through_it(formula: str) -> None:
    with pytest.raises(Unreadable):
        calculated(formula, {"a": 0, "b": 1})


@pytest.mark.parametrize(
    ("rule", "on", "holding"),
    [
        ('ALARM("a") AND ALARM("b")', "a", False),
        ('ALARM("a") AND ALARM("b")', "ab", True),
        ('(ALARM("a") AND ALARM("b")) OR (ALARM("c") AND ALARM("d"))', "cd", True),
        ('(ALARM("a") AND ALARM("b")) OR (ALARM("c") AND ALARM("d"))', "ac", False),
        ('ALARM("a") AND NOT ALARM("b")', "a", True),
    ],
)
def test_a_composite_rule_holds_as_it_reads(rule: str, on: str, holding: bool) -> None:
    assert holds(rule, lambda name: name in on) is holding


@pytest.mark.parametrize(
    "rule", ['OK("a")', 'ALARM("a") XOR ALARM("b")', "TRUE", 'ALARM("a") OR INSUFFICIENT_DATA("b")']
)
def test_a_rule_that_is_not_known_is_refused(rule: str) -> None:
    with pytest.raises(Unreadable):
        holds(rule, lambda _: True)


def test_every_alarm_of_the_templates_is_read() -> None:
    for name, environment in ENVIRONMENTS.items():
        found = list(alarms(local_world(environment=environment)))
        assert len({alarm.name for alarm in found}) == len(found) > 50, name
        for alarm in found:
            readable(alarm)


def readable(alarm: Alarm) -> None:
    values = {label: statistic(looked.statistic, [1.0]) for label, looked in alarm.series.items()}
    if alarm.formula:
        calculated(alarm.formula, values)
    if alarm.rule:
        assert holds(alarm.rule, lambda _: True)
        assert not holds(alarm.rule, lambda _: False)
    for looked in alarm.series.values():
        assert looked.series.dimensions
        assert all(name and value for name, value in looked.series.dimensions)
