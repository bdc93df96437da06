"""What alarms and widgets name is emitted: ours as the services declare it, AWS's as its documentation lists it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from cfn import metrics
from cfn.doctor.emitted import AWS, OURS, PAGES, Emitted, sets_of
from cfn.metrics import Metric
from scripts.places import ROOT
from tests.cfn.rendered import Rendered, walk

PAGE = ROOT / "docs" / "metrics.md"
# The contract with the services and the operations app: name, unit, own dimension, who emits it.
DECLARED = {
    ("Tandem/Shop", "Duration", "Milliseconds", "route", ("product", "order", "frontend")),
    ("Tandem/Shop", "Faults", "Count", "route", ("product", "order", "frontend")),
    ("Tandem/Shop", "PoolWait", "Milliseconds", "", ("product", "order")),
    ("Tandem/Shop", "PoolInUse", "Count", "", ("product", "order")),
    ("Tandem/Shop", "ColdStarts", "Count", "", ("product", "order", "frontend")),
    ("Tandem/Shop", "BackgroundFailures", "Count", "step", ("product", "order")),
    ("Tandem/Shop", "OrdersPlaced", "Count", "", ("order",)),
    ("Tandem/Shop", "Revenue", "None", "", ("order",)),
    ("Tandem/Shop", "OrdersRefused", "Count", "reason", ("order",)),
    ("Tandem/Shop", "OrdersReturned", "Count", "reason", ("order",)),
    ("Tandem/Shop", "Returned", "None", "reason", ("order",)),
    ("Tandem/Shop", "ReservationsExpired", "Count", "", ("product",)),
    ("Tandem/Shop", "OversellGuardHits", "Count", "", ("product",)),
    ("Tandem/Operations", "FailoverState", "Count", "", ("product", "order", "frontend")),
    ("Tandem/Operations", "SlackDeliveryFailed", "Count", "", ("operations",)),
    ("Tandem/Operations", "Invocations", "Count", "", ("operations",)),
}
PLAIN = ("environment", "service")


def declared(one: Emitted) -> tuple[str, str, str, str, tuple[str, ...]]:
    own = {name for names in one.sets for name in names} - set(PLAIN)
    return one.namespace, one.name, one.unit, "".join(own), one.services


def test_ours_are_as_the_services_declare_them() -> None:
    assert {declared(one) for one in OURS} == DECLARED
    assert all(PLAIN in one.sets for one in OURS)


def test_the_page_of_metrics_says_the_same() -> None:
    """A row: name, unit, sets of dimensions, where, why."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\w, ·]+) \|", PAGE.read_text(), re.MULTILINE)
    said = {
        (name, unit, frozenset(frozenset(one.split(", ")) for one in sets.split(" · "))) for name, unit, sets in rows
    }
    ours = {(one.name, one.unit, frozenset(frozenset(names) for names in one.sets)): one.namespace for one in OURS}
    assert said <= ours.keys()
    assert {key for key, namespace in ours.items() if namespace == "Tandem/Shop"} <= said


def test_what_the_operations_app_counts_stands_in_its_code() -> None:
    code = "".join(path.read_text() for path in (ROOT / "chalice_app" / "chalicelib").glob("*.py"))
    for one in OURS:
        if one.namespace == "Tandem/Operations":
            assert re.search(rf'count\("{one.name}"', code), one.name


def test_every_namespace_of_aws_has_the_page_that_lists_its_metrics() -> None:
    assert PAGES.keys() == AWS.keys()
    assert all(page.endswith(".html") for page in PAGES.values())


def table() -> Iterator[Metric]:
    return (value for value in vars(metrics).values() if isinstance(value, Metric))


def test_the_table_of_metrics_has_the_dimensions_and_units_that_are_emitted() -> None:
    units = {(one.namespace, one.name): one.unit for one in OURS}
    assert len(list(table())) > 40
    for one in table():
        assert frozenset(one.dimensions) in sets_of(one.namespace, one.name), one
        assert units.get((one.namespace, one.name), one.unit) == one.unit


def test_no_metric_stands_in_the_table_for_nothing(prod: Rendered) -> None:
    named = {(found[0], found[1], frozenset(found[2])) for found in looked_at(prod)}
    assert [one for one in table() if (one.namespace, one.name, frozenset(one.dimensions)) not in named] == []


def test_alarms_and_widgets_look_at_what_is_emitted_and_at_nothing_else(deployment: Rendered) -> None:
    found = list(looked_at(deployment))
    assert len(found) > 150
    for namespace, name, dimensions in found:
        assert frozenset(dimensions) in sets_of(namespace, name), (namespace, name, dimensions)
        if namespace.startswith("Tandem/"):
            (own,) = (one for one in OURS if (one.namespace, one.name) == (namespace, name))
            assert dimensions["service"] in own.services
            assert dimensions["environment"] == deployment.environment.name


def looked_at(deployment: Rendered) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for alarm in deployment.resources("AWS::CloudWatch::Alarm"):
        for node in walk(alarm.properties):
            if isinstance(node, dict) and "MetricName" in node:
                yield node["Namespace"], node["MetricName"], {d["Name"]: d["Value"] for d in node["Dimensions"]}
    for board in deployment.resources("AWS::CloudWatch::Dashboard"):
        for widget in json.loads(board["DashboardBody"]["Fn::Sub"][0])["widgets"]:
            for line in widget["properties"].get("metrics", ()):
                if isinstance(line[0], str):
                    namespace, name, *pairs, _ = line
                    yield namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True))
