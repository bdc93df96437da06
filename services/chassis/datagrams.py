"""Segment documents as X-Ray's agent takes them: JSON, each in a datagram that holds it.

X-Ray takes documents up to 64 kB; a larger one would be lost without a word. Spans that have ended may travel within
their parent or alone, so what is too large goes in pieces, and a piece that still is loses its detail and says so.

Documents: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

from collections.abc import Iterator
from typing import Any

from pydantic_core import to_json  # loaded with the framework anyway, and takes a seventh of what `json` takes

LARGEST = 60_000  # bytes: 64 kB less what UDP and the agent add
SMALL = 8_000  # where the system sends no more than 9 kB at once, as macOS does

_HEADER = b'{"format":"json","version":1}\n'
_ESSENTIAL = ("type", "trace_id", "parent_id", "id", "name", "start_time", "end_time", "error", "fault", "throttle")
_TRIMMED = {"annotations": {"trimmed": True}}

Document = dict[str, Any]


def datagrams(document: Document, largest: int) -> Iterator[bytes]:
    """The document, with those in it, in as many datagrams as it takes; it knows its place in the trace."""
    whole = _HEADER + to_json(document)
    if len(whole) <= largest:
        yield whole
        return
    for child in document.get("subsegments", ()):
        yield from datagrams(child | placed(document["trace_id"], document["id"]), largest)
    alone = _HEADER + to_json({key: value for key, value in document.items() if key != "subsegments"})
    if len(alone) > largest:
        alone = _HEADER + to_json({key: document[key] for key in _ESSENTIAL if key in document} | _TRIMMED)
    yield alone


def placed(trace_id: str, parent_id: str) -> Document:
    """What says where a subsegment belongs that travels alone."""
    return {"type": "subsegment", "trace_id": trace_id, "parent_id": parent_id}
