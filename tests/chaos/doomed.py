"""The deployed services with a weak point: a request whose id is `kill.<point>.<number>` takes its process with it.

`python -m services.chassis.server tests.chaos.doomed:order`. The points lie in substitutes that go into `main.create`
by keyword, and around the finished app; the services know nothing of them. The id of a request travels with it, so
one order can kill either service.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.auth import Signer
from services.chassis.logs import request_id
from services.chassis.settings import Settings
from services.chassis.upstream import Upstream
from services.order import main as order_main
from services.order.catalog import HttpCatalog
from services.product import main as product_main
from tests.services.order.fakes import WatchedCatalog, WatchedDatabase

# What a placement passes. T1 writes the intent, S2 reserves, S3 confirms, T4 follows.
ORDER_POINTS = (
    "before-T1",
    "T1-sent",
    "after-T1",
    "before-S2",
    "after-S2",
    "before-S3",
    "after-S3",
    "before-T4",
    "T4-committed",
    "after-T4",
)
PRODUCT_POINTS = ("S2-unanswered", "S3-unanswered")


def order() -> FastAPI:
    settings = Settings.from_env("order", needs=["DATABASE_URL", "UPSTREAM_URL"])
    upstream = Upstream(settings.upstream_url or "", audience="product", signer=Signer(settings.service_keys))
    return order_main.create(
        settings,
        database=WatchedDatabase(settings.database_url or "", reach),
        catalog=WatchedCatalog(HttpCatalog(upstream), reach),
    )


def product() -> FastAPI:
    app = product_main.create()
    app.add_middleware(Unanswered)
    return app


async def reach(point: str) -> None:
    doom = request_id.get().split(".")
    if doom[0] != "kill":
        return
    if doom[1] == point:
        die()
    if doom[1] == "T1-sent" and point == "before-T1":
        in_two_turns(die)  # the statement leaves with the first of them
    if doom[1] == "T4-committed" and point == "before-T4":
        in_two_turns(die_late)


class Unanswered:
    """Dies when the work is done and the answer is about to leave."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def doomed(message: Message) -> None:
            step = "S3" if scope["path"].endswith("/confirm") else "S2"
            if request_id.get().startswith(f"kill.{step}-unanswered."):
                die()
            await send(message)

        await self._app(scope, receive, doomed if "/reservations/" in scope.get("path", "") else send)


def in_two_turns(act: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    loop.call_soon(loop.call_soon, act)


def die_late() -> None:
    time.sleep(0.2)  # PostgreSQL commits; nobody here reads that it has
    die()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
