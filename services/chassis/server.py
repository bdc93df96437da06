"""Serve one app with uvicorn: `python -m services.chassis.server services.product.main:create`.

One process per task: with several, a supervisor that dies leaves workers holding the port. SIGTERM starts a lame-duck
phase first, because traffic may still be on its way when it comes: health answers 503, every answer closes its
connection, and only then does the listener close.
"""

import argparse
import asyncio
import gc
import importlib
import logging
import sys
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis import logs
from services.chassis.guard import AnswerBegun
from services.chassis.settings import SettingsError

KEEP_ALIVE = 75  # seconds; longer than the load balancer's idle timeout of 60, so that it is never we who hang up
LAME_DUCK = 15.0  # seconds; two health checks of 5 s and some
GRACE = 10  # seconds for requests still running when the listener closes


class Server(uvicorn.Server):
    """uvicorn with a lame-duck phase. A second signal ends the phase, a third one waits for no request either."""

    def __init__(self, config: uvicorn.Config, app: Any, *, lame_duck: float) -> None:
        super().__init__(config)
        self._app = app
        self._lame_duck = lame_duck

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as uvicorn calls it
        """Note the signal. uvicorn would raise it again at the end, and a clean end would look like a death by it."""
        if self.should_exit:
            self.force_exit = True
        elif self._app.state.draining or not self._lame_duck:
            self._leave()
        else:
            self._app.state.draining = True
            asyncio.get_event_loop().call_later(self._lame_duck, self._leave)

    def _leave(self) -> None:
        self.should_exit = True


class Drain:
    """Closes each connection with its answer while the app is draining."""

    def __init__(self, app: ASGIApp, state: Any) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing if self._state.draining else send)


def config(app: ASGIApp, *, host: str, port: int) -> uvicorn.Config:
    """httptools refuses what smuggles requests; forwarded headers are not believed, whoever sends them."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        lifespan="on",  # "auto" would serve an app whose start-up failed
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        backlog=2048,
    )


def serve(factory: str, *, host: str, lame_duck: float) -> None:
    """Build the app that `package.module:function` names and serve it until a signal ends it."""
    module, _, name = factory.partition(":")
    app = getattr(importlib.import_module(module), name)()
    settings = app.state.settings
    logs.configure(settings.service)
    logging.getLogger("uvicorn.error").addFilter(_not_said_yet)
    # What start-up made lives as long as the process: out of the collector's sight it costs no pauses.
    gc.collect()
    gc.freeze()
    server = Server(config(Drain(app, app.state), host=host, port=settings.port), app, lame_duck=lame_duck)
    server.run()
    if not server.started:
        sys.exit(3)


def _not_said_yet(record: logging.LogRecord) -> bool:
    """An answer that broke off has its line, with the stack if there is one; uvicorn would say all of it again."""
    return not (record.exc_info and isinstance(record.exc_info[1], AnswerBegun))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m services.chassis.server", description=__doc__)
    parser.add_argument("factory", help="package.module:function that makes the app")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - a container's only door
    parser.add_argument("--lame-duck", type=float, default=LAME_DUCK, metavar="SECONDS")
    options = parser.parse_args()
    try:
        serve(options.factory, host=options.host, lame_duck=options.lame_duck)
    except SettingsError as error:
        sys.exit(f"{options.factory}: {error}")


if __name__ == "__main__":
    main()
