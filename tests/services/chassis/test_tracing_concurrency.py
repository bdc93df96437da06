"""Many requests at once through the real server: each span is where its request was, whatever the loop did between."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from fastapi import APIRouter, FastAPI, Request

from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.tracing import span
from services.chassis.upstream import Upstream
from services.chassis.web import create_app
from services.chassis.xray import XRay
from tests.services.chassis.conftest import SETTINGS
from tests.services.conftest import Serve
from tests.services.traces import Agent, Seen, agent, traced, tree

AT_ONCE = 64
router = APIRouter(prefix="/mix", route_class=Route)


async def pause() -> None:
    await asyncio.sleep(random.uniform(0, 0.02))


async def step(name: str, *within: str) -> None:
    await pause()
    with span(name):
        await pause()
        await asyncio.gather(*(step(inner) for inner in within))


@router.get("/gather/{number}", responses=problems())
async def gather(number: int, request: Request) -> None:
    await asyncio.gather(step(f"a{number}", f"b{number}", f"c{number}"), step(f"d{number}"), call(request, number))


@router.get("/late/{number}", responses=problems())
async def late(number: int, request: Request) -> None:
    """Leaves a task behind that goes on when the answer has been sent."""
    with span(f"e{number}"):
        request.app.state.left.append(asyncio.create_task(step(f"f{number}", f"g{number}")))
        await pause()


@router.get("/broken/{number}", responses=problems())
async def broken(number: int) -> None:
    with span(f"h{number}"):
        await pause()
        raise RuntimeError


@router.get("/leaf/{number}", responses=problems())
async def leaf(number: int) -> None:
    await step(f"i{number}")


async def call(request: Request, number: int) -> None:
    with span(f"j{number}"):
        await request.app.state.upstream.request("GET", f"/mix/leaf/{number}", timeout=30)


def expected(kind: str, number: int) -> list[Any]:
    shapes: dict[str, list[Any]] = {
        "gather": [
            {f"a{number}": [f"b{number}", f"c{number}"]},
            f"d{number}",
            {f"j{number}": [{"127.0.0.1": [{"tandem-test-things": [f"i{number}"]}]}]},
        ],
        "late": [{f"e{number}": [{f"f{number}": [f"g{number}"]}]}],
        "broken": [f"h{number}"],
    }
    return shapes[kind]


@pytest.fixture
def listening() -> Iterator[Agent]:
    with agent() as found:
        yield found


@pytest.fixture
def app(listening: Agent) -> FastAPI:
    async def ready() -> dict[str, bool]:
        return {}

    return create_app(
        replace(SETTINGS, background=False),
        title="Mix",
        prefix="/mix",
        routers=[router],
        ready=ready,
        state={"left": []},
        tracing=traced(XRay(listening.address)),
    )


async def test_sixty_four_mixed_requests_keep_every_span_with_its_parent_and_its_trace(
    app: FastAPI, listening: Agent, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.chassis.client.CONNECT_TIMEOUT", 30.0)  # its speed is no question here
    kinds = [("gather", "late", "broken")[number % 3] for number in range(AT_ONCE)]
    roots = [f"1-67891233-{number:024x}" for number in range(AT_ONCE)]
    async with serve(app) as url, aiohttp.ClientSession(url) as http:
        app.state.upstream = Upstream(url)

        async def ask(number: int) -> None:
            await pause()
            headers = {"X-Amzn-Trace-Id": f"Self={roots[0]};Root={roots[number]}"}
            async with http.get(f"/mix/{kinds[number]}/{number}", headers=headers) as answer:
                assert answer.status == (500 if kinds[number] == "broken" else 200)

        await asyncio.gather(*map(ask, range(AT_ONCE)))
        await asyncio.gather(*app.state.left)
        await app.state.upstream.close()
    by_trace: dict[str, list[Seen]] = {root: [] for root in roots}
    for seen in listening.seen:
        by_trace[seen.trace_id].append(seen)
    for number, root in enumerate(roots):
        (shape,) = tree(sorted(by_trace[root], key=lambda seen: seen.name)).values()
        assert sorted(shape, key=repr) == sorted(expected(kinds[number], number), key=repr), (kinds[number], number)
    broken_ones = [seen for seen in listening.seen if "raised" in seen.facts]
    assert {seen.facts["raised"] for seen in broken_ones} == {"RuntimeError"}
    assert len(broken_ones) == 2 * kinds.count("broken")
