"""Budgets: thresholds that follow from the objective, over two windows each."""

from dataclasses import replace

import pytest

from cfn.boxes.objectives import BURNS, LEAST
from cfn.environments import ENVIRONMENTS
from cfn.promises import Objective, Selling
from cfn.values import BadValue
from tests.cfn.rendered import Rendered, Resource


def alarm(deployment: Rendered, name: str) -> Resource:
    found = deployment.resources("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    (one,) = (each for each in found if each["AlarmName"] == f"tandem-{deployment.environment.name}-{name}")
    return one


def window(one: Resource) -> int:
    queries = [query["MetricStat"]["Period"] for query in one.properties.get("Metrics", ()) if "MetricStat" in query]
    (period,) = set(queries or [one["Period"]])
    return int(period)


def test_rates_are_those_of_the_workbook() -> None:
    """Table 5-8: 2 % in an hour, 5 % in six, of 30 days."""
    assert [burn.rate(Objective(subject="order")) for burn in BURNS] == [14.4, 6]
    assert [burn.windows for burn in BURNS] == [(3600, 300), (21600, 1800)]
    assert BURNS[0].rate(Objective(subject="order", days=28)) == 13.44


@pytest.mark.parametrize(
    ("name", "threshold", "seconds"),
    [
        ("order-failing-1h", 1.44, 3600),
        ("order-failing-5m", 1.44, 300),
        ("order-failing-6h", 0.6, 21600),
        ("order-failing-30m", 0.6, 1800),
        ("order-late-1h", 72, 3600),
        ("order-late-30m", 30, 1800),
        ("shop-failing-1h", 1.44, 3600),
        ("shop-failing-5m", 1.44, 300),
    ],
)
def test_thresholds_follow_from_rate_and_budget(dev: Rendered, name: str, threshold: float, seconds: int) -> None:
    one = alarm(dev, name)
    assert one["Threshold"] == pytest.approx(threshold)
    assert window(one) == seconds
    assert (one["EvaluationPeriods"], one["TreatMissingData"]) == (1, "notBreaching")


def test_both_windows_must_burn_before_anybody_is_told(deployment: Rendered) -> None:
    for objective in deployment.environment.objectives:
        for word, windows in (("fast", ("1h", "5m")), ("slow", ("6h", "30m"))):
            one = alarm(deployment, f"{objective.subject}-burn-{word}")
            text, names = one["AlarmRule"]["Fn::Sub"]
            whats = ("failing",) if objective.subject == "shop" else ("failing", "late")
            titles = [[f"{objective.subject}-{what}-{end}" for end in windows] for what in whats]
            called = [[title_of(deployment, name) for name in pair] for pair in titles]
            assert text == " OR ".join(f'(ALARM("${{{long}}}") AND ALARM("${{{short}}}"))' for long, short in called)
            assert set(names) == {title for pair in called for title in pair}


def title_of(deployment: Rendered, name: str) -> str:
    return alarm(deployment, name).title


def test_a_long_window_needs_more_than_a_few_failures(dev: Rendered) -> None:
    for name in ("order-failing-1h", "order-late-6h", "shop-failing-1h"):
        (result,) = (query for query in alarm(dev, name)["Metrics"] if "Expression" in query)
        assert f">= {LEAST}," in result["Expression"]


def test_a_service_is_judged_on_both_runtimes_together(dev: Rendered) -> None:
    """By what it counts itself, which knows no runtime."""
    series = [query["MetricStat"]["Metric"] for query in alarm(dev, "order-failing-1h")["Metrics"][:2]]
    assert {one["Namespace"] for one in series} == {"Tandem/Shop"}
    named = {(entry["Name"], entry["Value"]) for one in series for entry in one["Dimensions"]}
    assert named == {("environment", "dev"), ("service", "order")}


def test_what_reaches_no_service_counts_for_the_shop(dev: Rendered) -> None:
    metrics = {q["MetricStat"]["Metric"]["MetricName"] for q in alarm(dev, "shop-failing-1h")["Metrics"][:3]}
    assert metrics == {"HTTPCode_ELB_5XX_Count", "HTTPCode_Target_5XX_Count", "RequestCount"}


def test_a_hobby_shop_has_one_objective(lean: Rendered) -> None:
    burns = [one for one in lean.resources("AWS::CloudWatch::CompositeAlarm") if "burn" in one["AlarmName"]]
    assert {one["AlarmName"] for one in burns} == {"tandem-lean-frontend-burn-fast", "tandem-lean-frontend-burn-slow"}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"available": 100}, "leaves nothing to burn"),
        ({"available": 90}, "can never burn"),
        ({"quick": 93}, "can never burn"),
        ({"within": 0}, "above 0"),
    ],
)
def test_an_objective_that_no_alarm_could_watch_is_refused(given: dict[str, float], sentence: str) -> None:
    with pytest.raises(BadValue, match=sentence):
        Objective(subject="order", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("objectives", "sentence"),
    [
        ((), "at least one"),
        ((Objective(subject="cellar"),), "not \\['cellar'\\]"),
        ((Objective(subject="order"), Objective(subject="order")), "the same subject"),
    ],
)
def test_objectives_are_about_what_is_there(objectives: tuple[Objective, ...], sentence: str) -> None:
    with pytest.raises(BadValue, match=sentence):
        replace(ENVIRONMENTS["dev"], objectives=objectives)


def test_orders_are_missed_within_a_day_or_not_at_all() -> None:
    for given in ({"hours": 25}, {"hours": 0}, {"visits": 0}):
        with pytest.raises(BadValue):
            Selling(**given)
