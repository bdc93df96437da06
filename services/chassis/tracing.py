"""Where the time of a request went: one trace through every service, as spans, whatever takes them.

Whoever does something worth a span says `with span(…)`; whoever calls another service sends `inject()` along. Both find
the request that they belong to in a context variable, so no tracer is handed from call to call, and tasks that a
request starts have the parent that was open where they were started. Nothing here raises, and nothing waits.

A backend makes the spans. `xray` is the one that is used; a test has another, and both keep the same contract.
"""

from collections.abc import Callable
from contextvars import ContextVar
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from services.chassis.sampling import Reservoir, Sampler
from services.chassis.trace_header import Arrived, new_trace_id, parse, written

HONOURED = 50  # requests a second that are traced because a caller says so, beyond what the rules keep

surroundings: ContextVar[str] = ContextVar("surroundings", default="")
"""A trace header that stands over that of the request: on Lambda, the segment that Lambda itself has made."""


class Span(Protocol):
    """Something that takes time, open from the moment it is made. What is said after its end is lost."""

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""

    def child(self, name: str, *, remote: bool = False, ago: float = 0.0) -> "Span":
        """A span within this one that began `ago` seconds ago; `remote` when somebody else does the work."""

    def asks(self, method: str, url: str) -> None:
        """An HTTP request: received, or sent when the span is remote."""

    def answered(self, status: int) -> None:
        """How that ended: 5xx is a fault, 4xx an error, 429 a throttle too."""

    def statement(self, name: str) -> None:
        """A database was asked. Of the statement only a name, never its text."""

    def annotate(self, **values: str | int | bool) -> None:
        """What traces can be found by."""

    def raised(self, error: BaseException) -> None:
        """It is a fault, with the type of the exception and where it was raised; never what it says."""

    def end(self) -> None:
        """It is over, and can be sent. The first time counts."""

    def drop(self) -> None:
        """It is over, and was not worth sending."""


class Backend(Protocol):
    """Makes the first span of a trace in this process; `Span.child` makes the others."""

    def load(self) -> None:
        """Do ahead what would hold up the first span. May take a while."""

    def begin(self, name: str, *, trace_id: str, parent_id: str) -> Span | None:
        """`parent_id` is that of the caller's span, or empty. None when no span can be had."""

    def close(self) -> None:
        """Give back what it holds. A span that ends later is lost."""


class _Here(NamedTuple):
    trace_id: str
    parent: str  # what is told to those who are called
    sampled: bool
    span: Span | None
    work: "Work | None" = None


_here: ContextVar[_Here | None] = ContextVar("here", default=None)


def current_trace_id() -> str:
    """The trace of this request, kept or not; empty outside of one."""
    here = _here.get()
    return here.trace_id if here is not None else ""


def inject() -> str:
    """The trace header for a call that is made now; empty outside of a request."""
    here = _here.get()
    if here is None:
        return ""
    if here.work is not None:
        here.work.worthwhile = True
    return written(here.trace_id, here.parent, sampled=here.sampled)


def recording() -> bool:
    """Whether a span made now would be sent: for what is not worth finding out otherwise."""
    here = _here.get()
    return here is not None and here.span is not None


def span(name: str, *, remote: bool = False, ago: float = 0.0) -> "Within":
    """`with span(…) as made`: a span within the current one, and the current one meanwhile.

    It is a fault when an exception passes. Outside of a request that is kept it costs next to nothing.
    """
    here = _here.get()
    if here is None or here.span is None:
        return _NOTHING
    return Within(here, here.span.child(name, remote=remote, ago=ago))


def raised(error: BaseException) -> None:
    """Note on the current span that this was raised, where it is caught before it could pass the span's end."""
    here = _here.get()
    if here is not None and here.span is not None:
        here.span.raised(error)


class Within:
    """The time of a span: it is the current one until it ends."""

    __slots__ = ("_after", "_span")

    def __init__(self, here: _Here | None, span: Span | None) -> None:
        self._after = here
        self._span = span

    def __enter__(self) -> Span:
        if self._span is None or self._after is None:
            return SILENT
        _here.set(self._after._replace(parent=self._span.id, span=self._span))
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        # Not by token: a generator may be closed in another context than it was begun in.
        _here.set(self._after)
        if error is not None:
            self._span.raised(error)
        self._span.end()


class Tracing:
    """Begins the traces of a service, `name`d tandem-<environment>-<service>. Every span's root says `facts`.

    Without a backend nothing is recorded; ids and decisions of callers are passed on all the same.
    """

    def __init__(self, name: str, backend: Backend | None, *, sampler: Sampler, facts: dict[str, str]) -> None:
        self._name = name
        self._backend = backend
        self._sampler = sampler
        self._facts = facts
        self._honoured = Reservoir(HONOURED)

    async def load(self) -> None:
        """Load what spans are made with, ahead of the first one, which would stand still for it."""
        if self._backend is not None:
            self._backend.load()

    async def close(self) -> None:
        if self._backend is not None:
            self._backend.close()

    def start_request(self, header: str, method: str, path: str, *, keep: bool = True) -> "Request":
        """`with …:` everything that happens for a request. `header` is what came as X-Amzn-Trace-Id; without `keep`
        nothing is recorded, whatever it says."""
        above = surroundings.get()
        arrived = (above and parse(above)) or parse(header) or Arrived(new_trace_id(), "", None)
        sampled = keep and self._decided(arrived, above, lambda: self._sampler.keeps(method, path))
        here = self._begun(self._name, arrived, sampled=sampled)
        if here.span is not None:
            here.span.asks(method, path)
            here.span.annotate(**self._facts)
        return Request(here)

    def start_work(self, step: str) -> "Work":
        """`with …:` a step of background work, a trace of its own. It is sent when there was something to do."""
        above = surroundings.get()
        arrived = parse(above) or Arrived(new_trace_id(), "", None)
        here = self._begun(f"{self._name}-background", arrived, sampled=self._decided(arrived, above, lambda: True))
        if here.span is not None:
            here.span.annotate(**self._facts, step=step)
        return Work(here)

    def _decided(self, arrived: Arrived, above: str, rules: Callable[[], bool]) -> bool:
        """The caller's decision holds. But anybody can write a header, so those who want to be traced are counted."""
        if arrived.sampled is None:
            return rules()
        return arrived.sampled and (bool(above) or self._honoured.take() or rules())

    def _begun(self, name: str, arrived: Arrived, *, sampled: bool) -> _Here:
        begun = None
        if sampled and self._backend is not None:
            begun = self._backend.begin(name, trace_id=arrived.trace_id, parent_id=arrived.parent)
        # Where nothing is recorded the caller stays the parent; where there is none, digits that nobody will look for.
        parent = begun.id if begun is not None else arrived.parent or arrived.trace_id[-16:]
        return _Here(arrived.trace_id, parent, sampled, begun)


class Request:
    """The time of a request."""

    __slots__ = ("_before", "_here")

    def __init__(self, here: _Here) -> None:
        self._here = here
        self._before: _Here | None = None

    def __enter__(self) -> Self:
        self._before = _here.get()
        _here.set(self._here)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _here.set(self._before)
        if self._here.span is not None:
            if error is not None:
                self._here.span.raised(error)
            self._here.span.end()

    def answered(self, status: int, *, route: str, request_id: str) -> None:
        """`route` is the template of the path, `status` 0 when there was no answer."""
        if self._here.span is not None:
            self._here.span.annotate(request_id=request_id, route=route)
            if status:
                self._here.span.answered(status)


class Work:
    """The time of a step of background work. `worthwhile` says whether anybody wants to know."""

    __slots__ = ("_here", "worthwhile")

    def __init__(self, here: _Here) -> None:
        self._here = here._replace(work=self)
        self.worthwhile = False

    def __enter__(self) -> Self:
        _here.set(self._here)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _here.set(None)
        if error is not None:
            self.failed(error)
        if self._here.span is not None:
            if self.worthwhile:
                self._here.span.end()
            else:
                self._here.span.drop()

    def failed(self, error: BaseException) -> None:
        """It ended with this, which is always worth knowing."""
        self.worthwhile = True
        if self._here.span is not None:
            self._here.span.raised(error)


class _Silent:
    """A span where nothing is recorded."""

    id = ""

    def child(self, name: str, *, remote: bool = False, ago: float = 0.0) -> Span:  # noqa: ARG002
        return self

    def asks(self, method: str, url: str) -> None: ...

    def answered(self, status: int) -> None: ...

    def statement(self, name: str) -> None: ...

    def annotate(self, **values: str | int | bool) -> None: ...

    def raised(self, error: BaseException) -> None: ...

    def end(self) -> None: ...

    def drop(self) -> None: ...


SILENT: Span = _Silent()
_NOTHING = Within(None, None)
