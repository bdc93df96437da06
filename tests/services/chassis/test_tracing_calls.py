"""Calls to other services and background work, as spans."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from services.chassis.chores import Chores, Repeated
from services.chassis.errors import Unavailable
from services.chassis.upstream import Upstream
from tests.services.chassis.test_upstream import Statuses, serving
from tests.services.traces import HEADER, ROOT, Memory, traced


@pytest.fixture
def memory() -> Memory:
    return Memory()


def calls(memory: Memory) -> list[dict[str, Any]]:
    return [seen.facts for seen in memory.seen if seen.remote]


async def test_every_try_is_a_span_and_the_peer_is_told_which(memory: Memory) -> None:
    handler = Statuses(503, 404)
    async with serving(handler.answer) as url:
        upstream = Upstream(url, audience="things", environment="test")
        with traced(memory).start_request(HEADER, "GET", "/"):
            await upstream.request("GET", "/it", query={"q": "s3cr3t"}, tries=3)
        await upstream.close()
    first, second = (seen for seen in memory.seen if seen.remote)
    assert first.name == second.name == "tandem-test-things"
    assert first.facts == {"method": "GET", "url": f"{url}/it", "attempt": 1, "status": 503, "fault": True}
    assert second.facts == {"method": "GET", "url": f"{url}/it", "attempt": 2, "status": 404, "error": True}
    told = [request.headers["X-Amzn-Trace-Id"] for request in handler.requests]
    assert told == [f"Root={ROOT};Parent={seen.id};Sampled=1" for seen in (first, second)]


async def test_without_an_audience_a_call_is_named_after_its_host(memory: Memory) -> None:
    async with serving(Statuses().answer) as url:
        upstream = Upstream(url)
        with traced(memory).start_request(HEADER, "GET", "/"):
            await upstream.request("GET", "/")
        await upstream.close()
    assert [seen.name for seen in memory.seen if seen.remote] == ["127.0.0.1"]


async def test_a_timeout_and_a_refusal_are_faults_that_say_which(memory: Memory, unused_tcp_port: int) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response()

    async def ask(url: str) -> None:
        upstream = Upstream(url)
        with pytest.raises(Unavailable):
            await upstream.request("GET", "/", timeout=0.05)
        await upstream.close()

    async with serving(slow) as url:
        with traced(memory).start_request(HEADER, "GET", "/"):
            await ask(url)
            await ask(f"http://127.0.0.1:{unused_tcp_port}")
    assert [(call["failure"], call["fault"]) for call in calls(memory)] == [("timeout", True), ("refused", True)]


def chores(memory: Memory, step: Callable[[], Any]) -> Chores:
    return Chores({"sweeper": Repeated(step, every=0.001)}, [], traced(memory))


async def test_a_step_that_did_something_is_a_trace_and_one_that_did_not_is_none(memory: Memory) -> None:
    results = iter([0, 3, None])

    async def step() -> int | None:
        return next(results)

    work = chores(memory, step)
    for _ in range(3):
        assert await work.run() == {"sweeper": True}
    (seen,) = memory.seen
    assert (seen.name, seen.facts["step"]) == ("tandem-test-things-background", "sweeper")


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError("s3cr3t")])
async def test_a_step_that_failed_is_a_fault(memory: Memory, error: Exception) -> None:
    async def step() -> None:
        raise error

    assert await chores(memory, step).run() == {"sweeper": False}
    assert memory.seen[0].facts["raised"] == type(error).__name__
    assert "s3cr3t" not in repr(memory.seen)


async def test_each_round_of_a_loop_is_a_trace_of_its_own_and_the_last_one_ends_with_it(memory: Memory) -> None:
    rounds = asyncio.Semaphore(0)

    async def step() -> bool:
        rounds.release()
        return True

    (loop,) = chores(memory, step).loops()
    task = asyncio.create_task(loop)
    for _ in range(3):
        await rounds.acquire()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len({seen.trace_id for seen in memory.seen}) == len(memory.seen) >= 3
    assert memory.open == 0
