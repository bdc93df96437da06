"""Every form in which AWS tells of an alarm is read, and what is shown of it is what a person needs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib import alarms, reading, wording
from chalicelib.alarms import Alarm
from chalicelib.config import Config
from chalicelib.messages import Message
from chalicelib.records import records
from tests.chalice_app import payloads

CONFIG = Config(environment="test", runbooks="https://docs.example/operations.md")


def read(document: dict[str, Any]) -> Alarm:
    alarm = alarms.read(document)
    assert alarm is not None
    return alarm


def shown(document: dict[str, Any], **options: Any) -> Message:
    return wording.change(read(document), CONFIG, **options)


@pytest.mark.parametrize("kind", payloads.ALARMS)
def test_every_kind_of_alarm_tells_its_name_state_place_and_time(kind: str) -> None:
    alarm = read(payloads.ALARMS[kind])
    assert alarm.name.startswith("tandem-test-")
    assert alarm.state in {"ALARM", "OK", "INSUFFICIENT_DATA"}
    assert alarm.place.region == "eu-west-1"
    assert alarm.place.account == payloads.ACCOUNT
    assert alarm.changed is not None
    message = wording.change(alarm, CONFIG)
    assert message.title == f"{alarm.state}: {alarm.name}"
    assert message.fields["State"] == f"{alarm.previous} → {alarm.state}"
    assert message.fields["When"].endswith(" UTC")
    assert message.fields["Account"] == payloads.ACCOUNT
    assert message.fields["Region"] == "eu-west-1"
    assert not [value for value in message.fields.values() if "None" in value or "null" in value]


def test_a_metric_alarm_shows_reason_threshold_metric_and_dimensions() -> None:
    message = shown(payloads.metric())
    assert "queries queue" in message.text
    assert "3 out of the last 3 datapoints" in message.text
    assert message.fields["Threshold"] == "above 80 in 3 of 3 periods of 300 s"
    assert message.fields["Metric"] == "AWS/RDS CPUUtilization (Average)"
    assert message.fields["Dimensions"] == "DBInstanceIdentifier = tandem-test"
    assert message.fields["When"] == "2026-11-22 21:40:05 UTC"
    assert message.tone == "alarm"
    assert message.mention


def test_a_percentile_is_named_as_such() -> None:
    assert shown(payloads.percentile()).fields["Metric"] == "AWS/ApplicationELB TargetResponseTime (p95)"


def test_metric_arithmetic_shows_the_expression_and_every_metric_in_it() -> None:
    lines = shown(payloads.arithmetic()).fields["Metrics"].splitlines()
    assert lines == [
        "result: 100 * errors / requests",
        "errors: AWS/ApplicationELB HTTPCode_Target_5XX_Count (Sum)",
        "requests: AWS/ApplicationELB RequestCount (Sum)",
    ]


def test_an_anomaly_is_outside_its_band() -> None:
    message = shown(payloads.anomaly())
    assert message.fields["Threshold"] == "outside the band band in 3 of 5 periods of 60 s"
    assert "ANOMALY_DETECTION_BAND(requests, 2)" in message.fields["Metrics"]


def test_a_composite_alarm_shows_its_rule_and_who_raised_it() -> None:
    message = shown(payloads.composite())
    assert message.fields["Rule"].startswith("ALARM(")
    assert message.fields["Raised by"] == "tandem-test-product-unhealthy-alone"
    assert message.severity == "critical"


def test_both_forms_of_the_same_change_are_one_change() -> None:
    notified, event = read(payloads.metric()), read(payloads.event())
    assert (notified.key, notified.state, notified.changed) == (event.key, event.state, event.changed)
    assert shown(payloads.event()).fields["Threshold"] == "80"
    assert shown(payloads.event()).fields["Metric"] == "AWS/RDS CPUUtilization (Average)"


def test_an_event_knows_how_long_the_state_before_lasted() -> None:
    alarm = read(payloads.event())
    assert alarm.changed
    assert alarm.previously
    message = wording.change(alarm, CONFIG, lasted=alarm.changed - alarm.previously)
    assert message.fields["OK lasted"] == "3 h"


def test_suppressed_actions_are_marked_and_call_nobody() -> None:
    message = shown(payloads.suppressed())
    assert message.text.startswith("Its actions are suppressed: Alarm: Actions suppressed by tandem-test-deploying")
    assert message.fields["Raised by"] == "tandem-test-product-down"
    assert not message.mention


def test_a_late_change_says_so_and_calls_nobody() -> None:
    message = shown(payloads.metric(), late=True)
    assert "a later change" in message.text
    assert not message.mention


@pytest.mark.parametrize(
    ("partition", "region", "console"),
    [
        ("aws", "eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#"),
        ("aws-cn", "cn-north-1", "https://console.amazonaws.cn/cloudwatch/home?region=cn-north-1#"),
        ("aws-us-gov", "us-gov-west-1", "https://console.amazonaws-us-gov.com/cloudwatch/home?region=us-gov-west-1#"),
    ],
)
def test_links_lead_to_the_console_of_the_alarm_s_own_partition_and_region(
    partition: str, region: str, console: str
) -> None:
    name = "weird / näme? #1 & <2>"
    document = payloads.metric(name, AlarmArn=payloads.arn(name, partition=partition, region=region))
    links = shown(document).links
    assert links["Alarm"] == f"{console}alarmsV2:alarm/weird%20%2F%20n%C3%A4me%3F%20%231%20%26%20%3C2%3E"
    assert links["Logs"].startswith(console)


def test_the_log_group_is_encoded_as_the_console_wants_it() -> None:
    logs = shown(payloads.metric()).links["Logs"]
    assert logs.endswith("#logsV2:log-groups/log-group/$252Faws$252Frds$252Finstance$252Ftandem-test$252Fpostgresql")


def test_the_name_of_a_region_is_not_taken_for_a_region() -> None:
    links = shown(payloads.metric(AlarmArn="not an arn")).links
    assert set(links) == {"Runbook"}


@pytest.mark.parametrize(
    ("description", "link"),
    [
        ("Runbook: https://wiki.example/a?b=1#c.", "https://wiki.example/a?b=1#c"),
        ("see http://old.example and https://wiki.example/x, then run", "https://wiki.example/x"),
        ("https://first.example run book https://second.example", "https://second.example"),
        ("no address", "https://docs.example/operations.md#database-cpuutilization"),
        (None, "https://docs.example/operations.md#database-cpuutilization"),
    ],
)
def test_the_runbook_is_the_one_of_the_description_or_the_page_at_the_alarm_s_heading(
    description: str | None, link: str
) -> None:
    assert shown(payloads.metric(AlarmDescription=description)).links["Runbook"] == link


@pytest.mark.parametrize(
    ("name", "description", "severity"),
    [
        ("a [critical] b", "", "critical"),
        ("a", "words [Warning] words", "warning"),
        ("a [info]", "[critical]", "info"),
        ("a [1] [unheard-of]", "[x] text", "default"),
        ("a", "", "default"),
    ],
)
def test_severity_is_the_first_tag_that_is_one(name: str, description: str, severity: str) -> None:
    assert shown(payloads.metric(name, AlarmDescription=description)).severity == severity


@pytest.mark.parametrize("text", payloads.OTHERS.values(), ids=payloads.OTHERS)
def test_what_is_no_alarm_is_shown_as_it_came_with_the_id_of_its_message(text: str) -> None:
    (record,) = records({"Records": [payloads.record(text, identifier="m-1")]})
    assert alarms.read(record.document) is None
    message = wording.unknown(record, CONFIG)
    assert message.fields == {"MessageId": "m-1"}
    assert message.text.split() == text.split() or record.document is not None


def test_the_subject_is_the_title_of_what_is_no_alarm() -> None:
    (record,) = records({"Records": [payloads.record(payloads.BUDGET, subject="Budget [warning]")]})
    message = wording.unknown(record, CONFIG)
    assert (message.title, message.severity) == ("Budget [warning]", "warning")


@pytest.mark.parametrize(
    "event",
    [None, [], "text", 7, {}, {"Records": []}, {"Records": None}, {"Records": [None]}, {"Records": [{"Sns": None}]}],
)
def test_an_event_of_any_other_form_is_one_message(event: Any) -> None:
    assert len(records(event)) == 1


def test_a_notification_that_sns_left_in_a_queue_is_read_like_one_that_it_delivered() -> None:
    delivered = payloads.record(payloads.metric(), identifier="m-1")
    assert records(delivered["Sns"]) == records({"Records": [delivered]})


def test_every_record_of_a_batch_is_read() -> None:
    event = payloads.batch(payloads.metric(), "text", payloads.composite())
    assert [alarms.read(record.document) is not None for record in records(event)] == [True, False, True]


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=61), "1 min 1 s"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
        (timedelta(days=1, seconds=9), "1 d 9 s"),
    ],
)
def test_a_length_of_time_has_its_two_largest_units(time: timedelta, words: str) -> None:
    assert wording.length(time) == words


def test_times_are_read_in_every_form_that_aws_writes() -> None:
    expected = datetime(2026, 11, 22, 21, 40, 5, tzinfo=UTC)
    for written in ("2026-11-22T21:40:05.000+0000", "2026-11-22T21:40:05Z", "2026-11-22T22:40:05+01:00"):
        assert reading.moment(written) == expected
    nothing: tuple[Any, ...] = ("", "yesterday", None, 5, "9999-12-31T23:59:59-23:59")
    assert [reading.moment(written) for written in nothing] == [None] * len(nothing)
