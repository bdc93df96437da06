"""Calls to other services: one pooled client, deadlines that travel, retries within a budget, and a breaker.

Retrying is one layer's business, and every caller here says how many tries it wants; the budget keeps retries to a
tenth of the calls, so that a peer in trouble is not asked more often than one in health.
"""

import asyncio
import json as jsonlib
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from services.chassis.auth import InternalRequest, Signer
from services.chassis.errors import Unavailable
from services.chassis.logs import request_id
from services.chassis.trace_header import TRACE_HEADER
from services.chassis.tracing import Span, inject, span

if TYPE_CHECKING:
    from services.chassis.client import Client

Clock = Callable[[], float]

ORIGIN_HEADER = "X-Origin-Verify"  # shows the load balancer that a call comes from inside or through the CDN
DEADLINE_HEADER = "X-Deadline-Ms"  # what is left, so that clocks need not agree

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """What is called inside must be answered within `seconds`; an outer deadline that is nearer holds."""
    outer, inner = _deadline.get(), time.monotonic() + seconds
    token = _deadline.set(inner if outer is None else min(outer, inner))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining() -> float | None:
    """Seconds until the deadline of this request; None without one."""
    end = _deadline.get()
    return None if end is None else end - time.monotonic()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The decoded body; ValueError when it is not JSON."""
        return jsonlib.loads(self.body)


@dataclass(slots=True)
class RetryBudget:
    """Each call earns a tenth of a retry, up to ten."""

    tokens: float = 10.0

    def earn(self) -> None:
        self.tokens = min(10.0, self.tokens + 0.1)

    def spend(self) -> bool:
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


@dataclass(slots=True)
class Breaker:
    """Opens for five seconds when half of at least twenty calls within ten seconds failed; then one call probes."""

    clock: Clock = time.monotonic
    _calls: deque[tuple[float, bool]] = field(default_factory=deque)
    _failures: int = 0  # among the calls
    _open_until: float = 0.0
    _probing: bool = False

    @property
    def open(self) -> bool:
        """Whether a call would be refused now."""
        return self._open_until > 0 and (self._probing or self.clock() < self._open_until)

    def admit(self) -> bool:
        """Let a call through; True makes it the probe. Raises Unavailable when open."""
        if self.open:
            raise Unavailable("The service behind this one is not answering", retry_after=5)
        self._probing = self._open_until > 0
        return self._probing

    def record(self, *, failed: bool, probe: bool) -> None:
        """Note how a call ended. While open, only the probe's end counts."""
        now = self.clock()
        if probe:
            self._probing = False
            self._open_until = now + 5.0 if failed else 0.0
            self._calls.clear()
            self._failures = 0
        elif not self._open_until:
            self._calls.append((now, failed))
            self._failures += failed
            while self._calls[0][0] < now - 10.0:
                self._failures -= self._calls.popleft()[1]
            if len(self._calls) >= 20 and self._failures * 2 >= len(self._calls):
                self._open_until = now + 5.0

    def abandon(self, *, probe: bool) -> None:
        """A call was given up by its caller, which says nothing about the peer."""
        if probe:
            self._probing = False


class Upstream:
    """The services behind one base URL. Opens nothing until it is used; belongs to one event loop.

    With a signer, calls are signed for `audience`; `origin_secret` is what the load balancer asks to see, if it asks.
    In traces a call has the name of the service that is asked, where it is known by `audience` and `environment`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        audience: str = "",
        environment: str = "",
        signer: Signer | None = None,
        origin_secret: str = "",
        breaker: Breaker | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._audience = audience
        self._called = f"tandem-{environment}-{audience}" if audience else urlsplit(base_url).hostname or "upstream"
        self._signer = signer
        self._standing = {ORIGIN_HEADER: origin_secret} if origin_secret else {}
        self._budget = RetryBudget()
        self._breaker = breaker or Breaker()
        self._client: Client | None = None

    @property
    def open(self) -> bool:
        """True while the breaker refuses calls."""
        return self._breaker.open

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | str = "",
        json: Any = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float = 3.0,  # noqa: ASYNC109 - of one try; the deadline bounds them all
        tries: int = 1,
    ) -> Answer:
        """Ask, and ask again while `tries` and the budget allow and the answer is a reset, a timeout, 429 or 5xx.

        Returns the last answer, whatever its status; raises Unavailable when there was none.
        """
        if json is not None:
            body = jsonlib.dumps(json, separators=(",", ":"), allow_nan=False).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        encoded = query if isinstance(query, str) else urlencode(query)
        call = _Call(method, f"{path}?{encoded}" if encoded else path, body, headers or {}, timeout)
        self._budget.earn()
        for number in range(1, tries + 1):
            last = number == tries
            try:
                answer = await self._try(call, number)
            except Unavailable:
                if last or not self._may_retry():
                    raise
            else:
                if last or not (answer.status >= 500 or answer.status == 429) or not self._may_retry():
                    return answer
            await asyncio.sleep(random.uniform(0, 0.05 * number))
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        if self._client:
            await self._client.close()
            self._client = None

    async def load(self) -> None:
        """Load the HTTP client ahead of the first call, which would stand still for it."""
        self._open()

    def _may_retry(self) -> bool:
        left = remaining()
        return (left is None or left > 0.1) and self._budget.spend()

    async def _try(self, call: "_Call", number: int) -> Answer:
        left = remaining()
        if left is not None and left <= 0:
            raise Unavailable("The deadline of this request is over")
        probe = self._breaker.admit()
        seconds = call.timeout if left is None else min(call.timeout, left)
        try:
            with span(self._called, remote=True) as made:
                made.asks(call.method, self._base + call.target.partition("?")[0])
                made.annotate(attempt=number)
                answer = await self._send(call, seconds, made)
        except OSError as error:
            if isinstance(error, TimeoutError) and seconds < call.timeout / 2:
                # Our caller was in a hurry. If that counted, short deadlines from outside would open the breaker.
                self._breaker.abandon(probe=probe)
            else:
                self._breaker.record(failed=True, probe=probe)
            raise Unavailable("The service behind this one did not answer") from error
        except BaseException:
            self._breaker.abandon(probe=probe)
            raise
        self._breaker.record(failed=answer.status >= 500, probe=probe)
        return answer

    async def _send(self, call: "_Call", seconds: float, made: Span) -> Answer:
        headers = {**call.headers, **self._standing, **_context_headers()}
        if self._signer:
            headers["Authorization"] = self._signer.sign(
                InternalRequest(call.method, call.target, call.body, self._audience)
            )
        try:
            status, received, body = await self._open().send(
                call.method, self._base + call.target, body=call.body, headers=headers, seconds=seconds
            )
        except OSError as error:
            made.annotate(failure="timeout" if isinstance(error, TimeoutError) else "refused")
            raise
        made.answered(status)
        return Answer(status, received, body)

    def _open(self) -> "Client":
        if self._client is None:
            from services.chassis.client import Client  # noqa: PLC0415 - `client` says why

            self._client = Client()
        return self._client


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    target: str
    body: bytes
    headers: Mapping[str, str]
    timeout: float


def _context_headers() -> Mapping[str, str]:
    headers = {}
    if identifier := request_id.get():
        headers["X-Request-Id"] = identifier
    if trace := inject():
        headers[TRACE_HEADER] = trace
    left = remaining()
    if left is not None:
        headers[DEADLINE_HEADER] = str(int(left * 1000))
    return headers
