"""The clean-up of logs: an end for what has none, streams that are provably empty, and a run that goes on next time."""

import json
from typing import Any

import pytest

from chalicelib import logs
from chalicelib.config import Cleanup, Config, ConfigError
from tests.chalice_app.calls import CALLS
from tests.chalice_app.log_groups import Groups, Table
from tests.chalice_app.stage import Stage
from tests.chalice_app.wire import Wire


class Account:
    def __init__(self, *, delete: bool = True, days: int = 7, **options: Any) -> None:
        self.groups, self.table = Groups(), Table()
        self.wire = Wire({"logs": self.groups, "dynamodb": self.table})
        cleanup = Cleanup(log_prefixes=("tandem-dev-",), retention_days=days, delete=delete, options=options)
        self.stage = Stage(Config(environment="dev", table="operations", cleanup=cleanup), self.wire.client)

    def clean(self) -> dict[str, Any]:
        return logs.clean(self.stage.operations)

    def lasting(self, questions: int) -> None:
        """Time runs out after so many questions for it."""
        left = iter([300.0] * questions)
        self.stage.remaining = lambda: next(left, 0.0)

    @property
    def retentions(self) -> dict[str, int | None]:
        return {name: group.get("retentionInDays") for name, group in self.groups.groups.items()}

    @property
    def streams(self) -> dict[str, list[str]]:
        return {name: sorted(streams) for name, streams in self.groups.streams.items()}


def mixed(**options: Any) -> Account:
    """A group of each kind, and in `api` a stream of each kind."""
    account = Account(**options)
    groups = account.groups
    groups.add("elsewhere", None)
    groups.add("tandem-dev-endless", None)
    groups.add("tandem-dev-long", 30)
    groups.add("tandem-dev-audit", None)
    groups.add("tandem-dev-delivery", None, logGroupClass="DELIVERY")
    groups.add("tandem-dev-protected", None, deletionProtectionEnabled=True)
    groups.add("tandem-dev-left-alone", None)
    groups.tags["tandem-dev-left-alone"] = {"tandem:clean-up": "off"}
    groups.add("tandem-dev-api", 7)
    for name in groups.groups:
        groups.stream(name, "old")
    groups.stream("tandem-dev-api", "never written", ingested=None, last=None)
    groups.stream("tandem-dev-api", "new and never written", created=1, ingested=None, last=None)
    groups.stream("tandem-dev-api", "written late", ingested=8, last=99)
    groups.stream("tandem-dev-api", "just over", created=8.01, ingested=8.01, last=8.01)
    groups.stream("tandem-dev-api", "not yet over", created=99, ingested=7.99, last=7.99)
    groups.stream("tandem-dev-api", "still has events")
    groups.events["tandem-dev-api", "still has events"] = 1
    return account


def test_groups_get_an_end_and_only_empty_old_streams_go() -> None:
    account = mixed(audit={"tandem-dev-audit": 365})
    account.clean()
    assert account.retentions == {
        "elsewhere": None,
        "tandem-dev-endless": 7,
        "tandem-dev-long": 30,
        "tandem-dev-audit": 365,
        "tandem-dev-delivery": None,
        "tandem-dev-protected": None,
        "tandem-dev-left-alone": None,
        "tandem-dev-api": 7,
    }
    left = account.streams
    assert left.pop("tandem-dev-long") == []
    assert left.pop("tandem-dev-api") == [
        "new and never written",
        "not yet over",
        "still has events",
        "written late",
    ]
    assert set(map(tuple, left.values())) == {("old",)}, "no group without retention loses a stream"


def test_what_was_done_is_counted_and_told() -> None:
    account = mixed()
    report = account.clean()
    assert report["left"] == {"delivery-class": 1, "deletion-protection": 1, "opted-out": 1}
    assert account.stage.counted["LogsRetentions"] == 2
    assert account.stage.counted["LogsStreams"] == 4
    (message,) = account.stage.told
    assert message.fields["Streams deleted"] == "4"


def test_a_rehearsal_says_the_same_in_another_verb_and_touches_nothing() -> None:
    rehearsed, done = mixed(delete=False), mixed()
    before = (rehearsed.retentions, rehearsed.streams)
    report = rehearsed.clean()
    assert (rehearsed.retentions, rehearsed.streams) == before
    assert json.loads(json.dumps(report).replace("would be done", "done")) == done.clean()
    assert not {"logs:PutRetentionPolicy", "logs:DeleteLogStream"} & rehearsed.wire.actions


def test_existing_retentions_change_only_when_told_and_never_below_the_floor() -> None:
    account = mixed(override_retention=True, audit={"tandem-dev-long": 14})
    account.clean()
    assert account.retentions["tandem-dev-long"] == 14
    assert account.retentions["tandem-dev-api"] == 7


def test_a_longer_retention_counts_for_streams_at_once() -> None:
    account = Account(override_retention=True)
    account.groups.add("tandem-dev-short", 3)
    account.groups.stream("tandem-dev-short", "of last week", created=5, ingested=5, last=5)
    account.clean()
    assert account.retentions == {"tandem-dev-short": 7}
    assert account.streams == {"tandem-dev-short": ["of last week"]}


@pytest.mark.parametrize(
    "options",
    [{"days": 8}, {"audit": {"x": 100}}, {"audit": ["x"]}, {"override_retention": "yes"}, {"audit": {"x": "7"}}],
    ids=str,
)
def test_rules_that_are_none_are_refused_before_anything_is_looked_up(options: dict[str, Any]) -> None:
    account = mixed(**options)
    with pytest.raises(ConfigError):
        account.clean()
    assert account.wire.calls == []


def test_one_group_that_fails_does_not_stop_the_others() -> None:
    account = mixed()
    account.groups.broken = {"tandem-dev-api"}
    report = account.clean()
    assert account.retentions["tandem-dev-endless"] == 7
    (failed,) = [entry for entry in report["groups"] if entry["failed"]]
    assert failed["group"] == "tandem-dev-api"
    assert account.stage.counted["LogsFailed"] == 1


def test_one_stream_that_fails_does_not_stop_the_group() -> None:
    account = mixed()
    account.groups.broken = {"tandem-dev-api:just over"}
    report = account.clean()
    (entry,) = [entry for entry in report["groups"] if entry["group"] == "tandem-dev-api"]
    assert (entry["streams"], len(entry["failed"])) == (2, 1)


@pytest.mark.parametrize("call", ["logs:DescribeLogGroups", "logs:ListTagsForResource"])
def test_a_run_that_could_do_nothing_fails(call: str) -> None:
    account = Account()
    account.groups.add("tandem-dev-api", None)
    account.wire.broken = {call}
    with pytest.raises(logs.CleaningFailed):
        account.clean()
    assert account.retentions == {"tandem-dev-api": None}
    assert account.stage.told


def test_a_run_out_of_time_is_continued_by_the_next_until_everything_was_looked_at() -> None:
    account = Account()
    for group in ("a", "b", "c"):
        account.groups.add(f"tandem-dev-{group}", 7)
        for number in range(120):
            account.groups.stream(f"tandem-dev-{group}", f"{number:03}")
    runs = 0
    while any(account.streams.values()):
        account.lasting(50)
        account.clean()
        runs += 1
    assert runs <= 9, "360 streams, and at least 42 of them in each run of 50 questions for the time"
    read = [what for what in account.groups.asked if what.startswith("read ")]
    assert len(read) == 2 * 360, "no stream was read again"
    account.stage.remaining = lambda: 300.0
    assert account.clean()["finished"] is True
    assert account.table.items == {}
    assert account.wire.actions == CALLS["clean_logs"] - {"logs:PutRetentionPolicy"}
    assert mixed_calls() == CALLS["clean_logs"] - {"dynamodb:PutItem"}


def test_a_rehearsal_gets_through_all_groups_too() -> None:
    account = Account(delete=False)
    for group in ("a", "b", "c"):
        account.groups.add(f"tandem-dev-{group}", 7)
        for number in range(40):
            account.groups.stream(f"tandem-dev-{group}", f"{number:02}")
    found: dict[str, int] = {}
    for _ in range(8):
        account.lasting(20)
        for entry in account.clean()["groups"]:
            found[entry["group"]] = found.get(entry["group"], 0) + entry["streams"]
        if min(found.get(f"tandem-dev-{group}", 0) for group in "abc") == 40:
            return
    pytest.fail(f"only {found} were looked at")


def test_a_group_that_takes_a_whole_run_to_skip_through_does_not_starve_the_others() -> None:
    account = Account()
    account.groups.add("tandem-dev-a", 7)
    account.groups.add("tandem-dev-b", None)
    for number in range(100):
        account.groups.stream("tandem-dev-a", f"{number:03}")
    account.lasting(20)
    assert account.clean()["groups"][0]["group"] == "tandem-dev-a"
    account.lasting(2)
    assert account.clean()["groups"] == []
    account.stage.remaining = lambda: 300.0
    report = account.clean()
    assert [entry["group"] for entry in report["groups"]] == ["tandem-dev-b", "tandem-dev-a"]
    assert (report["scanned"], report["finished"]) == (2, True)


@pytest.mark.parametrize("call", ["dynamodb:GetItem", "dynamodb:DeleteItem"])
def test_a_table_that_is_away_costs_only_the_place(call: str) -> None:
    account = mixed()
    account.wire.broken = {call}
    assert account.clean()["finished"] is True


def test_without_a_table_every_run_starts_from_the_top() -> None:
    account = mixed()
    account.stage.config = Config(environment="dev", cleanup=account.stage.config.cleanup)
    assert account.clean()["finished"] is True
    assert not {call for call in account.wire.actions if call.startswith("dynamodb")}


def mixed_calls() -> set[str]:
    account = mixed()
    account.clean()
    return account.wire.actions
