"""Several doors to one app in one process: each is a uvicorn server, and a signal ends all of them."""

import asyncio
import contextlib
import signal
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

ENDS = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Leaves the signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def] # uvicorn's own has no public type
        yield


def config(app: ASGIApp, *, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        log_level="critical",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
        backlog=2048,
    )


async def serve(doors: Sequence[uvicorn.Config]) -> None:
    """Until a signal comes. A door that cannot be opened ends the process, as uvicorn does."""
    servers = [Server(door) for door in doors]

    def leave() -> None:
        for server in servers:
            server.handle_exit(signal.SIGTERM, None)

    loop = asyncio.get_running_loop()
    for how in ENDS:
        loop.add_signal_handler(how, leave)
    await asyncio.gather(*(server.serve() for server in servers))
