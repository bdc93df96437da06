"""The Lambda door: the same app behind the same load balancer, one start for each sandbox.

`handler = Sandbox("product", create)` is all that a service adds. Importing it loads code; the first event reads the
secrets and builds the app. No event of a load balancer makes it raise, since that is a 502 for the client and an error
in the alarms: whatever comes in, a problem document goes out. A scheduled round of background work does raise, because
nobody else would see that it failed.
"""

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from mangum import Mangum
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis import alb, logs
from services.chassis.errors import DomainError, Unavailable
from services.chassis.guard import AnswerBegun, identified, note_request
from services.chassis.metrics import COLD_STARTS, FAULTS, UNMATCHED, Metrics
from services.chassis.problems import problem
from services.chassis.secrets import Secrets
from services.chassis.tracing import surroundings
from services.chassis.upstream import deadline

SERVED_BY = "lambda"
SCHEDULED = {"run": "background"}
SPARE = 1.0  # seconds kept back from Lambda's deadline, to answer before it kills the sandbox
PATIENCE = 28.0  # seconds for an event that nobody bounds

_UNESCAPED = re.compile(r"AWS_Lambda_python3\.(1[2-9]|[2-9][0-9])")  # runtimes that answer in UTF-8 instead of \u

log = logs.logger("lambda")


class Create(Protocol):
    def __call__(self, *, env: Mapping[str, str]) -> Any:
        """The app, from this environment."""


class BackgroundFailed(Exception):
    """Steps of a scheduled round that failed, by name; why is in the log."""


class Sandbox:
    """A Lambda handler around the app that `create` builds.

    Database and clients belong to one event loop, which stands still between events. When a secret has changed, the
    app is built anew; while that fails, the old one serves.
    """

    def __init__(
        self,
        service: str,
        create: Create,
        *,
        env: Mapping[str, str] = os.environ,
        secrets: Secrets | None = None,
        metrics: Metrics | None = None,
        configure: Callable[[str], None] = logs.configure,
    ) -> None:
        self._service = service
        self._create = create
        self._configure = configure
        self._env = env
        self._secrets = secrets or Secrets(env)
        self._metrics = metrics or Metrics(  # of what the app does not see, which may not even be there
            service, environment=env.get("ENVIRONMENT", "local"), runtime=SERVED_BY, version=env.get("VERSION", "dev")
        )
        self._escaped = not _UNESCAPED.fullmatch(env.get("AWS_EXECUTION_ENV", ""))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._built_from: Mapping[str, str] | None = None
        self._app: Any = None

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer an event of the load balancer, or do the background work once.

        Only the latter raises: BackgroundFailed, Unavailable, TimeoutError.
        """
        loop = self._woken()
        surroundings.set(self._env.get("_X_AMZN_TRACE_ID", ""))  # the runtime client sets it for each event
        try:
            if event == SCHEDULED:
                return self._work(loop, _seconds_left(context))
            return self._answer_or_refuse(event, context)
        finally:
            self._flush()

    def close(self) -> None:
        """Close the app and the loop. AWS never calls this; a sandbox just ends."""
        if self._loop is None:
            return
        if self._app is not None:
            self._loop.run_until_complete(_close(self._app))
        self._loop.close()
        asyncio.set_event_loop(None)
        self._loop = self._app = self._built_from = None

    def _woken(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._configure(self._service)
            logging.getLogger("mangum").setLevel(logging.WARNING)  # the guard's line for each request is enough
            self._loop = asyncio.new_event_loop()
            self._metrics.observe(COLD_STARTS)
        asyncio.set_event_loop(self._loop)  # where Mangum looks for it
        return self._loop

    def _flush(self) -> None:
        """Nothing waits for a later event: there may be none."""
        self._metrics.flush()
        if self._app is not None:
            self._app.state.metrics.flush()

    def _answer_or_refuse(self, event: Any, context: Any) -> dict[str, Any]:
        began = time.perf_counter()
        try:
            return self._answer(event, context)
        except DomainError as error:
            refusal = _refused(error)
            noted = isinstance(error, alb.AnswerTooLarge)
        except Exception:
            log.error("unhandled exception", exc_info=True)
            refusal, noted = _refused(DomainError()), False
        if noted:  # the app has answered, and counted a success
            self._metrics.observe(FAULTS, 1, UNMATCHED)
        else:
            note_request(
                self._metrics.observe,
                method="",
                route=UNMATCHED,
                status=refusal.status_code,
                seconds=time.perf_counter() - began,
                runtime=SERVED_BY,
            )
        return alb.answer(event, refusal.status_code, refusal.raw_headers, bytes(refusal.body))

    def _answer(self, event: Any, context: Any) -> dict[str, Any]:
        logs.request_id.set("")
        scope = alb.scope(event)
        identified(Headers(scope=scope))
        request = {"scope": scope, "body": alb.body(event)}
        bounded = _Bounded(self._ready(), _seconds_left(context))
        response = Mangum(bounded, lifespan="off", custom_handlers=[_Parsed])(request, context)
        identified(Headers(raw=response["headers"]))  # the guard may have given it another id
        return alb.answer(event, response["status"], response["headers"], response["body"], escaped=self._escaped)

    def _work(self, loop: asyncio.AbstractEventLoop, seconds: float) -> dict[str, Any]:
        identified(Headers())
        outcomes = loop.run_until_complete(asyncio.wait_for(self._ready().state.chores.run(), seconds))
        if failed := [name for name, succeeded in outcomes.items() if not succeeded]:
            raise BackgroundFailed(", ".join(failed))
        return {"ran": dict.fromkeys(outcomes, "ok")}

    def _ready(self) -> Any:
        """The app for the secrets as they are now. Raises Unavailable."""
        env = self._secrets.environment()
        if env is not self._built_from:
            self._build(env)
        return self._app

    def _build(self, env: Mapping[str, str]) -> None:
        try:
            app = self._create(env={**env, "SERVED_BY": SERVED_BY})
        except Exception as error:
            log.error("the app was not built", exc_info=True)
            if self._app is None:
                raise Unavailable("The service could not start") from error
        else:
            old, self._app = self._app, app
            if old is not None and self._loop is not None:
                self._loop.run_until_complete(_close(old))
        self._built_from = env


class _Parsed:
    """What Mangum calls a handler: for events that `alb` has read already."""

    @classmethod
    def infer(cls, *_: Any) -> bool:
        return True

    def __init__(self, request: Mapping[str, Any], *_: Any) -> None:
        self.scope = request["scope"]
        self.body = request["body"]

    def __call__(self, response: Mapping[str, Any]) -> dict[str, Any]:
        return dict(response)


class _Bounded:
    """Gives the app so many seconds, and sends on a whole answer or a problem, never a part of one."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(3):  # connections that ended while the sandbox stood still say so before anybody uses them
            await asyncio.sleep(0)
        try:
            messages = await self._messages(scope, receive)
        except TimeoutError:
            await _refused(Unavailable("There was not enough time"))(scope, receive, send)
        except AnswerBegun as error:
            await _refused(_reason(error))(scope, receive, send)
        except (Exception, asyncio.CancelledError):  # nobody cancels it from outside
            log.error("unhandled exception", exc_info=True)
            await _refused(DomainError())(scope, receive, send)
        else:
            for message in messages:
                await send(message)

    async def _messages(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        with deadline(self._seconds):
            async with asyncio.timeout(self._seconds):
                await self._app(scope, receive, keep)
        return messages


def _reason(begun: AnswerBegun) -> DomainError:
    """Why the answer broke off, as far as that is known. Nothing of it has been sent, so the reason can be."""
    error: BaseException | None = begun
    while error is not None:
        if isinstance(error, DomainError):
            return error
        error = error.__cause__ or error.__context__
    return DomainError()


def _refused(error: DomainError) -> Response:
    identifier = logs.request_id.get() or identified(Headers())
    response = problem(error)
    response.headers["x-request-id"] = identifier
    response.headers["x-served-by"] = SERVED_BY
    return response


def _seconds_left(context: Any) -> float:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return max(remaining() / 1000 - SPARE, 0.0) if callable(remaining) else PATIENCE


async def _close(app: Any) -> None:
    for step in reversed(app.state.chores.close):
        try:
            await step()
        except Exception:
            log.error("not closed", exc_info=True)
