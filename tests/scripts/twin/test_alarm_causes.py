"""Every alarm of every environment is raised by its cause and by nothing else, and told; then it is over, and told."""

from collections.abc import Iterator

import pytest

from cfn.environments import ENVIRONMENTS, LOCAL
from scripts.twin.alarms.evaluation import OK, RAISED, UNKNOWN
from scripts.twin.alarms.reading import Alarm, alarms
from scripts.twin.deployment.local import local_world
from tests.scripts.twin.alarm_causes import Cloud, broken, elsewhere, parts_of, well


@pytest.fixture(scope="module", params=[*ENVIRONMENTS, LOCAL.name])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    world = local_world(environment={**ENVIRONMENTS, LOCAL.name: LOCAL}[request.param])
    return Cloud(world, list(alarms(world)))


def each(cloud: Cloud) -> Iterator[tuple[Alarm, list[Alarm], Cloud]]:
    """Every alarm, what it is made of, and a cloud that has these alone."""
    known = {one.alarm.name: one.alarm for one in cloud.watch.watched.values()}
    for alarm in known.values():
        inner = [one for one in known.values() if f'"{one.name}"' in alarm.rule]
        parts = parts_of(alarm, known)
        yield (
            alarm,
            parts,
            Cloud(cloud.world, [*parts, *(one for one in inner if one.rule), *([alarm] if alarm.rule else [])]),
        )


def test_the_cause_raises_it_and_who_is_subscribed_hears_both_ends(cloud: Cloud) -> None:
    found = list(each(cloud))
    assert len(found) > 50
    for alarm, parts, alone in found:
        states = [alone.state(alarm)]
        for data in (well, broken, well):
            alone.pass_by(parts, {part.name: data(part) for part in parts})
            states.append(alone.state(alarm))
        assert states == [UNKNOWN, OK, RAISED, OK], alarm.name
        if alarm.told["ALARM"]:
            assert alone.told(alarm) == [OK, RAISED], alarm.name  # it was OK before, too
            heard(alarm, alone)


def heard(alarm: Alarm, cloud: Cloud) -> None:
    """By e-mail, and in Slack unless it is about the way there."""
    subscribers = {subscriber for _, subscriber, change in cloud.delivered if change.alarm is alarm}
    apart = alarm.told["ALARM"] == ("MailTopic",)
    assert "email" in subscribers
    assert any(one.endswith("-ops-notify") for one in subscribers) is not apart, alarm.name
    titles = [title for title in cloud.office.outbox.titles if alarm.name in title]
    assert bool(titles) is not apart, alarm.name


def test_what_tells_nobody_is_told_by_a_composite_alarm(cloud: Cloud) -> None:
    rules = " ".join(one.alarm.rule for one in cloud.watch.watched.values())
    silent = [one.alarm for one in cloud.watch.watched.values() if not one.alarm.told["ALARM"]]
    assert silent
    assert [alarm.name for alarm in silent if f'"{alarm.name}"' not in rules] == []


def test_data_of_another_series_raise_nothing(cloud: Cloud) -> None:
    """CloudWatch adds nothing up over dimensions: one dimension less, one more, or another value is somebody else."""
    for alarm, parts, alone in each(cloud):
        if alarm.rule:
            continue
        for data in elsewhere(broken(alarm)):
            alone.pass_by(parts, {alarm.name: {**well(alarm), **data}})
            assert alone.state(alarm) == OK, alarm.name


def test_silence_raises_what_it_should_and_ends_the_rest(cloud: Cloud) -> None:
    for alarm, parts, alone in each(cloud):
        if alarm.rule:
            continue
        alone.pass_by(parts, {alarm.name: well(alarm)})
        alone.pass_by(parts, {alarm.name: {}})
        assert alone.state(alarm) == (RAISED if alarm.missing == "breaching" else OK), alarm.name


def test_a_budget_that_burned_an_hour_ago_cries_no_longer(cloud: Cloud) -> None:
    """The long window still says so, the short one does not: both have to."""
    burns = [(alarm, parts, alone) for alarm, parts, alone in each(cloud) if alarm.name.endswith("-burn-fast")]
    assert burns
    for alarm, parts, alone in burns:
        long, short = ([part for part in parts if part.period == period] for period in (3600, 300))
        alone.pass_by(parts, {part.name: broken(part) for part in parts})
        assert alone.state(alarm) == RAISED
        alone.pass_by(short, {part.name: well(part) for part in short})
        assert RAISED in {alone.state(part) for part in long}
        assert alone.state(alarm) == OK
