"""The Lambda service: functions by name, and the two ways to invoke them.

    async with LambdaService([Function(name="shop-product", service="product", handler="services.…", …)]) as service:
        invocation = await service.invoke("shop-product", b"{}")

Everything happens on the event loop that started it, and sandboxes are children of its thread: it belongs to the main
thread, or to one that lives as long as the service.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from scripts.terminal import Problem
from scripts.twin import identity
from scripts.twin.functions import code
from scripts.twin.functions.function import Function, Invocation, refusal
from scripts.twin.functions.pool import Pool
from scripts.twin.functions.sandbox import INIT_SECONDS, Listen, Sandbox
from scripts.twin.guard import Guard
from scripts.twin.identity import Identity

LARGEST_EVENT = 6_291_456  # bytes; "Lambda quotas": invocation payload, synchronous
LARGEST_QUEUED = 1_048_576  # and asynchronous
RETRY_SECONDS = (60.0, 120.0)  # "How Lambda handles errors and retries with asynchronous invocation"
THROTTLED_SECONDS = (1.0, 300.0)  # the first and the longest pause; for up to six hours
QUEUED_SECONDS = 6 * 3600.0
IDLE_SECONDS = 300.0
REAPING = 5.0


class LambdaService:
    """`listen` gets the function's name and each line that its sandboxes write. The times are in seconds: `retry`
    before each repetition of a failed asynchronous event, `idle` until an unused sandbox is closed, `init` that its
    start may take. Zips are built and unpacked under `folder` in the background from `start` on; a function that is
    asked before waits for its own."""

    def __init__(
        self,
        functions: Iterable[Function],
        *,
        listen: Listen = lambda *_: None,
        retry: Sequence[float] = RETRY_SECONDS,
        idle: float = IDLE_SECONDS,
        init: float = INIT_SECONDS,
        folder: Path = code.FOLDER,
    ) -> None:
        self._functions = {function.name: function for function in functions}
        self._listen = listen
        self._retry = retry
        self._idle = idle
        self._init = init
        self._folder = folder
        self._guard: Guard | None = None
        self._python: asyncio.Task[Path] | None = None
        self._pools: dict[str, asyncio.Task[Pool]] = {}
        self._queued: set[asyncio.Task[None]] = set()
        self._dead_letters: dict[str, int] = dict.fromkeys(self._functions, 0)
        self._reaper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        self._guard = Guard()
        self._python = python = asyncio.create_task(asyncio.to_thread(code.runtime, self._folder))
        self._pools = {
            function.name: asyncio.create_task(self._prepare(function, python, self._guard))
            for function in self._functions.values()
        }
        self._reaper = asyncio.create_task(self._reap())

    async def close(self) -> None:
        """Nothing of it is left running."""
        own = filter(None, (self._python, self._reaper))
        tasks: list[asyncio.Task[Any]] = [*self._queued, *self._pools.values(), *own]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(pool.close() for pool in self._ready().values()))
        if self._guard is not None:
            self._guard.close()

    async def invoke(self, name: str, event: bytes, *, trace_id: str | None = None) -> Invocation:
        """RequestResponse. Never raises: what is wrong with the function or the service is in the Invocation. The trace
        id is the value of X-Amzn-Trace-Id; what it lacks is made up."""
        if name not in self._functions:
            return _unknown(name)
        if len(event) > LARGEST_EVENT:
            return refusal(413, "RequestTooLargeException", f"Request must be smaller than {LARGEST_EVENT} bytes.")
        try:
            pool = await asyncio.shield(self._pools[name])
        except Problem as problem:
            return refusal(502, "ServiceException", str(problem))
        return await pool.invoke(event, function_trace(trace_id or ""))

    def send(self, name: str, event: bytes) -> Invocation:
        """Event: queued, 202 at once. Its failure is repeated twice, and goes to the dead letters then."""
        if name not in self._functions:
            return _unknown(name)
        if len(event) > LARGEST_QUEUED:
            return refusal(413, "RequestTooLargeException", f"Request must be smaller than {LARGEST_QUEUED} bytes.")
        task = asyncio.create_task(self._deliver(self._functions[name], event))
        self._queued.add(task)
        task.add_done_callback(self._queued.discard)
        return Invocation(202, b"")

    async def settled(self) -> None:
        """Wait until no queued event is left."""
        while self._queued:
            await asyncio.wait([*self._queued])

    def status(self) -> dict[str, Any]:
        """As GET /sandboxes has it."""
        pools = self._ready()
        return {
            "functions": {
                name: {
                    "prepared": name in pools,
                    **(pools[name].status() if name in pools else {}),
                    "dead_letters": self._dead_letters[name],
                }
                for name in self._functions
            },
            "queued": len(self._queued),
        }

    def _ready(self) -> dict[str, Pool]:
        done = {name: task for name, task in self._pools.items() if task.done() and not task.cancelled()}
        return {name: task.result() for name, task in done.items() if task.exception() is None}

    async def _prepare(self, function: Function, python: "asyncio.Task[Path]", guard: Guard) -> Pool:
        try:
            folder = await asyncio.to_thread(code.unpacked, function, self._folder)
            interpreter = await python
        except Problem as problem:
            self._listen(function.name, f"{function.name} cannot run: {problem}")
            raise
        who = await asyncio.to_thread(confined, str(interpreter))

        def fresh() -> Sandbox:
            return Sandbox(function, folder, interpreter, guard, self._listen, who)

        return Pool(function, fresh, init_seconds=self._init)

    async def _deliver(self, function: Function, event: bytes) -> None:
        began, pause = time.monotonic(), THROTTLED_SECONDS[0]
        repetitions = iter(self._retry)
        while True:
            outcome = await self.invoke(function.name, event)
            if not outcome.failed:
                return
            if outcome.status in {429, 502}:  # it has not run: that costs no repetition
                if time.monotonic() - began > QUEUED_SECONDS:
                    break
                await asyncio.sleep(pause)
                pause = min(2 * pause, THROTTLED_SECONDS[1])
                continue
            wait = next(repetitions, None)
            if wait is None:
                break
            await asyncio.sleep(wait)
        self._bury(function, event, outcome)

    def _bury(self, function: Function, event: bytes, outcome: Invocation) -> None:
        self._dead_letters[function.name] += 1
        self._listen(function.name, f"an event was given up: {outcome.payload.decode(errors='replace')[:300]}")
        if function.dead_letters is not None:
            letter = {
                "RequestID": str(uuid4()),
                "ErrorCode": str(outcome.status),
                "ErrorMessage": json.loads(outcome.payload or b"{}").get("errorMessage", ""),
                "body": event.decode(errors="replace"),
            }
            with function.dead_letters.open("a") as file:
                file.write(json.dumps(letter) + "\n")

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(min(REAPING, self._idle))
            for pool in self._ready().values():
                await pool.reap(self._idle)


def confined(program: str) -> Identity:
    """Root becomes somebody who may not write to the code, where user namespaces allow it."""
    chosen = identity.choose(program)
    return chosen if chosen.name == "namespace" else Identity("self", chosen.owner)


def function_trace(given: str) -> str:
    """What a function is told of its trace: root, parent and decision, always all of them. Lambda keeps at least one
    event a second where tracing is active; here it keeps all. It makes the parent's segment, which nobody does here, so
    the caller's parent stays."""
    fields = dict(part.strip().partition("=")[::2] for part in given.split(";"))
    root = fields.get("Root") or f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={fields.get('Parent') or secrets.token_hex(8)};Sampled={fields.get('Sampled') or '1'}"


def _unknown(name: str) -> Invocation:
    return refusal(404, "ResourceNotFoundException", f"Function not found: {name}")
