"""The Lambda Runtime API, version 2018-06-01, for one sandbox: the runtime asks for events and posts its answers.

"Using the Lambda runtime API for custom runtimes" in the Lambda Developer Guide describes it. One server for each
sandbox, because that is how a sandbox is known: its address is all that the runtime is told.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from scripts.twin.functions.function import Answer, failure

PREFIX = "/2018-06-01/runtime"
LARGEST = 6_291_556  # bytes of an answer: "Lambda quotas", 6 MB and some
KEEP_ALIVE = 3600.0  # seconds; a runtime that stands still does not see that a connection was closed


@dataclass(slots=True)
class Turn:
    """One event on its way through the sandbox. It is over when the runtime asks for the next one."""

    request_id: str
    event: bytes
    headers: dict[str, str]
    answer: Answer | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


class RuntimeApi:
    """`idle` is called when the runtime waits for an event and there is none: the time to freeze it."""

    def __init__(self, idle: Callable[[], None]) -> None:
        self.ready = asyncio.Event()  # the runtime has asked for its first event
        self.init_error: Answer | None = None
        self.failed = asyncio.Event()  # it could not load the handler
        self._idle = idle
        self._waiting: asyncio.Queue[Turn | None] = asyncio.Queue()
        self._turn: Turn | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Serve on a port of its own. Returns the address for AWS_LAMBDA_RUNTIME_API."""
        app = web.Application(client_max_size=0)  # the limit is ours to answer
        app.router.add_get(f"{PREFIX}/invocation/next", self._next)
        app.router.add_post(f"{PREFIX}/invocation/{{id}}/response", self._response)
        app.router.add_post(f"{PREFIX}/invocation/{{id}}/error", self._error)
        app.router.add_post(f"{PREFIX}/init/error", self._init_error)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, keepalive_timeout=KEEP_ALIVE)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        return f"{host}:{port}"

    async def close(self) -> None:
        self._waiting.put_nowait(None)  # the request that nobody will answer
        if self._runner is not None:
            await self._runner.cleanup()

    def offer(self, turn: Turn) -> None:
        self._waiting.put_nowait(turn)

    async def _next(self, _: web.Request) -> web.Response:
        if self._turn is not None:
            self._turn.over.set()
            self._turn = None
        self.ready.set()
        if self._waiting.empty():
            self._idle()
        self._turn = turn = await self._waiting.get()
        if turn is None:
            return _refused(410, "Closed", "The sandbox is closed")
        return web.Response(body=turn.event, headers=turn.headers, content_type="application/json")

    async def _response(self, request: web.Request) -> web.Response:
        turn, body = self._turn, await request.read()
        if turn is None or turn.request_id != request.match_info["id"]:
            return _refused(400, "InvalidRequestID", "Invalid request ID")
        if len(body) > LARGEST:
            reason = f"xceeded maximum allowed payload size ({LARGEST} bytes)."
            turn.answer = failure("Function.ResponseSizeTooLarge", f"Response payload size e{reason}")
            return _refused(413, "RequestEntityTooLarge", f"E{reason}")
        turn.answer = Answer(body)
        return _accepted()

    async def _error(self, request: web.Request) -> web.Response:
        turn, body = self._turn, await request.read()
        if turn is None or turn.request_id != request.match_info["id"]:
            return _refused(400, "InvalidRequestID", "Invalid request ID")
        turn.answer = Answer(body, failed=True)
        return _accepted()

    async def _init_error(self, request: web.Request) -> web.Response:
        self.init_error = Answer(await request.read(), failed=True)
        self.failed.set()
        return _accepted()


def _accepted() -> web.Response:
    return web.Response(status=202, text='{"status":"OK"}\n', content_type="application/json")


def _refused(status: int, kind: str, message: str) -> web.Response:
    body = json.dumps({"errorType": kind, "errorMessage": message})
    return web.Response(status=status, text=body, content_type="application/json")
