"""The status page: what answers, which runtime, how fast, and on a developer's machine where requests go."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from services.chassis.upstream import Upstream
from services.frontend.latency import KEPT, Latency
from services.frontend.main import create
from services.frontend.weights import HttpWeights, Shares
from tests.services.conftest import Serve
from tests.services.frontend.conftest import SETTINGS
from tests.services.frontend.stand_in import Clock, StandIn
from tests.services.frontend.visiting import Page, Visitor

WEIGHTS = {"product": {"fargate": 0, "lambda": 100}, "order": {"fargate": 100, "lambda": 0}}


async def test_everything_that_works_is_said_to(visitor: Visitor) -> None:
    await visitor.get("/")
    shown = await visitor.get("/status")
    assert visitor.reply.status == 200
    assert "Everything works" in shown.text
    assert "product Answers fargate v7" in shown.text
    assert "order Answers fargate v7 –" in shown.text, "nobody has asked it anything"
    assert "Where requests go" not in shown.text
    assert visitor.reply.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("away", "told"),
    [(("/orders",), "Part of the shop is away"), (("/orders", "/products"), "The services behind the shop are away")],
)
async def test_what_is_away_is_named_kindly(visitor: Visitor, shop: StandIn, away: tuple[str, ...], told: str) -> None:
    for path in away:
        shop.take_away(path)
    shown = await visitor.get("/status")
    assert visitor.reply.status == 200
    assert told in shown.text
    assert "order Away" in shown.text


async def test_the_speed_is_that_of_what_was_asked_lately(visitor: Visitor) -> None:
    for _ in range(3):
        await visitor.get("/")
    (product, order) = (await visitor.ask("GET", "/api/status")).json()["backends"]
    assert product["p95_ms"] > 0
    assert order["p95_ms"] is None


def test_the_95th_percentile_is_of_five_minutes_and_of_two_thousand() -> None:
    clock = Clock()
    latency = Latency(clock=clock)
    for milliseconds in range(1, 101):
        latency.add(milliseconds / 1000)
    assert latency.p95_ms == 95.0
    clock.now += 299
    latency.add(7.0)
    clock.now += 2
    assert latency.p95_ms == 7000.0
    for _ in range(KEPT):
        latency.add(0.001)
    assert latency.p95_ms == 1.0
    clock.now += 301
    assert latency.p95_ms is None


async def test_how_long_pages_take_is_shown_once_one_was_asked_for(visitor: Visitor) -> None:
    assert "frontend Answers local dev –" in (await visitor.get("/status")).text
    assert re.search(r"frontend Answers local dev \d+\.\d ms", (await visitor.get("/status")).text)


@asynccontextmanager
async def frontend(serve: Serve, upstream_url: str, weights: HttpWeights) -> AsyncIterator[str]:
    async with serve(create(replace(SETTINGS, upstream_url=upstream_url), weights=weights)) as base_url:
        yield base_url


@pytest.mark.parametrize(
    ("document", "status", "told"),
    [
        ({"weights": WEIGHTS}, 200, "product 0 100 order 100 0"),
        ({"weights": []}, 200, ""),
        ({"weights": {"product": {"fargate": "many"}}}, 200, ""),
        ({}, 200, ""),
        ({"weights": WEIGHTS}, 500, ""),
        (["weights"], 200, ""),
    ],
)
async def test_where_a_load_balancer_tells_its_weights_they_are_shown(
    behind: tuple[StandIn, str], serve: Serve, document: object, status: int, told: str
) -> None:
    shop, base_url = behind
    shop.answer("GET /status", document, status)
    control = Upstream(base_url)
    async with (
        frontend(serve, base_url, HttpWeights(control)) as url,
        aiohttp.ClientSession(url) as http,
        http.get("/status") as answer,
    ):
        shown = Page(await answer.text())
    await control.close()
    assert answer.status == 200
    assert ("Where requests go" in shown.text) == bool(told)
    assert told in shown.text


async def test_the_address_of_the_load_balancer_is_a_setting(behind: tuple[StandIn, str]) -> None:
    _, base_url = behind
    shares: dict[str, Shares | None] = {}
    for control in (base_url, None):
        app = create(replace(SETTINGS, upstream_url=base_url, control_url=control))
        shares[str(control)] = app.state.weights
    assert shares[base_url] is not None
    assert shares["None"] is None
