"""What was asked and who answered: totals, and the last requests."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.types import Message, Scope, Send

KEPT = 50
LOAD_BALANCER = "load-balancer"
UNTOLD = {"began", "span_id", "parent_id"}


@dataclass(slots=True)
class Entry:
    """`runtime` is fargate, lambda, or load-balancer when no target answered; the query is left out on purpose."""

    method: str
    path: str
    at: float = field(default_factory=time.time)
    began: float = field(default_factory=time.perf_counter)
    service: str = ""
    runtime: str = LOAD_BALANCER
    target: str = ""
    status: int = 0  # 0: the client left first
    milliseconds: float = 0.0
    why: str = ""  # the load balancer's reason, where it answered by itself
    trace_id: str = ""
    span_id: str = ""  # ours in the trace
    parent_id: str = ""  # the caller's, where a service called


class Journal:
    """`listen` hears of each request when it has ended."""

    def __init__(self, listen: Callable[[Entry], None] = lambda _: None) -> None:
        self._listen = listen
        self._last: deque[Entry] = deque(maxlen=KEPT)
        self._answers: Counter[tuple[str, str, str]] = Counter()

    def begin(self, scope: Scope) -> Entry:
        return Entry(scope["method"], scope["raw_path"].decode("latin-1"))

    def end(self, entry: Entry) -> None:
        entry.milliseconds = round((time.perf_counter() - entry.began) * 1000, 1)
        self._last.appendleft(entry)
        self._answers[entry.service or "-", entry.runtime, f"{entry.status // 100}xx"] += 1
        self._listen(entry)

    def answers(self) -> dict[str, dict[str, dict[str, int]]]:
        """Counts by service, by who answered, by class of status."""
        counted: dict[str, dict[str, dict[str, int]]] = {}
        for (service, runtime, kind), count in sorted(self._answers.items()):
            counted.setdefault(service, {}).setdefault(runtime, {})[kind] = count
        return counted

    def last(self) -> list[dict[str, Any]]:
        """The newest first."""
        entries = [asdict(entry) for entry in self._last]
        return [{key: value for key, value in entry.items() if key not in UNTOLD} for entry in entries]


class Recorder:
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send, entry: Entry) -> None:
        self._send = send
        self._entry = entry

    @property
    def started(self) -> bool:
        return self._entry.status != 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._entry.status = message["status"]
        await self._send(message)
