"""Metrics as lines: the format holds whatever is noted, nothing is lost or counted twice, and it costs little."""

import asyncio
import json
import sys
import time
import timeit
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi import FastAPI

from services.chassis import logs
from services.chassis.chores import Repeated
from services.chassis.database import Database
from services.chassis.errors import Unavailable
from services.chassis.metrics import BACKGROUND_FAILURES, DURATION, FAULTS, POOL_IN_USE, POOL_WAIT, Metric, Metrics
from services.chassis.sampling import Sampler
from services.chassis.tracing import Tracing
from services.chassis.web import create_app
from tests.services.chassis.conftest import SETTINGS, router
from tests.services.chassis.tiny import ready
from tests.services.conftest import Serve
from tests.services.emf import CloudWatch
from tests.services.raw_http import request, talk

PLAIN = Metric(name="Things", unit="Count", why="a test")
GUARD = Metric(name="Guard", unit="Count", why="a test")


@pytest.fixture
def cloudwatch() -> CloudWatch:
    return CloudWatch()


@pytest.fixture
def noted(cloudwatch: CloudWatch) -> Metrics:
    return Metrics("things", environment="local", runtime="local", version="v1", every=0.05, write=cloudwatch.hear)


def test_values_that_share_their_dimensions_share_a_line(noted: Metrics, cloudwatch: CloudWatch) -> None:
    noted.observe(DURATION, 1.5, "/a")
    noted.observe(FAULTS, 0, "/a")
    noted.flush()
    (line,) = cloudwatch.lines
    document = json.loads(line)
    assert document["_aws"]["CloudWatchMetrics"] == [
        {
            "Namespace": "Tandem/Shop",
            "Dimensions": [["environment", "service"], ["environment", "service", "route"]],
            "Metrics": [{"Name": "Duration", "Unit": "Milliseconds"}, {"Name": "Faults", "Unit": "Count"}],
        }
    ]
    members = {key: value for key, value in document.items() if key != "_aws"}
    assert members == {
        "environment": "local",
        "service": "things",
        "runtime": "local",
        "version": "v1",
        "route": "/a",
        "Duration": 1.5,
        "Faults": 0,
    }


@pytest.mark.parametrize("count", [1, 99, 100, 101, 1234])
def test_more_values_than_a_line_may_hold_are_more_lines(noted: Metrics, cloudwatch: CloudWatch, count: int) -> None:
    for number in range(count):
        noted.observe(DURATION, number, "/a")
        noted.observe(FAULTS, 1, "/a")
    noted.flush()
    assert cloudwatch.values("Duration", "things") == list(range(count))
    assert cloudwatch.values("Duration", "things", route="/a") == list(range(count))
    assert cloudwatch.values("Faults", "things") == [count], "a sum is one number, however many lines there are"


def test_what_has_left_does_not_leave_again(noted: Metrics, cloudwatch: CloudWatch) -> None:
    noted.observe(PLAIN)
    noted.flush()
    noted.flush()
    assert cloudwatch.values("Things", "things") == [1]


def test_what_an_alarm_waits_for_leaves_as_nought_too(noted: Metrics, cloudwatch: CloudWatch) -> None:
    noted.always(GUARD)
    noted.flush()
    noted.observe(GUARD)
    noted.observe(PLAIN)
    noted.flush()
    noted.flush()
    assert cloudwatch.values("Guard", "things") == [0, 1, 0]
    assert len(cloudwatch.lines) == 3


def test_nothing_is_lost_between_threads(noted: Metrics, cloudwatch: CloudWatch) -> None:
    def note(route: int) -> None:
        for number in range(2_000):
            noted.observe(DURATION, number, f"/{route % 3}")
            noted.observe(PLAIN)
            if number % 500 == 0:
                noted.flush()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(note, range(6)))
    finally:
        sys.setswitchinterval(before)
    noted.flush()
    assert cloudwatch.total("Things", "things") == 12_000
    assert {key: len(values) for key, values in cloudwatch.by("Duration", "things", "route").items()} == {
        f"/{route}": 4_000 for route in range(3)
    }


class Torn:
    """A stdout that is gone."""

    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise ValueError("I/O operation on closed file")


async def test_a_stdout_that_is_gone_fails_no_request(
    app: FastAPI, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(app) as url:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", Torn())
            logs.write("gone")
            for _ in range(120):  # a line of metrics falls among them
                (reply,) = await talk(url, request("GET", "/things"), most=1)
                assert reply.status == 200
            app.state.metrics.flush()


async def test_beside_a_server_metrics_leave_now_and_then_and_at_the_end(
    noted: Metrics, cloudwatch: CloudWatch, serve: Serve
) -> None:
    late: list[int] = []

    async def close() -> None:
        noted.observe(PLAIN, 7)
        late.append(len(cloudwatch.lines))

    app = create_app(SETTINGS, title="Things", prefix="/things", routers=[], ready=ready, close=[close], metrics=noted)
    async with serve(app):
        noted.observe(PLAIN)
        async with asyncio.timeout(5):
            while not cloudwatch.lines:  # noqa: ASYNC110 - the loop under test decides
                await asyncio.sleep(0.01)
    assert cloudwatch.values("Things", "things") == [1, 7], "also what is noted while everything closes"
    assert late == [1]


async def test_health_checks_are_not_counted_and_strangers_name_no_metric(
    noted: Metrics, cloudwatch: CloudWatch, serve: Serve
) -> None:
    app = create_app(SETTINGS, title="Things", prefix="/things", routers=[], ready=ready, metrics=noted)
    async with serve(app) as url:
        for target in ("/healthz", "/readyz", "/things/healthz", "/things/readyz", "/x/healthz", "/a@b.example", "/y"):
            await talk(url, request("GET", target), most=1)
        await talk(url, request("GET", "/things", "Host: twice.example"), most=1)
    assert {key: len(values) for key, values in cloudwatch.by("Duration", "things", "route").items()} == {
        "unmatched": 4
    }


async def test_a_client_that_hangs_up_is_no_fault_of_ours(
    noted: Metrics, cloudwatch: CloudWatch, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(SETTINGS, title="Things", prefix="/things", routers=[router], ready=ready, metrics=noted)
    async with serve(app) as url:
        _, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
        writer.write(request("POST", "/things", "Content-Type: application/json", body=b'{"name": "it", "n": 1}')[:-5])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
    assert cloudwatch.values("Faults", "things", route="/things") == [0]
    assert [record.levelname for record in caplog.records if record.name == "http"] == []


async def test_a_background_step_that_fails_is_counted_under_its_name(noted: Metrics, cloudwatch: CloudWatch) -> None:
    async def away() -> None:
        raise Unavailable

    async def broken() -> None:
        raise RuntimeError

    async def well() -> None:
        pass

    for name, step in (("away", away), ("away", away), ("broken", broken), ("well", well)):
        await Repeated(step, every=1).once(name, Tracing("things", None, sampler=Sampler(()), facts={}), noted.observe)
    noted.flush()
    assert cloudwatch.by(BACKGROUND_FAILURES.name, "things", "step") == {"away": [2], "broken": [1]}
    assert cloudwatch.total(BACKGROUND_FAILURES.name, "things") == 3


async def test_a_connection_that_is_lent_out_says_how_long_it_was_waited_for(
    database_urls: dict[str, str], noted: Metrics, cloudwatch: CloudWatch
) -> None:
    database = Database(database_urls["product"], size=2, observe=noted.observe)

    async def work() -> None:
        async with database.connection() as connection:
            await connection.fetch_value("SELECT pg_sleep(0.05)")

    await asyncio.gather(*(work() for _ in range(4)))
    await database.close()
    noted.flush()
    waits = sorted(cloudwatch.values(POOL_WAIT.name, "things"))
    assert len(waits) == 4
    assert max(waits[:2]) < 40 < min(waits[2:]), "two of them had to wait for the first two"
    lent = sorted(cloudwatch.values(POOL_IN_USE.name, "things"))
    assert lent in ([1, 2, 2, 2], [1, 1, 2, 2]), "two at the most; the first two may come back together"


def test_a_request_costs_less_in_metrics_than_its_line_in_the_log_takes_to_become_json() -> None:
    """Half of it, 2 to 3 µs, lines that are full included. As CPU time and as a ratio: others work here, too."""
    noted = Metrics("things", environment="dev", runtime="fargate", version="v1", write=lambda _: None)

    def count() -> None:
        noted.observe(DURATION, 12.345, "/orders/{order_id}")
        noted.observe(FAULTS, 0, "/orders/{order_id}")

    line = {"time": "2026-01-01T00:00:00.000+00:00", "level": "info", "service": "things", "logger": "http"}
    line |= {"message": "request", "method": "GET", "route": "/orders/{order_id}", "status": "200"}
    line |= {"milliseconds": "12.3", "runtime": "fargate", "client": "203.0.113.9", "request_id": "a" * 32}
    counting, writing = (
        min(timeit.repeat(work, number=5_000, repeat=5, timer=time.process_time))
        for work in (count, lambda: json.dumps(line, default=str))
    )
    assert counting < writing
