"""Threads, flapping and the ledger on a table of DynamoDB (moto's), and what is left of them when it is away."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from chalicelib.ledger import PowertoolsLedger
from chalicelib.memory import CROWD, Change, Memory
from chalicelib.notices import handle
from chalicelib.sending import Answer
from chalicelib.settling import settle
from tests.chalice_app import payloads
from tests.chalice_app.office import BY_TOKEN, BY_WEBHOOK, START, Office
from tests.stubs.metrics import Metrics

NAME = "tandem-test-database-cpuutilization"
KEY = f"{payloads.ACCOUNT}/eu-west-1/{NAME}"
GREEN, RED = "#1a7f37", "#d1242f"


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        yield client


@pytest.fixture
def table(dynamodb: Any) -> Iterator[Any]:
    dynamodb.create_table(
        TableName="memory",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield dynamodb
    dynamodb.delete_table(TableName="memory")


def office(table: Any, secret: str = BY_TOKEN, **notices: Any) -> Office:
    return Office(secret=secret, client=lambda: table, env={"NOTICES": json.dumps(notices)})


def changed(here: Office, state: str, previous: str, *, at: datetime | None = None, name: str = NAME) -> None:
    """This change comes now, whenever it was."""
    moment = (at or here.clock.moment).isoformat()
    document = payloads.metric(name, NewStateValue=state, OldStateValue=previous, StateChangeTime=moment)
    handle(payloads.batch(document), here.desk)


def raised_and_over(here: Office, times: int = 1, every: float = 30) -> None:
    for _ in range(times):
        changed(here, "ALARM", "OK")
        here.clock.move(every)
        changed(here, "OK", "ALARM")
        here.clock.move(every)


def colours(here: Office) -> list[str]:
    return [body["attachments"][0]["color"] for body in here.outbox.bodies]


def methods(here: Office) -> list[str]:
    return [request.url.rpartition("/")[2] for request in here.outbox.sent]


def test_ok_answers_in_the_thread_of_its_alarm_and_turns_it_green(table: Any) -> None:
    here = office(table)
    raised_and_over(here, every=751)
    raised, over, update = here.outbox.bodies
    assert methods(here) == ["chat.postMessage", "chat.postMessage", "chat.update"]
    assert colours(here) == [RED, GREEN, GREEN]
    assert (over["channel"], over["thread_ts"]) == ("C024BE91L", "1763847601.000100")
    assert (update["channel"], update["ts"], update["text"]) == ("C024BE91L", "1763847601.000100", "")
    assert update["attachments"][0]["blocks"] == raised["attachments"][0]["blocks"]
    assert "*ALARM lasted*\\n12 min 31 s" in json.dumps(over)
    assert here.metrics.counted == {"Posted": 2}


def test_the_next_alarm_begins_a_thread_of_its_own(table: Any) -> None:
    here = office(table)
    raised_and_over(here, times=2, every=1000)
    threads = [body.get("thread_ts") for body in here.outbox.bodies if "ts" not in body]
    assert threads == [None, "1763847601.000100", None, "1763847604.000100"]


def test_after_its_recovery_an_alarm_s_thread_is_closed(table: Any) -> None:
    here = office(table, insufficient_data="drop")
    raised_and_over(here, every=1000)
    changed(here, "INSUFFICIENT_DATA", "OK")
    assert len(here.outbox.sent) == 3
    assert here.metrics.counted["Dropped"] == 1


def test_with_a_webhook_ok_is_a_message_that_links_to_the_alarm(table: Any) -> None:
    here = office(table, BY_WEBHOOK)
    raised_and_over(here)
    _, over = here.outbox.bodies
    assert "thread_ts" not in over
    assert f"#alarmsV2:alarm/{NAME}|Alarm>" in json.dumps(over)
    assert "*ALARM lasted*\\n30 s" in json.dumps(over)


def test_whatever_follows_an_alarm_is_told_in_its_thread_even_if_it_is_no_news_elsewhere(table: Any) -> None:
    here = office(table, insufficient_data="drop", ok_from_insufficient_data="drop")
    changed(here, "ALARM", "OK")
    here.clock.move(60)
    changed(here, "INSUFFICIENT_DATA", "ALARM")
    here.clock.move(60)
    changed(here, "OK", "INSUFFICIENT_DATA")
    threads = [body.get("thread_ts") for body in here.outbox.bodies]
    assert threads == [None, "1763847601.000100", "1763847601.000100", None]
    assert methods(here)[-1] == "chat.update"


def test_a_change_that_was_overtaken_says_so_and_begins_no_thread(table: Any) -> None:
    here = office(table)
    changed(here, "OK", "ALARM")
    changed(here, "ALARM", "OK", at=START - timedelta(minutes=1))
    here.clock.move(600)
    changed(here, "OK", "ALARM")
    late = json.dumps(here.outbox.bodies[1])
    assert "a later change has been told already" in late
    assert "thread_ts" not in here.outbox.bodies[2]
    assert len(here.outbox.bodies) == 3


def test_a_flapping_alarm_becomes_one_summary_that_rolls(table: Any) -> None:
    here = office(table, changes=3, minutes=10)
    raised_and_over(here, times=5)
    post, update = "chat.postMessage", "chat.update"
    assert methods(here)[:5] == [post, post, update, post, post]
    titles = here.outbox.titles
    assert titles[4:] == [f"Flapping: {NAME}"] * 7
    assert methods(here)[5:] == [update] * 6
    assert {body["ts"] for body in here.outbox.bodies[5:]} == {"1763847605.000100"}
    assert "10 changes in 10 minutes; now OK" in json.dumps(here.outbox.bodies[-1])
    assert here.metrics.counted["Summarised"] == 6


def test_when_it_is_quiet_the_state_in_which_it_ended_is_told(table: Any) -> None:
    here = office(table, changes=3, minutes=10)
    raised_and_over(here, times=3)
    changed(here, "ALARM", "OK")
    here.clock.move(540)
    assert settle(here.desk) == 0
    here.clock.move(120)
    assert settle(here.desk) == 1
    assert settle(here.desk) == 0
    told, recoloured = here.outbox.bodies[-2:]
    assert told["attachments"][0]["fallback"] == f"ALARM: {NAME}"
    assert "stopped flapping" in json.dumps(told)
    assert recoloured["attachments"][0]["color"] == RED
    assert "thread_ts" not in told
    here.clock.move(60)
    changed(here, "OK", "ALARM")
    assert here.outbox.bodies[-2]["thread_ts"] == "1763847609.000100"
    assert here.metrics.counted["Settled"] == 1


def test_with_a_webhook_the_summary_is_told_once_and_the_end_as_well(table: Any) -> None:
    here = office(table, BY_WEBHOOK, changes=3, minutes=10)
    raised_and_over(here, times=10)
    here.clock.move(700)
    settle(here.desk)
    assert here.outbox.titles == [
        f"ALARM: {NAME}",
        f"OK: {NAME}",
        f"ALARM: {NAME}",
        f"Flapping: {NAME}",
        f"OK: {NAME}",
    ]


def test_what_could_not_be_settled_is_settled_a_minute_later(table: Any) -> None:
    here = office(table, BY_WEBHOOK, changes=3, minutes=10)
    raised_and_over(here, times=3)
    here.clock.move(700)
    here.outbox.answers.append(Answer(status=404, text="no_team"))
    assert settle(here.desk) == 0
    assert settle(here.desk) == 1


def test_an_alarm_that_changes_now_and_then_is_told_one_by_one_again(table: Any) -> None:
    here = office(table, BY_WEBHOOK, changes=5, minutes=10)
    raised_and_over(here, times=3)
    raised_and_over(here, times=2, every=400)
    assert here.outbox.titles[5:] == [f"Flapping: {NAME}", f"ALARM: {NAME}", f"OK: {NAME}"]
    assert settle(here.desk) == 0


def test_once_it_flaps_it_does_so_until_it_is_calm_and_not_only_below_the_limit(table: Any) -> None:
    here = office(table, BY_WEBHOOK, changes=5, minutes=10)
    raised_and_over(here, times=3)
    raised_and_over(here, times=4, every=150)
    assert here.outbox.titles[5:] == [f"Flapping: {NAME}"]


def test_two_alarms_do_not_flap_together(table: Any) -> None:
    here = office(table, changes=3)
    for name in ("one", "two", "three", "four", "five"):
        changed(here, "ALARM", "OK", name=name)
    assert not [title for title in here.outbox.titles if "Flapping" in title]


def test_without_its_table_everything_is_told_plainly(dynamodb: Any) -> None:
    here = office(dynamodb, changes=1)
    raised_and_over(here, times=2)
    assert settle(here.desk) == 0
    assert methods(here) == ["chat.postMessage"] * 4
    assert here.metrics.counted["StoreUnavailable"] >= 4


def test_old_changes_are_forgotten_and_the_newest_are_not(table: Any) -> None:
    memory = Memory(table="memory", client=lambda: table, now=lambda: START, count=Metrics())
    for number in range(CROWD + 1):
        memory.note(KEY, Change(START + timedelta(minutes=number), "OK"))
    history = memory.recall(KEY)
    assert history is not None
    assert len(history.changes) == CROWD // 2
    assert history.changes[-1].at == START + timedelta(minutes=CROWD)


def test_the_same_change_twice_is_one(table: Any) -> None:
    memory = Memory(table="memory", client=lambda: table, now=lambda: START, count=Metrics())
    memory.note(KEY, Change(START, "ALARM"))
    history = memory.note(KEY, Change(START, "ALARM"))
    assert history is not None
    assert history.changes == (Change(START, "ALARM"),)


def test_every_item_ends_by_itself(table: Any) -> None:
    here = office(table, changes=1)
    raised_and_over(here, times=2)
    PowertoolsLedger(table, "memory").begin("x", 10)
    items = table.scan(TableName="memory")["Items"]
    assert len(items) == 3
    assert all(int(item["expiration"]["N"]) > START.timestamp() for item in items)


# the ledger


def test_the_ledger_knows_what_is_new_busy_and_done(table: Any) -> None:
    one, other = PowertoolsLedger(table, "memory"), PowertoolsLedger(table, "memory")
    assert one.begin("k", 30) == "new"
    assert other.begin("k", 30) == "busy"
    one.finish("k")
    assert other.begin("k", 30) == "done"
    assert other.begin("another", 30) == "new"


def test_what_was_abandoned_is_new_again(table: Any) -> None:
    ledger = PowertoolsLedger(table, "memory")
    ledger.begin("k", 30)
    ledger.abandon("k")
    assert ledger.begin("k", 30) == "new"


def test_what_a_dead_invocation_was_at_is_new_again_when_its_time_is_over(table: Any) -> None:
    ledger = PowertoolsLedger(table, "memory")
    assert ledger.begin("k", -1) == "new"
    table.update_item(
        TableName="memory",
        Key={"id": table.scan(TableName="memory")["Items"][0]["id"]},
        UpdateExpression="SET in_progress_expiration = :past",
        ExpressionAttributeValues={":past": {"N": "1000"}},
    )
    assert ledger.begin("k", 30) == "new"


def test_a_ledger_without_its_table_raises(dynamodb: Any) -> None:
    with pytest.raises(Exception, match="ResourceNotFound"):
        PowertoolsLedger(dynamodb, "memory").begin("k", 30)
