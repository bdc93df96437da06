"""What the twin's parts say, as CloudWatch would have it: names, dimensions and numbers."""

import json
from pathlib import Path
from typing import Any

from scripts.twin.alarms.samples import Series
from scripts.twin.alarms.sources import Balancer, Functions, Logs, Measured, embedded, knowable

ARN = "arn:aws:elasticloadbalancing:us-east-1:000000000000"
EDGE = {"LoadBalancer": "app/b/2"}
BEHIND = {"TargetGroup": "targetgroup/g/1", **EDGE}


def status(answers: dict[str, Any], *, states: tuple[str, ...] = ("healthy",), at: float = 1) -> dict[str, Any]:
    group = {"arn": f"{ARN}:targetgroup/g/1", "runtime": "fargate", "targets": [{"state": one} for one in states]}
    share = {"arn": group["arn"], "runtime": "fargate"}
    request = {"at": at, "service": "product", "runtime": "fargate", "milliseconds": 1500}
    return {
        "listener": f"{ARN}:listener/app/b/2/3",
        "groups": [group],
        "rules": [{"service": "product", "action": {"forward": [share]}}],
        "answers": answers,
        "requests": [request],
    }


def found(measured: Any) -> dict[tuple[str, int], list[float]]:
    """By name and number of dimensions."""
    return {(series.name, len(series.dimensions)): list(values) for series, values in measured}


def test_requests_since_the_last_time_are_what_a_real_minute_would_have_had() -> None:
    balancer = Balancer(hurry=60)
    list(balancer.read(status({"product": {"fargate": {"2xx": 10, "5xx": 1}, "load-balancer": {"5xx": 4}}})))
    later = {"product": {"fargate": {"2xx": 12, "5xx": 2}, "load-balancer": {"5xx": 5}}}
    assert found(balancer.read(status(later, states=("unhealthy", "draining"), at=2))) == {
        ("HealthyHostCount", 2): [0],
        ("UnHealthyHostCount", 2): [1],
        ("HTTPCode_Target_5XX_Count", 2): [60],
        ("RequestCount", 2): [180],
        ("TargetResponseTime", 2): [1.5],
        ("HTTPCode_Target_5XX_Count", 1): [60],
        ("RequestCount", 1): [180],
        ("HTTPCode_ELB_5XX_Count", 1): [60],
    }
    assert found(balancer.read(status(later, at=2)))["TargetResponseTime", 2] == [], "each request counts once"


def test_series_of_the_load_balancer_have_the_names_that_the_templates_give_them() -> None:
    dimensions = {series.name: dict(series.dimensions) for series, _ in Balancer(hurry=1).read(status({}))}
    assert dimensions["HealthyHostCount"] == BEHIND
    assert dimensions["HTTPCode_ELB_5XX_Count"] == EDGE


def test_a_group_without_targets_says_nothing_about_hosts() -> None:
    silent = Balancer(hurry=1).read(status({}, states=("draining",)))
    assert not [one for one in silent if "Host" in one[0].name]


def test_functions_are_counted_since_the_last_time_and_are_silent_when_nobody_calls() -> None:
    functions = Functions()
    first = {"functions": {"f": {"invocations": 5, "errors": 1, "throttles": 0}, "new": {"prepared": False}}}
    assert not list(functions.read(first))
    later = {"functions": {"f": {"invocations": 7, "errors": 1, "throttles": 2}}}
    counted = {series.name: values for series, values in functions.read(later)}
    assert counted == {"Invocations": [2], "Errors": [0], "Throttles": [2]}
    assert not list(functions.read(later))


LINE = {
    "_aws": {
        "Timestamp": 1,
        "CloudWatchMetrics": [
            {
                "Namespace": "Tandem/Shop",
                "Dimensions": [["environment", "service"], ["environment", "service", "route"]],
                "Metrics": [{"Name": "Duration", "Unit": "Milliseconds"}, {"Name": "Faults", "Unit": "Count"}],
            }
        ],
    },
    "environment": "local",
    "service": "order",
    "route": "POST /orders",
    "Duration": [12.5, 30],
    "Faults": 1,
}


def measured(line: str) -> dict[Series, list[float]]:
    return {series: list(values) for series, values in embedded(line)}


def test_a_line_of_embedded_metrics_counts_under_each_of_its_dimension_sets() -> None:
    plain = {"environment": "local", "service": "order"}
    expected = {
        Series.of("Tandem/Shop", name, dimensions): values
        for dimensions in (plain, {**plain, "route": "POST /orders"})
        for name, values in (("Duration", [12.5, 30]), ("Faults", [1]))
    }
    assert measured(json.dumps(LINE)) == expected
    assert measured(f"tandem-local-order: {json.dumps(LINE)}") == expected, "a function's name may stand before it"


def test_other_lines_are_no_metrics() -> None:
    for line in ("", "Traceback", '{"level": "info"}', '{"_aws": 1}', '{"_aws": {"CloudWatchMetrics"', "_aws"):
        assert measured(line) == {}


def test_logs_are_read_once_and_by_whole_lines(tmp_path: Path) -> None:
    log, line = tmp_path / "order.log", json.dumps(LINE)
    log.write_text(f"{line}\n")
    logs = Logs(tmp_path)
    logs.skip()
    assert count(logs) == 0, "what was said before is over"
    with log.open("a") as file:
        file.write(f"{line}\n{line[:40]}")
    assert count(logs) == 1
    with log.open("a") as file:
        file.write(f"{line[40:]}\n")
    assert count(logs) == 1, "the half that was there has been waited for"
    (tmp_path / "product.log").write_text(f"{line}\n")
    assert count(logs) == 1, "a log that is new is read from its beginning"
    log.write_text(f"{line}\n")
    assert count(logs) == 1, "one that begins again, too"
    assert count(Logs(None)) == 0


def count(logs: Logs) -> int:
    """Lines, each of which has four series."""
    found: list[Measured] = list(logs.read())
    return len(found) // 4


def test_ours_are_all_known_and_of_awss_own_what_the_twin_can_measure() -> None:
    assert knowable(Series.of("Tandem/Shop", "Revenue", {}))
    assert knowable(Series.of("AWS/ApplicationELB", "RequestCount", EDGE))
    assert not knowable(Series.of("AWS/RDS", "CPUUtilization", {}))
    assert not knowable(Series.of("AWS/Elsewhere", "RequestCount", {}))
