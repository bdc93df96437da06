"""The sandboxes of one function: started when an event finds none free, up to its reserved concurrency, kept for the
next event, and closed when none came for a while."""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from scripts.twin.functions.function import Answer, Function, Invocation, refusal
from scripts.twin.functions.sandbox import INIT_SECONDS, InitFailed, Sandbox

REMEMBERED = 1000  # times of each kind


@dataclass(slots=True)
class Record:
    """What happened, for whoever asks: times in milliseconds, the newest last; deaths by their reasons."""

    invocations: int = 0
    errors: int = 0
    throttles: int = 0
    cold_starts: int = 0
    init_ms: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    cold_ms: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))  # first events, without the init
    warm_ms: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    deaths: Counter[str] = field(default_factory=Counter)


class Pool:
    """`fresh` makes a sandbox that is not started yet."""

    def __init__(self, function: Function, fresh: Callable[[], Sandbox], *, init_seconds: float = INIT_SECONDS) -> None:
        self.function = function
        self.record = Record()
        self._fresh = fresh
        self._init_seconds = init_seconds
        self._idle: list[Sandbox] = []
        self._all: set[Sandbox] = set()
        self._busy = 0

    async def invoke(self, event: bytes, trace_id: str) -> Invocation:
        """Never waits for a sandbox: above the limit the answer is 429 at once."""
        self.record.invocations += 1
        if self._busy >= self.function.concurrency:
            self.record.throttles += 1
            reason = "ReservedFunctionConcurrentInvocationLimitExceeded"
            return refusal(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason)
        self._busy += 1
        began = time.monotonic()
        try:
            answer, cold = await self._answer(event, trace_id)
        finally:
            self._busy -= 1
        self.record.errors += answer.failed
        milliseconds = (time.monotonic() - began) * 1000
        return Invocation(200, answer.payload, "Unhandled" if answer.failed else None, cold, milliseconds)

    async def _answer(self, event: bytes, trace_id: str) -> tuple[Answer, bool]:
        sandbox, seconds = await self._take(), self.function.timeout
        cold = sandbox is None
        if sandbox is None:
            try:
                sandbox, seconds = await self._start()
            except InitFailed as failed:
                return failed.answer, True
        began = time.monotonic()
        try:
            answer = await sandbox.invoke(event, request_id=str(uuid4()), trace_id=trace_id, seconds=seconds)
        except BaseException:
            await self._bury(sandbox, "cancelled")
            raise
        (self.record.cold_ms if cold else self.record.warm_ms).append((time.monotonic() - began) * 1000)
        if sandbox.death is None:
            self._idle.append(sandbox)
        else:
            await self._bury(sandbox, sandbox.death)
        return answer, cold

    async def _take(self) -> Sandbox | None:
        """The one that was used last; so the others grow old."""
        while self._idle:
            sandbox = self._idle.pop()
            if sandbox.death is None:
                return sandbox
            await self._bury(sandbox, f"{sandbox.death} while it stood still")
        return None

    async def _start(self) -> tuple[Sandbox, float]:
        """A sandbox, and how many seconds its first event has. An init that fails or takes too long is done once more,
        within the function's own timeout: "suppressed init" in the Lambda Developer Guide."""
        with contextlib.suppress(InitFailed):
            return await self._started(self._init_seconds), self.function.timeout
        began = time.monotonic()
        sandbox = await self._started(self.function.timeout)
        return sandbox, max(0.0, self.function.timeout - (time.monotonic() - began))

    async def _started(self, seconds: float) -> Sandbox:
        sandbox = self._fresh()
        self._all.add(sandbox)
        self.record.cold_starts += 1
        try:
            await sandbox.start(seconds)
        except InitFailed as failed:
            self._count(sandbox, failed.why)
            raise
        except BaseException:
            await self._bury(sandbox, "cancelled")
            raise
        self.record.init_ms.append(sandbox.init_ms)
        return sandbox

    async def reap(self, seconds: float) -> None:
        """Close those that nobody used for so long, and forget those that died while they stood still."""
        now = time.monotonic()
        for sandbox in [each for each in self._idle if each.death or now - each.used > seconds]:
            self._idle.remove(sandbox)
            await self._bury(sandbox, sandbox.death or "idle")

    async def close(self) -> None:
        self._idle.clear()
        await asyncio.gather(*(self._bury(sandbox, "closed") for sandbox in [*self._all]))

    async def _bury(self, sandbox: Sandbox, why: str) -> None:
        await sandbox.close(why)
        self._count(sandbox, why)  # not before: whoever is cancelled here leaves it to `close`

    def _count(self, sandbox: Sandbox, why: str) -> None:
        if sandbox in self._all:
            self._all.discard(sandbox)
            self.record.deaths[why] += 1

    def status(self) -> dict[str, Any]:
        record = self.record
        return {
            "sandboxes": sum(sandbox.death is None for sandbox in self._all),
            "busy": self._busy,
            "pids": sorted(sandbox.pid for sandbox in self._all),
            "concurrency": self.function.concurrency,
            "invocations": record.invocations,
            "errors": record.errors,
            "throttles": record.throttles,
            "cold_starts": record.cold_starts,
            "init_ms": [round(each, 1) for each in record.init_ms],
            "cold_ms": [round(each, 1) for each in record.cold_ms],
            "warm_ms": [round(each, 1) for each in record.warm_ms],
            "deaths": dict(record.deaths),
        }
