"""The twin's CloudWatch: which alarms it can know, when it raises them, and what the operations app is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, cast

import boto3
import pytest
from aiohttp import ClientSession, web

from cfn.doctor.graph import World
from chalicelib.alarms import read
from chalicelib.records import records
from scripts.twin.alarms.__main__ import HURRY, function, parsed, repeat
from scripts.twin.alarms.app import HOOK, Slack, application
from scripts.twin.alarms.desk import Desk, Places
from scripts.twin.alarms.evaluation import OK, RAISED, UNKNOWN, Change, Watch
from scripts.twin.alarms.messages import event
from scripts.twin.alarms.reading import Alarm, Looked, Woken, alarms, functions
from scripts.twin.alarms.samples import Series
from scripts.twin.deployment.local import local_world
from scripts.twin.deployment.names import full_name
from scripts.twin.functions.function import Invocation
from scripts.twin.functions.service import LambdaService

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
BALANCING = "arn:aws:elasticloadbalancing:us-east-1:000000000000"
GROUP = f"{BALANCING}:targetgroup/g/1"
BEHIND = {"TargetGroup": "targetgroup/g/1", "LoadBalancer": "app/b/2"}
HEALTHY = Series.of("AWS/ApplicationELB", "HealthyHostCount", BEHIND)
HOSTS = Alarm(
    name="no-healthy-host",
    description="nobody answers",
    series={"": Looked(HEALTHY, "Maximum")},
    threshold=1,
    comparison="LessThanThreshold",
    periods=2,
    datapoints=2,
    missing="breaching",
    listeners={"ALARM": ("notify",), "OK": ()},
)


@pytest.fixture(scope="module")
def world() -> World:
    return local_world()


def states(alarm: Alarm, minutes: list[dict[str, float]]) -> list[str]:
    """After each minute, whose values are by the names in the alarm's formula."""
    watch, found = Watch([alarm]), []
    for minute, values in enumerate(minutes, 1):
        for label, value in values.items():
            watch.samples.add(alarm.series[label].series, [value], 60 * minute)
        list(watch.look(60 * minute, NOON))
        found.append(watch.watched[alarm.name].state)
    return found


def test_the_alarms_that_move_a_service_are_known_and_reach_who_moves_it(world: World) -> None:
    watching = Desk(alarms(world), [], cast("LambdaService", Invoked()), Places(control=""), 60)
    found = watching.watched
    for service in ("product", "order", "frontend"):
        for what in ("no-healthy-host", "errors"):
            one = found[f"tandem-local-{service}-{what}"]
            assert watching.known(one), one.alarm.name
            assert set(one.alarm.listeners["ALARM"]) == {"tandem-local-ops-notify", "tandem-local-ops-failover"}
            groups = {dict(looked.series.dimensions)["TargetGroup"] for looked in one.alarm.series.values()}
            assert [group.split("/")[1] for group in groups] == [f"tandem-local-{service}"]
        assert watching.known(found[f"tandem-local-{service}-burn-fast"])
    assert not watching.known(found["tandem-local-database-cpuutilization"])
    assert not watching.known(found["tandem-local-database-gone"]), "nobody says how many are connected"
    assert found["tandem-local-ops-failed"].alarm.listeners == {"ALARM": (), "OK": ()}


def test_functions_know_the_arns_that_the_load_balancer_has(world: World) -> None:
    found = {one.handler: one for one in functions(world)}
    assert {name for name, one in found.items() if one.every} == {"app.reconcile"}
    told = json.loads(found["app.failover"].settings["FAILOVER"])
    assert told["product"]["alarms"] == ["tandem-local-product-no-healthy-host", "tandem-local-product-errors"]
    assert told["product"]["function"] == "tandem-local-product"
    (hosts,) = (alarm for alarm in alarms(world) if alarm.name == "tandem-local-product-no-healthy-host")
    assert ("TargetGroup", full_name(told["product"]["fargate"])) in hosts.series[""].series.dimensions
    assert "TABLE" not in found["app.notify"].settings, "there is no table here"


def test_an_alarm_needs_its_data_points_and_silence_is_one_too() -> None:
    one, none, silence = {"": 1.0}, {"": 0.0}, dict[str, float]()
    assert states(HOSTS, [one, one, none, none, one]) == [UNKNOWN, OK, OK, RAISED, OK]
    assert states(HOSTS, [one, one, silence, silence]) == [UNKNOWN, OK, OK, RAISED]


def test_the_share_of_errors_counts_from_twenty_requests_on(world: World) -> None:
    (alarm,) = (one for one in alarms(world) if one.name == "tandem-local-product-errors")

    quiet: dict[str, float] = {"requests": 100}
    few: dict[str, float] = {"requests": 19, "errors": 19}
    many: dict[str, float] = {"requests": 100, "errors": 6}
    assert states(alarm, [quiet, few, few, few]) == [OK] * 4, "what silence does not raise needs no waiting for"
    assert states(alarm, [quiet, many, many]) == [OK, OK, RAISED]


def test_the_app_reads_what_it_is_sent() -> None:
    change = Change(HOSTS, OK, RAISED, "because", NOON)
    (record,) = records(event(change))
    assert record.identifier
    told = read(record.document)
    assert told is not None
    assert "no-healthy-host" in str(told)
    assert "because" in str(told)


class Invoked:
    """Takes the place of the Lambda service, and fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[tuple[str, Any]] = []
        self._failures = failures

    def status(self) -> dict[str, Any]:
        return {"functions": {}}

    async def invoke(self, name: str, body: bytes) -> Invocation:
        self.calls.append((name, json.loads(body)))
        self._failures -= 1
        return Invocation(200, b"{}", "Unhandled" if self._failures >= 0 else None)


def desk(service: Invoked, *, control: str = "http://127.0.0.1:1", hurry: float = 600) -> Desk:
    woken = [Woken(name="reconcile", handler="h", timeout=1, memory=128, concurrency=1, settings={}, every=60)]
    return Desk([HOSTS], woken, cast("LambdaService", service), Places(control=control), hurry)


def status(state: str, answers: dict[str, int] | None = None) -> dict[str, Any]:
    group = {"arn": GROUP, "runtime": "fargate", "targets": [{"state": state}, {"state": "draining"}]}
    rule = {"service": "product", "action": {"forward": [{"arn": GROUP, "runtime": "fargate"}]}}
    return {
        "listener": f"{BALANCING}:listener/app/b/2/3",
        "groups": [group],
        "rules": [rule],
        "answers": {"product": {"fargate": answers or {}}},
        "requests": [],
    }


async def until(what: Any) -> None:
    for _ in range(500):
        if what():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true")


@pytest.fixture
async def control() -> AsyncIterator[tuple[str, list[str]]]:
    """A control plane whose target is as the list says."""
    state = ["healthy"]

    async def show(_: web.Request) -> web.Response:
        return web.json_response(status(state[-1]))

    app = web.Application()
    app.router.add_get("/status", show)
    async with serving(app) as url:
        yield url, state


class serving:  # noqa: N801 - a context manager
    def __init__(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def test_a_change_wakes_who_listens_until_it_succeeds_and_the_schedule_goes_on(
    control: tuple[str, list[str]],
) -> None:
    url, state = control
    service = Invoked(failures=2)
    watching = desk(service, control=url)
    async with watching.open():
        await until(lambda: watching.watched[HOSTS.name].state == OK)
        assert "notify" not in {name for name, _ in service.calls}, "nobody listens to OK"
        state.append("unhealthy")
        await until(lambda: [name for name, _ in service.calls].count("notify") >= 1)
        await until(lambda: [name for name, _ in service.calls].count("reconcile") >= 3)
    assert watching.watched[HOSTS.name].state == RAISED


async def test_boto3_reads_the_alarms(control: tuple[str, list[str]]) -> None:
    watching = desk(Invoked(), control=control[0])
    async with serving(application(watching, Slack())) as url:
        client = boto3.client(
            "cloudwatch", endpoint_url=url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        found = await asyncio.to_thread(client.describe_alarms, AlarmNames=[HOSTS.name, "other"])
    (one,) = found["MetricAlarms"]
    assert (one["AlarmName"], one["StateValue"]) == (HOSTS.name, UNKNOWN)
    assert one["StateTransitionedTimestamp"].tzinfo is not None


async def test_slack_shows_what_was_posted_and_only_to_this_machine() -> None:
    slack = Slack()
    async with serving(application(desk(Invoked()), slack)) as url, ClientSession() as http:
        await http.post(f"{url}{HOOK}", json={"blocks": [{"text": {"type": "mrkdwn", "text": "<b>moved</b>"}}]})
        async with http.get(f"{url}/slack", headers={"Accept": "text/html"}) as page:
            assert "&lt;b&gt;moved&lt;/b&gt;" in await page.text()
        async with http.get(f"{url}/slack", headers={"Host": "shop.example.com"}) as foreign:
            assert foreign.status == 403
        async with http.post(f"{url}{HOOK}", json={}, headers={"Sec-Fetch-Site": "cross-site"}) as foreign:
            assert foreign.status == 403
    assert len(slack.posts) == 1


def test_the_app_is_told_this_machines_places_and_shorter_minutes(world: World, tmp_path: Any) -> None:
    (moving,) = (one for one in functions(world) if one.handler == "app.failover")
    options = parsed(["--port=9", "--control=http://127.0.0.1:8", "--functions=http://127.0.0.1:7"])
    made = function(moving, tmp_path / "ops.zip", options)
    assert float(made.environment["HOLD_MINUTES"]) == 10 / HURRY
    assert made.environment["AWS_ENDPOINT_URL_LAMBDA"] == "http://127.0.0.1:7"
    assert json.loads(made.environment["SLACK_SECRET"]) == {"webhook": "http://127.0.0.1:9/slack/hook"}
    assert (made.timeout, made.concurrency) == (55, 1)


def test_lines_of_the_app_are_passed_on_as_up_shows_them(capsys: pytest.CaptureFixture[str]) -> None:
    repeat("notify", '{"level": "WARNING", "message": "Slack is away"}')
    repeat("notify", '{"_aws": {"CloudWatchMetrics": []}, "Invocations": [1]}')
    repeat("notify", "Traceback")
    first, second, third = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"level": "warning", "message": "Slack is away", "service": "notify"}
    assert json.loads(second) == {"_aws": {"CloudWatchMetrics": []}, "Invocations": [1]}, "kept for whoever reads logs"
    assert third == "notify: Traceback"
