"""A load balancer over real sockets, and targets of every kind behind it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import aiohttp
import uvicorn
import yarl
from starlette.types import Receive, Scope, Send

from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.balancer import LoadBalancer
from scripts.twin.load_balancer.front_door import FrontDoor
from scripts.twin.load_balancer.servers import config
from scripts.twin.postgres import free_port
from tests.scripts.twin.deployments import local, with_attributes

HURRY = 100.0  # health checks every 50 ms
Answerer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


class Mirror:
    """A target that answers with what it was sent, and that can be told to be sick."""

    def __init__(self) -> None:
        self.healthy = True
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await answer(send, 200 if self.healthy else 500, b"")
            return
        self.requests += 1
        size, more = 0, True
        while more:
            message = await receive()
            size, more = size + len(message.get("body", b"")), message.get("more_body", False)
        seen = {
            "method": scope["method"],
            "target": scope["raw_path"].decode() + "?" + scope["query_string"].decode(),
            "size": size,
            "headers": [(name.decode(), value.decode()) for name, value in scope["headers"]],
        }
        await answer(send, 200, json.dumps(seen).encode())


async def answer(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-length", str(len(body)).encode()),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"connection", b"x-private"),
        (b"x-private", b"for one hop"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.asynccontextmanager
async def served(app: Any, port: int | None = None) -> AsyncIterator[int]:
    port = port or free_port()
    settings = config(app, host="127.0.0.1", port=port)
    settings.lifespan = "on" if isinstance(app, LoadBalancer | FrontDoor) else "off"
    server = uvicorn.Server(settings)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment] # pytest keeps its own
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it announces nothing
        await asyncio.sleep(0.005)
    try:
        yield port
    finally:
        server.should_exit = True
        await task


@contextlib.asynccontextmanager
async def raw_target(answerer: Answerer) -> AsyncIterator[int]:
    server = await asyncio.start_server(answerer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def balancer_of(ports: Iterable[int], *, idle_timeout: float = 5.0) -> LoadBalancer:
    """As the templates have it, with a product service on these ports; the other services have no target."""
    deployment = with_attributes(local(), {"idle_timeout.timeout_seconds": str(idle_timeout)})
    balancer = LoadBalancer(Account(deployment), hurry=HURRY)
    for port in ports:
        balancer.register_service("product", f"127.0.0.1:{port}")
    return balancer


@contextlib.asynccontextmanager
async def opened(balancer: LoadBalancer) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    """Behind its front door."""
    door = FrontDoor(balancer, balancer.account.deployment.front_headers)
    async with served(door) as port, aiohttp.ClientSession(auto_decompress=False) as session:
        yield f"http://127.0.0.1:{port}", session


@contextlib.asynccontextmanager
async def balanced(
    ports: Iterable[int], *, idle_timeout: float = 5.0
) -> AsyncIterator[tuple[str, aiohttp.ClientSession]]:
    async with opened(balancer_of(ports, idle_timeout=idle_timeout)) as shop:
        yield shop


async def seen_by(
    session: aiohttp.ClientSession, url: str | yarl.URL, method: str = "GET", **options: Any
) -> dict[str, Any]:
    async with session.request(method, url, **options) as response:
        assert response.status == 200, await response.text()
        seen: dict[str, Any] = await response.json(content_type=None)
        return seen


def values(seen: dict[str, Any], name: str) -> list[str]:
    return [value for key, value in seen["headers"] if key == name]


async def until(holds: Callable[[], object], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - it is announced to nobody
            await asyncio.sleep(0.01)
