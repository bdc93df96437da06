"""Traces as JSON, for programs and tests."""

from collections.abc import Iterable, Sequence
from typing import Any

from scripts.twin.traces.lines import Line
from scripts.twin.traces.store import Traces
from scripts.twin.traces.summary import Summary
from scripts.twin.traces.tree import Node


def listed(traces: Traces, chosen: Iterable[Summary]) -> dict[str, Any]:
    return {
        "traces": [one.document() for one in chosen],
        "kept": len(traces.all()),
        "received": {"documents": traces.documents, "ignored": traces.ignored, "dropped": traces.dropped},
    }


def told(summary: Summary, tops: Sequence[Node], lines: Iterable[Line]) -> dict[str, Any]:
    """The summary, `spans` as a tree, and `logs`."""
    return {
        **summary.document(),
        "spans": [_span(top, summary.at) for top in tops],
        "logs": [line.document() for line in lines],
    }


def _span(node: Node, origin: float) -> dict[str, Any]:
    span = node.span
    return {
        "id": span.id,
        "parent_id": span.parent or None,
        "kind": span.kind.value,
        "name": span.name,
        "service": node.service,
        "offset_ms": (span.start - origin) * 1000,
        "milliseconds": span.milliseconds,
        "status": span.status or None,
        "fault": span.fault,
        "error": span.error,
        "running": span.end is None,
        "orphan": node.orphan,
        "facts": dict(span.facts),
        "spans": [_span(inside, origin) for inside in node.inside],
    }
