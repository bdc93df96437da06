"""The link under an alarm in Slack leads somewhere: every alarm has a row in docs/operations.md, and no row is idle."""

import re

from chalicelib.alarms import Alarm, Place
from chalicelib.console import runbook
from scripts.places import ROOT
from tests.cfn.rendered import Rendered

PAGE = "https://example.com/docs/operations.md"
TEXT = (ROOT / "docs" / "operations.md").read_text()
COLUMNS = ["alarm", "means", "look first", "do"]
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.partition("## What each alarm means")[2].splitlines()
    if line.startswith("| ")
]
ANCHOR = re.compile(r'<a id="([\w-]+)"></a>')
ANCHORS = set(ANCHOR.findall(TEXT))


def linked(deployment: Rendered) -> set[str]:
    """The anchors that the alarms of an environment link to."""
    environment = deployment.environment.name
    alarms = deployment.resources("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
    names = [Alarm(name=alarm["AlarmName"], state="ALARM", place=Place()) for alarm in alarms]
    return {runbook(alarm, environment, PAGE).removeprefix(f"{PAGE}#") for alarm in names}


def test_every_alarm_has_its_row(deployment: Rendered) -> None:
    assert len(linked(deployment)) > 20
    assert linked(deployment) - ANCHORS == set()


def test_every_row_has_its_alarm(deployments: dict[str, Rendered]) -> None:
    assert ANCHORS - {anchor for deployment in deployments.values() for anchor in linked(deployment)} == set()


def test_every_row_says_what_it_means_where_to_look_and_what_to_do() -> None:
    head, *rows = ROWS
    assert head == COLUMNS
    assert len(rows) > 30
    for row in rows:
        assert len(row) == len(COLUMNS), row
        assert ANCHOR.findall(row[0]), row
        assert all(len(cell) > 5 and cell.endswith(".") for cell in row[1:]), row


def test_no_alarm_has_two_rows() -> None:
    found = ANCHOR.findall(TEXT)
    assert len(found) == len(set(found))


def test_the_operations_app_is_told_to_link_there(deployment: Rendered) -> None:
    functions = [one for one in deployment.resources("AWS::Lambda::Function") if one.stack == "ops"]
    pages = {str(one["Environment"]["Variables"]["RUNBOOKS"]) for one in functions}
    assert len(pages) == 1
    assert pages.pop().endswith("/docs/operations.md")


def test_what_customers_feel_wakes_somebody_unless_it_can_wait_until_morning(deployment: Rendered) -> None:
    composites = deployment.resources("AWS::CloudWatch::CompositeAlarm")
    assert composites
    for alarm in composites:
        slow = alarm["AlarmName"].endswith("-burn-slow")
        assert ("[warning]" if slow else "[critical]") in alarm["AlarmDescription"]
