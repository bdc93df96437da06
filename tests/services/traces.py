"""Who takes traces in tests: a backend in memory, and an agent that listens where X-Ray's would. Both show the same."""

import itertools
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from services.chassis.sampling import Sampler, read_rules
from services.chassis.tracing import Backend, Span, Tracing

ROOT = "1-67891233-abcdef012345678912345678"
CALLER = "0123456789abcdef"
HEADER = f"Root={ROOT};Parent={CALLER};Sampled=1"


@dataclass(slots=True)
class Seen:
    """A span that has ended. `facts` are its annotations and whatever else was said of it, under one name each."""

    name: str
    id: str
    parent: str
    trace_id: str
    remote: bool
    seconds: float
    facts: dict[str, Any]


class Memory:
    """A backend that keeps everything, as simply as can be."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.open = 0
        self.numbers = itertools.count(1)

    def load(self) -> None: ...

    def close(self) -> None: ...

    def begin(self, name: str, *, trace_id: str, parent_id: str) -> Span | None:
        return _MemorySpan(self, Seen(name, "", parent_id, trace_id, remote=False, seconds=0.0, facts={}), [])


class _MemorySpan:
    def __init__(self, memory: Memory, seen: Seen, family: list[Seen]) -> None:
        seen.id = f"{next(memory.numbers):016x}"
        memory.open += 1
        self.id = seen.id
        self._memory, self._seen, self._family = memory, seen, family
        self._ended = False

    def child(self, name: str, *, remote: bool = False, ago: float = 0.0) -> Span:
        seen = Seen(name, "", self.id, self._seen.trace_id, remote, ago, {})
        return _MemorySpan(self._memory, seen, self._family)

    def asks(self, method: str, url: str) -> None:
        self._note(method=method, url=url)

    def answered(self, status: int) -> None:
        flags = {"fault": status >= 500, "error": 400 <= status < 500, "throttle": status == 429}
        self._note(status=status, **{name: True for name, value in flags.items() if value})

    def statement(self, name: str) -> None:
        self._note(statement=name)

    def annotate(self, **values: str | int | bool) -> None:
        self._note(**values)

    def raised(self, error: BaseException) -> None:
        self._note(fault=True, raised=self._seen.facts.get("raised", type(error).__name__))

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._memory.open -= 1
            self._memory.seen.append(self._seen)
            self._family.append(self._seen)

    def drop(self) -> None:
        self._ended = True
        self._memory.open -= 1
        for seen in self._family:
            self._memory.seen.remove(seen)

    def _note(self, **facts: Any) -> None:
        if not self._ended:
            self._seen.facts |= facts


@dataclass
class Agent:
    """Listens for datagrams, on a port of its own."""

    socket: socket.socket
    datagrams: list[bytes] = field(default_factory=list)
    _documents: list[dict[str, Any]] = field(default_factory=list)
    _seen: list[Seen] = field(default_factory=list)

    @property
    def address(self) -> str:
        host, port = self.socket.getsockname()
        return f"{host}:{port}"

    @property
    def documents(self) -> list[dict[str, Any]]:
        """What has come in so far."""
        self.drain()
        for datagram in self.datagrams[len(self._documents) :]:
            header, _, document = datagram.partition(b"\n")
            assert json.loads(header) == {"format": "json", "version": 1}
            self._documents.append(json.loads(document))
            self._seen += flat(self._documents[-1])
        return self._documents

    @property
    def seen(self) -> list[Seen]:
        """Every span in them, those within others too."""
        return self._seen if self.documents else []

    def drain(self) -> None:
        """Take what has come in, as a real one does all the time."""
        with suppress(BlockingIOError):
            while True:
                self.datagrams.append(self.socket.recv(65_536))


@contextmanager
def agent() -> Iterator[Agent]:
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        yield Agent(listener)


def flat(document: Mapping[str, Any], *, trace_id: str = "", parent: str = "") -> Iterator[Seen]:
    trace_id, parent = document.get("trace_id", trace_id), document.get("parent_id", parent)
    for child in document.get("subsegments", ()):
        yield from flat(child, trace_id=trace_id, parent=document["id"])
    http = document.get("http", {})
    facts = {**http.get("request", {}), **http.get("response", {}), **document.get("annotations", {})}
    facts |= {flag: document[flag] for flag in ("fault", "error", "throttle") if flag in document}
    if "sql" in document:
        assert document["sql"] == {"database_type": "PostgreSQL", "sanitized_query": facts["statement"]}
    for exception in document.get("cause", {}).get("exceptions", ()):
        facts["raised"] = exception["type"]
    seconds = document["end_time"] - document["start_time"]
    remote = document.get("namespace") == "remote"
    yield Seen(document["name"], document["id"], parent, trace_id, remote, seconds, facts)


def traced(backend: Backend | None, *, rules: str = "[{}]", name: str = "tandem-test-things") -> Tracing:
    facts = {"runtime": "local", "version": "dev"}
    return Tracing(name, backend, sampler=Sampler(read_rules(rules)), facts=facts)


def tree(seen: list[Seen]) -> dict[str, Any]:
    """Names within names, of one trace; every span's parent has to be there but the root's."""
    assert len({one.trace_id for one in seen}) == 1
    known = {one.id for one in seen}
    roots = [one for one in seen if one.parent not in known]

    def below(parent: str) -> list[Any]:
        return [{one.name: below(one.id)} if below(one.id) else one.name for one in seen if one.parent == parent]

    assert len(roots) == 1, roots
    return {roots[0].name: below(roots[0].id)}
