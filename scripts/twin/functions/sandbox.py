"""A sandbox: one process of AWS's own runtime client around the handler, which works on one event at a time.

Between events it stands still (SIGSTOP), as a Lambda sandbox does: a thread or a task that was left running goes on
with the next event. What is not modelled: the limits of memory and processor, and a file system that is read-only but
for /tmp (the code is: nobody may write there, and where user namespaces work root may not either).
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from scripts.builds.targets import THIS
from scripts.twin.functions.function import REGION, Answer, Function, failure
from scripts.twin.functions.runtime_api import RuntimeApi, Turn
from scripts.twin.guard import Guard
from scripts.twin.identity import Identity

INIT_SECONDS = 10.0  # "Understanding the Lambda execution environment lifecycle": the init phase
LINE_LIMIT = 1 << 20
LAST_WORDS = 2.0  # seconds to read what a sandbox wrote before it was killed

Listen = Callable[[str, str], None]  # the function's name, and a line that its sandbox wrote


class InitFailed(Exception):
    """The sandbox did not come to ask for an event; `answer` is the error that its first event would get."""

    def __init__(self, answer: Answer, why: str) -> None:
        super().__init__(why)
        self.answer = answer
        self.why = why


class Sandbox:
    """`death` says why it died, once it is dead."""

    def __init__(
        self, function: Function, code: Path, python: Path, guard: Guard, listen: Listen, who: Identity
    ) -> None:
        self.init_ms = 0.0
        self.death: str | None = None
        self.used = time.monotonic()
        self._function, self._code, self._python = function, code, python
        self._guard, self._listen, self._who = guard, listen, who
        self._api = RuntimeApi(self._freeze)
        self._process: asyncio.subprocess.Process | None = None
        self._dead = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def pid(self) -> int:
        return self._process.pid if self._process is not None else 0

    async def start(self, seconds: float) -> None:
        """Start it and wait until it asks for an event. Raises InitFailed; then it is closed already."""
        began = time.monotonic()
        address = await self._api.start()
        output, end = os.pipe()
        self._tasks.append(asyncio.create_task(self._forward(output)))
        try:
            self._process = await self._spawn(address, end)
        finally:
            os.close(end)
        self._guard.watch(self.pid, signal.SIGKILL)  # which works on what stands still, too
        self._tasks.append(asyncio.create_task(self._wait(self._process)))
        await first(seconds, self._api.ready, self._api.failed, self._dead)
        self.init_ms = (time.monotonic() - began) * 1000
        if not self._api.ready.is_set():
            failed = self._init_failure(seconds)
            await self.close(failed.why)
            raise failed

    async def invoke(self, event: bytes, *, request_id: str, trace_id: str, seconds: float) -> Answer:
        """What it makes of the event. Afterwards `death` says whether it is still to be used."""
        turn = Turn(request_id, event, self._headers(request_id, trace_id, seconds))
        self._api.offer(turn)
        self._thaw()
        await first(seconds, turn.over, self._dead)
        self.used = time.monotonic()
        if turn.over.is_set() and turn.answer is not None:
            return turn.answer
        if not self._dead.is_set():
            await self.close("timeout")
            message = f"RequestId: {request_id} Error: Task timed out after {self._function.timeout:.2f} seconds"
            return turn.answer or failure("Sandbox.Timedout", message)
        await self.close("")
        return turn.answer or failure("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime {self.death}")

    async def close(self, why: str = "closed") -> None:
        """Kill it, with all that it started, and wait until it is gone."""
        self.death = self.death or why
        self._signal(signal.SIGKILL)
        if self._tasks:
            done, late = await asyncio.wait(self._tasks, timeout=LAST_WORDS)
            for task in late:  # somebody who left the sandbox holds its output
                task.cancel()
            await asyncio.gather(*done, *late, return_exceptions=True)
        await self._api.close()

    async def _spawn(self, address: str, output: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            str(self._python),
            "-m",
            "awslambdaric",
            self._function.handler,
            cwd=self._code,
            env=environment(self._function, self._code, self._python, address),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a group of its own, to stop and to kill with all that the handler starts
            preexec_fn=self._who.entering(signal.SIGKILL),
        )

    def _init_failure(self, seconds: float) -> InitFailed:
        if self._api.init_error is not None:
            return InitFailed(self._api.init_error, "init error")
        if self._dead.is_set():
            return InitFailed(failure("Runtime.ExitError", f"Error: Runtime {self.death}"), f"{self.death} in init")
        answer = failure("Sandbox.Timedout", f"Error: Task timed out after {self._function.timeout:.2f} seconds")
        return InitFailed(answer, f"init took more than {seconds:g} s")

    def _headers(self, request_id: str, trace_id: str, seconds: float) -> dict[str, str]:
        return {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._function.arn,
            "Lambda-Runtime-Trace-Id": trace_id,
        }

    def _freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def _thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, how: signal.Signals) -> None:
        if self._process is not None and not self._dead.is_set():  # its number may be somebody else's by then
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, how)

    async def _wait(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        self._signal(signal.SIGKILL)  # what it started and left behind
        self._guard.forget(process.pid)
        self.death = self.death or ended(code)
        self._dead.set()

    async def _forward(self, output: int) -> None:
        """Hand on what it writes, line by line. Of a traceback the runtime client makes one line, with \\r within.

        The pipe is our own, because asyncio does not see the end of a process while anybody holds one of its pipes.
        """
        reader = asyncio.StreamReader(limit=LINE_LIMIT)
        pipe = os.fdopen(output, "rb")
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, pipe)
        with contextlib.closing(transport):
            while True:
                try:
                    raw = await reader.readline()
                except ValueError:  # a line above the limit
                    continue
                if not raw:
                    return
                for line in raw.decode(errors="replace").rstrip().split("\r"):
                    self._listen(self._function.name, line)


def ended(code: int) -> str:
    if code < 0:
        return f"exited with error: signal: {signal.Signals(-code).name}"
    return f"exited with error: exit status {code}" if code else "exited without providing a reason"


async def first(seconds: float, *events: asyncio.Event) -> None:
    """Wait for any of them, or so long."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def environment(function: Function, code: Path, python: Path, address: str) -> Mapping[str, str]:
    """What "Working with Lambda environment variables" lists: the function's own, and over them the reserved ones.
    Nothing else of this machine gets in."""
    today = datetime.now(UTC)
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        **function.environment,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{THIS}",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{today:%Y/%m/%d}/[$LATEST]{uuid4().hex}",
        "AWS_LAMBDA_RUNTIME_API": address,
        "LAMBDA_TASK_ROOT": str(code),
        "LAMBDA_RUNTIME_DIR": str(python.parent),
        "_HANDLER": function.handler,
    }
