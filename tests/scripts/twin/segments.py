"""Segment documents as the services send them."""

import json
import os
from typing import Any

from scripts.twin.load_balancer.journal import Entry
from scripts.twin.traces.document import told
from scripts.twin.traces.documents import parsed
from scripts.twin.traces.hops import hop
from scripts.twin.traces.spans import Span
from scripts.twin.traces.store import Trace, Traces
from scripts.twin.traces.summary import summed
from scripts.twin.traces.tree import forest

NOON = 1_800_000_000.0
TRACE = "1-6b49d200-0123456789abcdef01234567"
HEADER = b'{"format":"json","version":1}\n'


def datagram(document: dict[str, Any]) -> bytes:
    return HEADER + json.dumps(document).encode()


def part(name: str, begins: float = 0.0, ends: float | None = 1.0, **members: Any) -> dict[str, Any]:
    """What segments and subsegments have in common; times in seconds after noon, None while it runs."""
    over = {"in_progress": True} if ends is None else {"end_time": NOON + ends}
    return {"id": os.urandom(8).hex(), "name": name, "start_time": NOON + begins, **over, **members}


def segment(service: str, begins: float = 0.0, ends: float | None = 1.0, **members: Any) -> dict[str, Any]:
    return part(f"tandem-local-{service}", begins, ends, trace_id=TRACE, **members)


def call(service: str, begins: float, ends: float, status: int = 200, **members: Any) -> dict[str, Any]:
    http = {"request": {"method": "GET", "url": f"/{service}s"}, "response": {"status": status}}
    return part(f"tandem-local-{service}", begins, ends, namespace="remote", http=http, **members)


def statement(name: str, begins: float, ends: float, rows: int = 1, **members: Any) -> dict[str, Any]:
    sql = {"sanitized_query": f"SELECT {name}"}
    return part("PostgreSQL", begins, ends, sql=sql, annotations={"statement": name, "rows": rows}, **members)


def spans(document: dict[str, Any]) -> tuple[Span, ...]:
    return parsed(datagram(document)).spans


def brought(service: str, begins: float, ends: float, *, parent: str = "", status: int = 200, path: str = "/") -> Span:
    """The load balancer's part of a request."""
    entry = Entry("GET", path, at=NOON + begins, milliseconds=(ends - begins) * 1000, service=service, status=status)
    entry.trace_id, entry.parent_id, entry.span_id = TRACE, parent, os.urandom(8).hex()
    entry.runtime = "load-balancer" if status == 503 else "fargate"
    return hop(entry)


def kept(*documents: dict[str, Any], hops: tuple[Span, ...] = (), into: Traces | None = None) -> Traces:
    traces = Traces() if into is None else into
    for document in documents:
        traces.add(document["trace_id"], spans(document))
    if hops:
        traces.add(TRACE, hops)
    return traces


def as_json(traces: Traces, trace_id: str = TRACE) -> dict[str, Any]:
    """As the page gives it to programs."""
    trace = traces.find(trace_id)
    assert isinstance(trace, Trace)
    tops = forest(trace.spans.values())
    return told(summed(trace, tops), tops, [])


def an_order() -> Traces:
    """Load balancer, frontend, order, product and their statements, in the order in which they arrive: inside out."""
    to_order, to_product = call("order", 0.02, 0.90), call("product", 0.10, 0.60)
    pool = part("pool", 0.11, 0.12)
    product = segment(
        "product", 0.12, 0.58, parent_id=to_product["id"], subsegments=[statement("take_stock", 0.2, 0.5, rows=2)]
    )
    order = segment(
        "order",
        0.05,
        0.88,
        parent_id=to_order["id"],
        subsegments=[pool, to_product, statement("confirm_order", 0.7, 0.8)],
    )
    frontend = segment(
        "frontend",
        0.01,
        0.95,
        http={"request": {"method": "POST", "url": "/checkout"}, "response": {"status": 303}},
        annotations={"route": "/checkout", "request_id": "request-1", "runtime": "local"},
        subsegments=[to_order],
    )
    hops = (
        brought("product", 0.11, 0.59, parent=to_product["id"]),
        brought("order", 0.03, 0.89, parent=to_order["id"]),
        brought("frontend", 0.0, 1.0, status=303, path="/checkout"),
    )
    return kept(product, order, frontend, hops=hops)
