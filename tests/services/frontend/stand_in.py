"""A load balancer with both services behind it, on a real port: it answers as told and remembers what it was asked."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

ORDER_ID = "0b6b6d3e-7d8b-4a55-9c1f-3f0d7f3a1c11"
EVENTS = {
    "items": [
        {"was": None, "status": "pending", "actor": "placement", "at": "2026-01-02T03:04:05.000006Z"},
        {"was": "pending", "status": "confirmed", "actor": "placement", "at": "2026-01-02T03:04:06.000007Z"},
    ]
}
CATEGORIES = {"items": [{"slug": "audio", "name": "Audio", "products": 3}]}


def product(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": number,
        "sku": f"AUD-{number}",
        "name": f"Headphones {number}",
        "description": "",
        "category": "audio",
        "price_cents": 1999,
        "stock": 100,
        "active": True,
        "version": 4,
        "image": f"/products/{number}/image.svg",
        **changes,
    }


def page(*numbers: int) -> dict[str, Any]:
    return {"items": [product(number) for number in numbers], "next": None}


def order(*product_ids: int, **changes: Any) -> dict[str, Any]:
    lines = [
        {
            "product_id": number,
            "sku": f"AUD-{number}",
            "name": "As it was",
            "qty": 1,
            "unit_price_cents": 1500,
            "line_total_cents": 1500,
        }
        for number in product_ids
    ]
    return {
        "id": ORDER_ID,
        "customer_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "status": "confirmed",
        "reject_code": None,
        "total_cents": 1500 * len(lines),
        "tracking": None,
        "lines": lines,
        "created_at": "2026-01-02T03:04:05.000006Z",
        "decided_at": "2026-01-02T03:04:05.000007Z",
        **changes,
    }


def problem(status: int, code: str, **members: Any) -> dict[str, Any]:
    return {"type": f"/problems/{code}", "title": code, "status": status, "request_id": "12345678", **members}


@dataclass(frozen=True, slots=True)
class Seen:
    method: str
    target: str  # path and query as they came
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


@dataclass(slots=True)
class Scripted:
    status: int
    headers: dict[str, str]
    body: bytes


NOBODY = Scripted(503, {"Content-Type": "text/html"}, b"<html>503 Service Temporarily Unavailable</html>")


@dataclass
class StandIn:
    """`answers` maps "GET /products" to an answer; a path without one gets what a load balancer says: 503 in HTML."""

    answers: dict[str, Scripted] = field(default_factory=dict)
    hanging: set[str] = field(default_factory=set)
    seen: list[Seen] = field(default_factory=list)
    _released: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, what: str, document: Any, status: int = 200, **headers: str) -> bytes:
        """Answer JSON from now on. Gives the bytes that will be sent."""
        media_type = "application/problem+json" if status >= 400 else "application/json"
        body = json.dumps(document, indent=1).encode()  # nobody here writes JSON like this, so rewriting it would show
        self.answer_bytes(what, body, media_type, status, **headers)
        return body

    def answer_bytes(self, what: str, body: bytes, media_type: str, status: int = 200, **headers: str) -> None:
        self.hanging.discard(what)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[what] = Scripted(status, {"Content-Type": media_type, **named}, body)

    def answer_healthily(self) -> None:
        self.answer("GET /products/categories", CATEGORIES)
        self.answer("GET /products", page(1, 2, 3))
        for number in (1, 2, 3):
            self.answer(f"GET /products/{number}", product(number))
        self.answer(f"GET /orders/{ORDER_ID}", order(1, 2))
        self.answer(f"GET /orders/{ORDER_ID}/events", EVENTS)
        self.answer("GET /orders", {"items": [order(1, 2)], "next": None})
        self.answer("POST /orders", order(1), 201)
        for service in ("product", "order"):
            healthy = {"service": service, "version": "v7", "status": "ok"}
            self.answer(f"GET /{service}s/healthz", healthy, x_served_by="fargate")

    def take_away(self, path: str) -> None:
        """Everything below a path is gone: the load balancer has no healthy target."""
        for what in [what for what in self.answers if what.split()[1].startswith(path)]:
            del self.answers[what]

    def hang(self, *whats: str) -> None:
        self.hanging.update(whats)

    def targets(self, method: str = "GET") -> list[str]:
        return [seen.target for seen in self.seen if seen.method == method]

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._respond)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            await web.SockSite(runner, listener).start()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._released.set()
            await runner.cleanup()

    async def _respond(self, request: web.Request) -> web.Response:
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in request.raw_headers]
        self.seen.append(Seen(request.method, request.raw_path, headers, await request.read()))
        what = f"{request.method} {request.raw_path.partition('?')[0]}"
        if what in self.hanging:
            await self._released.wait()
        scripted = self.answers.get(what, NOBODY)
        return web.Response(status=scripted.status, headers=scripted.headers, body=scripted.body)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        kind: str = self.json()["type"]
        return kind.removeprefix("/problems/")


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
