"""What a test says of a trace, built on the JSON of the twin's `/_traces/<id>`.

    header, trace_id = new_trace()
    …  # a request to the shop with that header
    trace = await traced(shop, trace_id, "frontend", "order", "product", "PostgreSQL")
    assert trace.find(name="PostgreSQL", statement="insert_order").facts["rows"] == 1
    trace.every_span_ends_within_its_parent()

What does not hold is an AssertionError that shows the whole trace.
"""

import asyncio
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiohttp


@dataclass(frozen=True, slots=True)
class Span:
    """`title` is the service where a service's part begins, else the name: `order`, `PostgreSQL`, `load balancer`."""

    document: Mapping[str, Any]
    above: "Span | None"

    @property
    def title(self) -> str:
        begins = self.document["kind"] in {"request", "background"}
        return str(self.document["service" if begins else "name"])

    @property
    def facts(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.document["facts"]
        return found

    @property
    def ends(self) -> float:
        """Milliseconds after the trace began; infinite while it runs."""
        milliseconds = self.document["milliseconds"]
        return float("inf") if milliseconds is None else float(self.document["offset_ms"] + milliseconds)

    def inside(self) -> list["Span"]:
        return [Span(one, self) for one in self.document["spans"]]

    def line(self) -> list["Span"]:
        """From the outermost to this one."""
        return [*(self.above.line() if self.above else ()), self]

    def is_like(self, wanted: Mapping[str, Any]) -> bool:
        known = {**self.facts, **self.document, "title": self.title}
        return all(known.get(key) == value for key, value in wanted.items())


class Trace:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.tops = [Span(one, None) for one in document["spans"]]

    @classmethod
    async def fetched(cls, shop: str, trace_id: str) -> Self | None:
        """`shop` is the address of the front door. None while there is no such trace."""
        headers = {"Accept": "application/json"}
        async with aiohttp.ClientSession() as http, http.get(f"{shop}/_traces/{trace_id}", headers=headers) as answer:
            return cls(await answer.json()) if answer.status == 200 else None

    def spans(self) -> Iterator[Span]:
        """Each before those inside it."""
        waiting = self.tops[::-1]
        while waiting:
            span = waiting.pop()
            yield span
            waiting += span.inside()[::-1]

    def all(self, **wanted: Any) -> list[Span]:
        """With these facts: `name`, `kind`, `service`, `status`, `statement`, `route` and so on."""
        return [span for span in self.spans() if span.is_like(wanted)]

    def find(self, **wanted: Any) -> Span:
        found = self.all(**wanted)
        assert found, f"no span has {wanted}:\n{self}"
        return found[0]

    def path(self, *titles: str) -> Span:
        """The first span in which these lie inside each other in this order, whatever is between them."""
        found = next((span for span in self.spans() if leads(titles, span)), None)
        assert found, f"no path {' → '.join(titles)}:\n{self}"
        return found

    def has_path(self, *titles: str) -> bool:
        return any(leads(titles, span) for span in self.spans())

    def every_span_ends_within_its_parent(self, tolerance: float = 5.0) -> None:
        """In milliseconds: each process reads the clock for itself."""
        for span in self.spans():
            if (outer := span.above) is not None:
                begins, began = span.document["offset_ms"], outer.document["offset_ms"]
                assert begins >= began - tolerance, f"{span.title} begins before {outer.title}:\n{self}"
                assert span.ends <= outer.ends + tolerance, f"{span.title} ends after {outer.title}:\n{self}"

    def nothing_is_missing(self) -> None:
        """All of it has ended, and hangs together below one span."""
        assert len(self.tops) == 1, f"it has {len(self.tops)} beginnings:\n{self}"
        loose = [span.title for span in self.spans() if span.document["running"] or span.document["orphan"]]
        assert not loose, f"{loose} have not ended or have lost their caller:\n{self}"

    def __str__(self) -> str:
        return "\n".join(
            f"{'  ' * len(span.line())}{span.title} {span.document['kind']} {span.document['status'] or ''} "
            f"{span.document['offset_ms']:.1f}-{span.ends:.1f} ms {dict(span.facts)}"
            for span in self.spans()
        )


def leads(titles: Sequence[str], span: Span) -> bool:
    """Whether the line to the span ends with the last title and has the others before it, in order."""
    line = [one.title for one in span.line()]
    if line[-1:] != list(titles[-1:]):
        return False
    rest = iter(line)
    return all(title in rest for title in titles)


def new_trace() -> tuple[dict[str, str], str]:
    """A header for a request, and the id that its trace will have."""
    identifier = f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"
    return {"X-Amzn-Trace-Id": f"Root={identifier}"}, identifier


async def traced(shop: str, trace_id: str, *titles: str, within: float = 10.0) -> Trace:
    """The trace, once it has this path: the services send their parts when they have answered."""
    deadline = time.monotonic() + within
    while True:
        trace = await Trace.fetched(shop, trace_id)
        if trace is not None and trace.has_path(*titles):
            return trace
        if time.monotonic() > deadline:
            assert trace, f"there is no trace {trace_id}"
            trace.path(*titles)
        await asyncio.sleep(0.05)
