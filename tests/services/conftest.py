"""What the tests of every service share: an app served over real HTTP, on the loop of the test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import pytest
import uvicorn
from starlette.types import ASGIApp

from services.chassis.server import config

Serve = Callable[[ASGIApp], AbstractAsyncContextManager[str]]


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: Ctrl-C belongs to pytest."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The app on uvicorn with the settings of a deployment; gives its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # asyncio sets this on sockets that it makes itself; without it every answer waits 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = _Server(config(app, host="127.0.0.1", port=0))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                if running.done():
                    await running  # raises what stopped it
                    raise RuntimeError("The server stopped while starting; its log says why")
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


@pytest.fixture
def serve() -> Serve:
    """`async with serve(app) as base_url`: the app on uvicorn, its start-up and shut-down included.

    It runs on the test's own event loop, so the app may share a Database with the test.
    """
    return served
