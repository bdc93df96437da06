"""The outermost layer of every service: limits on what comes in, the request's identity, and one answer for any error.

Plain ASGI. It stands before the framework, so that a request which breaks a limit costs next to nothing and an
exception, wherever it is raised, becomes the same problem document.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis.errors import (
    DomainError,
    HeadersTooLarge,
    InvalidRequest,
    PayloadTooLarge,
    RequestTimeout,
    Unavailable,
    UriTooLong,
)
from services.chassis.logs import logger, request_id
from services.chassis.metrics import DURATION, FAULTS, UNMATCHED, Observe, unheard
from services.chassis.problems import Refuse, as_problem
from services.chassis.redaction import redact, suspicious
from services.chassis.trace_header import TRACE_HEADER
from services.chassis.tracing import Tracing, raised
from services.chassis.upstream import DEADLINE_HEADER, deadline

# The load balancer stops at 16 KiB for a line and 64 KiB for all headers; nothing of ours comes near these.
MAX_HEADERS = 64
MAX_HEADER_BYTES = 16 * 1024
MAX_TARGET_BYTES = 4 * 1024
MAX_BODY_BYTES = 64 * 1024
BODY_SECONDS = 3.0  # between two pieces of a body
DEFAULT_DEADLINE = 30.0  # seconds, when the caller names none

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_MILLISECONDS = re.compile(r"-?[0-9]{1,7}", re.ASCII)
_CLOSING = {408, 413, 414, 431}  # part of the request is unread, so no other can follow on this connection
_HEALTH = ("/healthz", "/readyz")
_ADDRESS = re.compile(r"[0-9A-Fa-f.:\[\]]{2,47}", re.ASCII)
_LEFT = 499  # the client hung up while we read; nobody sees this status, and the log has one for it

log = logger("http")


class Guard:
    """Wraps an app. `large_bodies` gives paths a body limit of their own, in bytes; `refuse` words what is refused.

    `tracing` begins a trace for every request but health checks.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        served_by: str,
        large_bodies: Mapping[str, int],
        tracing: Tracing,
        refuse: Refuse = as_problem,
        observe: Observe = unheard,
    ) -> None:
        self._app = app
        self._refuse = refuse
        self._served_by = served_by
        self._large_bodies = large_bodies
        self._tracing = tracing
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = Headers(scope=scope)
        identifier = identified(headers)
        answer = _Answer(scope, send, {"x-request-id": identifier, "x-served-by": self._served_by})
        method = scope["method"]
        # The framework answers GET where HEAD is asked for; `_Answer` leaves the body out.
        scope = {**scope, "method": "GET" if method == "HEAD" else method, "client": self._client(scope, headers)}
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        health, broken = path.endswith(_HEALTH), True
        with self._tracing.start_request(headers.get(TRACE_HEADER, ""), method, path, keep=not health) as traced:
            try:
                await self._serve(scope, headers, receive, answer)
                broken = False
            finally:
                route = getattr(scope.get("route"), "path", "") or UNMATCHED
                traced.answered(answer.status, route=route, request_id=identifier)
                if not route.endswith(_HEALTH):
                    self._note(method, route, scope, answer.status, time.perf_counter() - started, broken=broken)

    def _note(self, method: str, route: str, scope: Scope, status: int, seconds: float, *, broken: bool) -> None:
        client = scope["client"][0] if scope.get("client") else ""
        note_request(
            self._observe,
            method=method,
            route=route,
            status=status,
            seconds=seconds,
            runtime=self._served_by,
            client=client if _ADDRESS.fullmatch(client) else "",
            broken=broken,
        )

    def _client(self, scope: Scope, headers: Headers) -> Any:
        """Whom the load balancer saw. It adds that address to X-Forwarded-For; what stands before it anybody can write.

        On AWS nothing reaches a process but through the load balancer; locally anything does, so the peer counts.
        """
        forwarded = [] if self._served_by == "local" else headers.getlist("x-forwarded-for")
        last = forwarded[-1].rpartition(",")[2].strip() if forwarded else ""
        return (last, 0) if last else scope.get("client")

    async def _serve(self, scope: Scope, headers: Headers, receive: Receive, answer: "_Answer") -> None:
        try:
            limit = self._large_bodies.get(scope["path"], MAX_BODY_BYTES)
            _check_head(scope, headers, limit)
            with deadline(_seconds_left(headers)):
                await self._app(scope, _Body(receive, limit).receive, answer.send)
        except DomainError as error:
            await answer.replace(self._refuse(scope, error), scope, receive)
        except ClientDisconnect:
            answer.status = answer.status or _LEFT
        except Exception as error:
            raised(error)
            log.error("unhandled exception", exc_info=True)
            await answer.replace(self._refuse(scope, DomainError()), scope, receive)


def identified(headers: Headers) -> str:
    """The request's id for logs and answers from here on: the client's, if it is one, or a new one."""
    given = headers.get("x-request-id", "")
    known = _REQUEST_ID.fullmatch(given) and (not suspicious(given) or redact(given) == given)
    identifier = given if known else uuid4().hex
    request_id.set(identifier)
    return identifier


class AnswerBegun(ConnectionError):
    """Raised while an error is handled whose answer comes too late: a part of another one has been sent."""


class _Body:
    """Counts the body as it comes and does not wait for it for ever."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:  # what comes now is the client's leaving, which may be waited for
            return await self._receive()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await self._receive()
        except TimeoutError:
            raise RequestTimeout from None
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise PayloadTooLarge
        self._complete = not message.get("more_body", False)
        return message


class _Answer:
    """Adds our headers to the answer, closes the connection where the request was not read, drops the body of HEAD."""

    def __init__(self, scope: Scope, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        self._headers = headers
        self._head = scope["method"] == "HEAD"
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers.update(self._headers)
            if self.status in _CLOSING:
                headers["connection"] = "close"
        elif self._head and message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await self._send(message)

    async def replace(self, response: Response, scope: Scope, receive: Receive) -> None:
        """Answer `response`, unless an answer is already on its way: then the connection breaks, as it must."""
        if self.status:
            raise AnswerBegun
        response.headers["connection"] = "close"
        await response(scope, receive, self.send)


def _check_head(scope: Scope, headers: Headers, body_limit: int) -> None:
    raw = headers.raw
    if len(raw) > MAX_HEADERS or sum(len(name) + len(value) for name, value in raw) > MAX_HEADER_BYTES:
        raise HeadersTooLarge
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_TARGET_BYTES:
        raise UriTooLong
    if len(headers.getlist("host")) != 1 or not headers["host"]:
        raise InvalidRequest("Exactly one Host header is required")
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise InvalidRequest("Content-Length is not a number")
    if int(length) > body_limit:
        raise PayloadTooLarge


def _seconds_left(headers: Headers) -> float:
    text = headers.get(DEADLINE_HEADER, "")
    seconds = int(text) / 1000 if _MILLISECONDS.fullmatch(text) else DEFAULT_DEADLINE
    if seconds <= 0:
        raise Unavailable("The deadline of this request is over")
    return min(seconds, DEFAULT_DEADLINE)


def note_request(
    observe: Observe,
    *,
    method: str,
    route: str,
    status: int,
    seconds: float,
    runtime: str,
    client: str = "",
    broken: bool = False,
) -> None:
    """The line and the metrics of a request that is over. `broken` is an answer that did not reach its end."""
    observe(DURATION, round(seconds * 1000, 3), route)
    observe(FAULTS, int(broken or status >= 500), route)
    log.info(
        "request",
        method=method,
        route=route,
        status=status,
        milliseconds=round(seconds * 1000, 1),
        runtime=runtime,
        client=client,
        ours=True,  # the id and the address are checked, the rest is no text of a client's
    )
