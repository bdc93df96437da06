"""What a page costs: CPU of the frontend for the front page, and bytes over the wire for a page of 24 products.

Runs product and order service with the demo products, each a process of its own, and the frontend in a thread of this
one, whose CPU the kernel tells apart. A visitor comes once with nothing and then again with what the browser has kept.
"""

import argparse
import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp
import uvloop

from scripts.benches.options import positive
from scripts.benches.platform import Platform, own, unwritten
from scripts.databases import service_url
from scripts.terminal import Terminal
from services.chassis.database import Database
from services.chassis.metrics import Metrics
from services.chassis.settings import Settings
from services.frontend.main import create
from services.product.demo import seed

SUMMARY = "the pages of the shop: CPU and bytes"
FRONT_MILLISECONDS = 3.0
FIRST_BYTES = 60_000
NEXT_BYTES = 15_000
WARM = 30  # requests that are not counted
_LOADED = re.compile(rb'(?:src|href)="(/(?:static|products)/[^"]+\.(?:css|js|svg))"')


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--requests", type=positive, default=300, metavar="N", help="for the front page (default: 300)")


@dataclass(frozen=True, slots=True)
class Result:
    """`first` and `later` are bytes of a page of 24 products, headers included: with all that it loads, and alone."""

    milliseconds: float
    first: int
    later: int
    products: int


def run(options: argparse.Namespace) -> int:
    return asyncio.run(measure(options.requests, Terminal()))


async def measure(requests: int, terminal: Terminal) -> int:
    async with own(terminal) as here:
        catalogue = Database(service_url(here.database_url, "product", here.keys.passwords), size=1)
        try:
            await seed(catalogue)
        finally:
            await catalogue.close()
        result = await asyncio.to_thread(_visited, here, requests)
    return judge(result, terminal)


def judge(result: Result, terminal: Terminal) -> int:
    rows = (
        ("front page, CPU of the frontend", result.milliseconds, FRONT_MILLISECONDS, "ms"),
        (f"page of {result.products} products, first visit", result.first, FIRST_BYTES, "bytes"),
        (f"page of {result.products} products, next", result.later, NEXT_BYTES, "bytes"),
    )
    for label, value, goal, unit in rows:
        terminal.say(f"{label:<36}{value:>10,.2f} {unit:<6} goal {goal:,.0f}".replace(".00 bytes", " bytes"))
    kept = all(value <= goal for _, value, goal, _ in rows) and result.products == 24
    terminal.say("Every goal is kept." if kept else "Not every goal is kept.")
    return 0 if kept else 1


def _visited(here: Platform, requests: int) -> Result:
    """What visitors of a frontend cost, in a thread and an event loop that do nothing else."""

    async def visit() -> Result:
        settings = _settings(here)
        app = create(settings, metrics=Metrics.of(settings, write=unwritten))
        async with app.router.lifespan_context(app):
            spent = await _front_page(app, requests)
            return Result(spent, *await _visit(app, here))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the containers run it
        return runner.run(visit())


async def _front_page(app: Any, requests: int) -> float:
    """Milliseconds of CPU for one, the calls to the services included: the tenth percentile, since what runs beside it
    on the machine only ever adds."""
    for _ in range(WARM):
        await ask(app, "/")
    spent = []
    for _ in range(requests):
        began = time.thread_time()
        await ask(app, "/")
        spent.append((time.thread_time() - began) * 1000)
    return sorted(spent)[requests // 10]


async def _visit(app: Any, here: Platform) -> tuple[int, int, int]:
    size, page = await ask(app, "/shop", compressed=False)
    size, _ = await ask(app, "/shop")
    loaded = sorted({found.decode() for found in _LOADED.findall(page)})
    total = size
    async with aiohttp.ClientSession(here.url, auto_decompress=False) as http:
        for path in loaded:
            if path.startswith("/static/"):
                total += (await ask(app, path))[0]
                continue
            async with http.get(path) as answer:
                total += _wire(answer.raw_headers, await answer.read())
    return total, size, sum(path.startswith("/products/") for path in loaded)


async def ask(app: Any, target: str, *, compressed: bool = True) -> tuple[int, bytes]:
    """A page as a browser asks for it: its size on the wire with headers, and its body."""
    headers = [(b"host", b"shop"), (b"accept", b"text/html")]
    headers += [(b"accept-encoding", b"gzip, deflate, br")] if compressed else []
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": target,
        "raw_path": target.encode(),
        "headers": headers,
    }
    scope |= {"query_string": b"", "scheme": "http", "http_version": "1.1"}
    scope |= {"client": ("127.0.0.1", 1), "server": None}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    if sent[0]["status"] != 200:
        raise RuntimeError(f"{target} was answered with {sent[0]['status']}")
    return _wire(sent[0]["headers"], body), body


def _wire(headers: Any, body: bytes) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers) + len(body) + 17


def _settings(here: Platform) -> Settings:
    return Settings(
        service="frontend",
        session_keys={"local": bytes.fromhex(here.keys.session)},
        service_keys={"local": bytes.fromhex(here.keys.service)},
        upstream_url=here.url,
    )
