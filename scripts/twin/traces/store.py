"""The traces that are kept: a few hundred, and never more than so many bytes, whatever is sent."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from scripts.twin.traces.spans import Span

TRACES = 400
BYTES = 32 * 1024 * 1024
TRACE_SPANS = 2000
OVERHEAD = 1000  # bytes that a span takes beside its texts


@dataclass(slots=True)
class Trace:
    id: str
    spans: dict[str, Span] = field(default_factory=dict)
    size: int = 0


class Traces:
    """The oldest makes room. `ignored` counts datagrams that were no segments, `dropped` spans for which there was no
    room in their trace."""

    def __init__(self, *, traces: int = TRACES, size: int = BYTES, spans: int = TRACE_SPANS) -> None:
        self._limits = (traces, size, spans)
        self._kept: dict[str, Trace] = {}
        self._size = 0
        self.documents = 0
        self.ignored = 0
        self.dropped = 0

    def add(self, trace: str, spans: Iterable[Span]) -> None:
        """In any order and more than once: what has ended takes the place of the same in progress, never otherwise."""
        kept = self._kept.setdefault(trace, Trace(trace))
        for span in spans:
            before = kept.spans.get(span.id)
            if before is not None and before.end is not None:
                continue
            if before is None and len(kept.spans) >= self._limits[2]:
                self.dropped += 1
                continue
            kept.spans[span.id] = span
            change = weight(span) - (weight(before) if before else 0)
            kept.size += change
            self._size += change
        self._make_room()

    def find(self, trace: str) -> Trace | None:
        return self._kept.get(trace)

    def all(self) -> list[Trace]:
        return [*self._kept.values()]

    def _make_room(self) -> None:
        traces, size, _ = self._limits
        while len(self._kept) > traces or (self._size > size and self._kept):
            oldest = next(iter(self._kept))
            self._size -= self._kept.pop(oldest).size


def weight(span: Span) -> int:
    """Bytes, roughly; characters of up to four bytes count as four."""
    texts = [span.name, span.service, *span.facts, *(str(value) for value in span.facts.values())]
    return OVERHEAD + sum(len(text) if text.isascii() else 4 * len(text) for text in texts)
