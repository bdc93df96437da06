"""docs/metrics.md says what the code declares, and what the operations app really writes."""

import json
import re
from pathlib import Path

import pytest

from chalicelib import telemetry
from services.chassis import metrics as chassis
from services.chassis.metrics import NAMESPACE, Metric
from services.order import metrics as order
from services.product import metrics as product
from tests.services.emf import UNITS, flaws

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
DECLARED = {"chassis": chassis.METRICS, "order": order.METRICS, "product": product.METRICS}


def rows() -> dict[str, list[str]]:
    """The table: each metric's cells."""
    lines = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    found = {name.strip("`"): cells for name, *cells in lines}
    assert len(found) == len(lines), "a metric stands there twice"
    return found


def sets(cell: str) -> list[list[str]]:
    return [names.split(", ") for names in cell.split(" · ")]


def test_the_page_has_a_row_for_every_metric_that_is_declared_and_no_other() -> None:
    declared = {metric.name: (where, metric) for where, metrics in DECLARED.items() for metric in metrics}
    page = rows()
    failover = page.pop("FailoverState")
    assert page.keys() == declared.keys()
    for name, (where, metric) in declared.items():
        unit, dimensions, declared_in, why = page[name]
        assert (unit, sets(dimensions), why) == (metric.unit, metric.dimensions, metric.why)
        assert declared_in == f"[`{where}`](../services/{where}/metrics.py)"
    assert failover[:2] == ["Count", "environment, service"]
    assert NAMESPACE in PAGE.read_text()


@pytest.mark.parametrize("where", DECLARED)
def test_every_metric_of_a_module_is_among_those_it_declares_and_fits_the_format(where: str) -> None:
    module = {"chassis": chassis, "order": order, "product": product}[where]
    assert {value for value in vars(module).values() if isinstance(value, Metric)} == set(DECLARED[where])
    for metric in DECLARED[where]:
        assert re.fullmatch(r"[A-Z][A-Za-z]+", metric.name)
        assert metric.unit in UNITS


def test_the_operations_app_writes_the_failover_state_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.count("FailoverState", 1.0, service="order")  # as `controller` does
    line = capsys.readouterr().out.strip()
    assert flaws(line) == []
    (directive,) = json.loads(line)["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Tandem/Operations"
    unit, dimensions, *_ = rows()["FailoverState"]
    assert [sorted(names) for names in directive["Dimensions"]] == sets(dimensions)
    assert [metric["Unit"] for metric in directive["Metrics"]] == [unit]
