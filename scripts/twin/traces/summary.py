"""A trace in one line, and which of them somebody asks for."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scripts.twin.traces.spans import BEGINNINGS, Kind, Span
from scripts.twin.traces.store import Trace
from scripts.twin.traces.tree import Node, forest, walked


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`name` is the route where a service told it, else the path, or the step of background work. `milliseconds` is
    None while it runs. `failed`: the answer was 4xx or 5xx, or something inside went wrong on the way to a good one."""

    id: str
    kind: str
    method: str
    name: str
    status: int
    at: float
    milliseconds: float | None
    span_count: int
    services: tuple[str, ...]
    failed: bool
    running: bool

    def document(self) -> dict[str, Any]:
        return asdict(self)


def summed(trace: Trace, tops: list[Node] | None = None) -> Summary:
    tops = tops or forest(trace.spans.values())
    nodes = [node for node, _ in walked(tops)]
    first = tops[0].span
    own = next((node.span for node in nodes if node.span.kind in BEGINNINGS), first)
    ends = [span.end for span in trace.spans.values()]
    running = None in ends
    last = first.end if first.end and first.kind is Kind.LOAD_BALANCER else max((end for end in ends if end), default=0)
    return Summary(
        id=trace.id,
        kind=own.kind.value,
        method=_fact(own, "method") or _fact(first, "method"),
        name=_name(own) or _name(first),
        status=first.status or own.status,
        at=first.start,
        milliseconds=None if running or not last else (last - first.start) * 1000,
        span_count=len(nodes),
        services=tuple(dict.fromkeys(node.service for node in nodes if node.service)),
        failed=first.status >= 400 or any(span.fault for span in trace.spans.values()),
        running=running,
    )


def _name(span: Span) -> str:
    if span.kind is Kind.BACKGROUND:
        return _fact(span, "step") or span.name
    return _fact(span, "route") or path_of(span) or span.name


def path_of(span: Span) -> str:
    """`/orders`, of the address that a span has."""
    if path := _fact(span, "path"):
        return path
    address = _fact(span, "url")
    _, scheme, rest = address.partition("://")
    return f"/{rest.partition('/')[2]}" if scheme else address


def _fact(span: Span, key: str) -> str:
    return str(span.facts.get(key, ""))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Traces with a failure only; that took at least so many milliseconds; in which this text occurs."""

    errors: bool = False
    slower: float = 0.0
    text: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Wanted":
        """Raises ValueError."""
        slower = float(query.get("slower") or 0)
        if not 0 <= slower < 1e9:
            raise ValueError(slower)
        return cls(bool(query.get("errors")), slower, query.get("q", "").strip())

    def chosen(self, traces: Iterable[Trace]) -> list[Summary]:
        """The newest first."""
        found = ((trace, summed(trace)) for trace in traces)
        chosen = [one for trace, one in found if self._takes(one) and self._occurs(trace, one)]
        return sorted(chosen, key=lambda one: one.at, reverse=True)

    def _takes(self, one: Summary) -> bool:
        slow = not self.slower or (one.milliseconds or 0.0) >= self.slower
        return slow and (one.failed or not self.errors)

    def _occurs(self, trace: Trace, one: Summary) -> bool:
        text = self.text.lower()
        if not text:
            return True
        line = f"{one.id} {one.method} {one.name} {one.status} {' '.join(one.services)} {one.kind}".lower()
        return text in line or any(
            text in str(value).lower() for span in trace.spans.values() for value in (span.name, *span.facts.values())
        )
