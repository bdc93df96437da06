"""Every message of an event is told once, or the event fails and nothing of it is forgotten."""

import copy
import json
from typing import Any

import pytest

from chalicelib.delivery import DeliveryFailed
from chalicelib.notices import handle
from chalicelib.once import StillInProgress
from chalicelib.sending import Answer, Unreachable
from tests.chalice_app import payloads
from tests.chalice_app.office import BY_TOKEN, Office

DOWN = Unreachable("ConnectionRefusedError")
REFUSED = Answer(status=400, text="invalid_blocks")


def unraised(**changes: Any) -> payloads.Document:
    return payloads.metric(NewStateValue="OK", OldStateValue="INSUFFICIENT_DATA", **changes)


def test_every_record_of_a_batch_is_posted() -> None:
    office = Office()
    event = payloads.batch(*payloads.ALARMS.values(), *payloads.OTHERS.values())
    # two of the alarms come in both forms, and each is one change
    assert handle(event, office.desk) == {"records": len(payloads.ALARMS) + len(payloads.OTHERS)}
    assert len(office.outbox.sent) == len(payloads.ALARMS) + len(payloads.OTHERS) - 2
    assert office.metrics.counted["Repeated"] == 2


def test_the_same_event_twice_is_told_once() -> None:
    office = Office()
    event = payloads.batch(payloads.metric(), payloads.BUDGET)
    handle(event, office.desk)
    handle(event, office.desk)
    assert len(office.outbox.sent) == 2
    assert office.metrics.counted == {"Posted": 2, "Repeated": 2}


def test_the_same_change_under_another_message_id_is_told_once() -> None:
    office = Office()
    for identifier in ("m-1", "m-2"):
        handle({"Records": [payloads.record(payloads.metric(), identifier=identifier)]}, office.desk)
    assert len(office.outbox.sent) == 1


def test_the_same_alarm_in_another_account_region_state_or_moment_is_another_change() -> None:
    office = Office()
    name = "tandem-test-database-cpuutilization"
    handle(
        payloads.batch(
            payloads.metric(),
            payloads.metric(AlarmArn=payloads.arn(name).replace(payloads.ACCOUNT, "210987654321")),
            payloads.metric(AlarmArn=payloads.arn(name, region="us-east-1")),
            payloads.metric(StateChangeTime="2026-11-22T21:40:06.123+0000"),
            payloads.recovery(payloads.metric(), at=payloads.RAISED),
        ),
        office.desk,
    )
    assert len(office.outbox.sent) == 5


def test_the_same_words_under_another_message_id_are_another_message() -> None:
    office = Office()
    for identifier in ("m-1", "m-2"):
        handle({"Records": [payloads.record("backup done", identifier=identifier)]}, office.desk)
    assert len(office.outbox.sent) == 2


def test_a_ledger_that_cannot_be_reached_keeps_nothing_from_being_told() -> None:
    office = Office()
    office.book.reachable = False
    for _ in range(2):
        handle(payloads.batch(payloads.metric()), office.desk)
    assert len(office.outbox.sent) == 2
    assert office.metrics.counted == {"Posted": 2, "StoreUnavailable": 4}


def test_what_another_invocation_is_at_is_left_for_later_and_not_for_lost() -> None:
    office = Office()
    handle(payloads.batch(payloads.metric()), office.desk)
    (key,) = office.book.entries
    office.book.entries[key] = "busy"
    with pytest.raises(StillInProgress):
        handle(payloads.batch(payloads.metric()), office.desk)


def test_slack_away_for_good_fails_and_leaves_the_event_as_it_was() -> None:
    office = Office()
    office.outbox.answers += [DOWN] * 100
    event = payloads.batch(payloads.metric())
    before = copy.deepcopy(event)
    for _ in range(3):  # Lambda's own tries
        office.clock.left = 25
        with pytest.raises(DeliveryFailed):
            handle(event, office.desk)
    assert event == before
    assert office.metrics.counted == {"SlackDeliveryFailed": 3}
    assert office.book.entries == {}


def test_after_a_failure_the_next_try_tells_it() -> None:
    office = Office()
    office.outbox.answers.append(REFUSED)
    event = payloads.batch(payloads.metric())
    with pytest.raises(DeliveryFailed):
        handle(event, office.desk)
    handle(event, office.desk)
    assert len(office.outbox.sent) == 1


def test_of_a_batch_only_what_failed_is_tried_again() -> None:
    office = Office()
    taken = Answer(status=200, text="ok")
    office.outbox.answers += [taken, REFUSED, taken]
    event = payloads.batch("one", "two", "three")
    with pytest.raises(DeliveryFailed):
        handle(event, office.desk)
    assert len(office.outbox.sent) == 2
    handle(event, office.desk)
    texts = [json.dumps(body) for body in office.outbox.bodies]
    assert ["one" in texts[0], "three" in texts[1], "two" in texts[2]] == [True] * 3
    assert len(texts) == 3


def test_a_record_that_is_refused_for_long_leaves_time_for_the_others() -> None:
    office = Office()
    office.outbox.indigestible = "one"
    with pytest.raises(DeliveryFailed):
        handle(payloads.batch("one", "two"), office.desk)
    assert "two" in json.dumps(office.outbox.bodies[-1])
    assert office.clock.left > 10


def test_an_alarm_that_cannot_be_read_is_shown_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise RecursionError

    monkeypatch.setattr("chalicelib.alarms.triggers.of_notification", broken)
    office = Office()
    handle(payloads.batch(payloads.metric()), office.desk)
    assert "AlarmName" in json.dumps(office.outbox.bodies[0])


@pytest.mark.parametrize(
    ("policy", "sent", "counted"),
    [("post", 1, {"Posted": 1}), ("quiet", 1, {"Quiet": 1}), ("drop", 0, {"Dropped": 1})],
)
@pytest.mark.parametrize(
    ("key", "document"),
    [
        ("insufficient_data", payloads.metric(NewStateValue="INSUFFICIENT_DATA")),
        ("ok_from_insufficient_data", unraised()),
    ],
)
def test_what_is_no_news_is_told_as_configured(
    key: str, document: payloads.Document, policy: str, sent: int, counted: dict[str, int]
) -> None:
    office = Office(env={"NOTICES": json.dumps({key: policy})})
    handle(payloads.batch(document), office.desk)
    assert len(office.outbox.sent) == sent
    assert office.metrics.counted == counted
    kinds = [body["attachments"][0]["blocks"][0]["type"] for body in office.outbox.bodies]
    assert kinds == (["context"] if policy == "quiet" else ["header"]) * sent


def test_an_alarm_is_never_quiet() -> None:
    office = Office(env={"NOTICES": '{"insufficient_data": "drop", "ok_from_insufficient_data": "drop"}'})
    handle(payloads.batch(payloads.metric(OldStateValue="INSUFFICIENT_DATA")), office.desk)
    handle(payloads.batch(payloads.recovery(payloads.metric())), office.desk)
    assert office.outbox.titles == [
        "ALARM: tandem-test-database-cpuutilization",
        "OK: tandem-test-database-cpuutilization",
    ]


def test_a_critical_alarm_calls_and_its_recovery_does_not() -> None:
    office = Office(secret=BY_TOKEN, env={"ROUTES": '{"critical": {"channel": "#pager", "mention": "<!here>"}}'})
    handle(payloads.batch(payloads.composite(), payloads.recovery(payloads.composite())), office.desk)
    assert [body.get("text") for body in office.outbox.bodies] == ["<!here> ALARM: tandem-test-shop-down", None]
    assert {body["channel"] for body in office.outbox.bodies} == {"#pager"}
