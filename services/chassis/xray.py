"""X-Ray behind `tracing`: the SDK's entities, sent to an agent by UDP.

Of the SDK this takes the segments and subsegments and the emitter. Its recorder and context lose spans between tasks,
its sampler asks AWS all the time, and its patches do not know our clients; what it would write of an exception is the
message, and of a query the text. Documents are put together here, because serialising takes the SDK twice as long.

The SDK brings botocore along, half a second of a processor. So it is loaded with the start of a container, and on Lambda
with the first event that is traced. AWS ends its support on 2027-02-25 (0013 says what comes then).

Documents: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

import errno
import json
import os
import time
import traceback
from typing import Any

from services.chassis.logs import logger
from services.chassis.sampling import Sampler
from services.chassis.settings import Settings
from services.chassis.tracing import Span, Tracing

LARGEST = 60_000  # bytes of a datagram: X-Ray takes 64 kB, and UDP a little less
TOGETHER = 50  # spans that travel with their segment; those after them leave when they end
LONGEST = 250  # characters of a value; X-Ray indexes a thousand
FRAMES = 30  # of an exception, the innermost ones

_HEADER = '{"format":"json","version":1}\n'
_OPTIONAL = ("http", "sql", "annotations", "cause", "error", "fault", "throttle")
_ESSENTIAL = {"id", "name", "trace_id", "parent_id", "type", "namespace", "start_time", "end_time"}
_ESSENTIAL |= {"error", "fault", "throttle"}
_encode = json.JSONEncoder(separators=(",", ":")).encode

Document = dict[str, Any]

log = logger("xray")


def tracing(settings: Settings) -> Tracing:
    """As the settings say; without the address of an agent nothing is recorded."""
    lambda_ = settings.served_by == "lambda"
    return Tracing(
        f"tandem-{settings.environment}-{settings.service}",
        XRay(settings.trace_address, subsegments=lambda_) if settings.trace_address else None,
        sampler=Sampler(settings.trace_sampling),
        facts={"runtime": settings.served_by, "version": settings.version},
    )


class XRay:
    """Spans as segments, or where Lambda makes the segment itself (it refuses those of others) as subsegments of it.

    `address` is that of an agent, as AWS_XRAY_DAEMON_ADDRESS has it. Whatever goes wrong with it is said once.
    """

    def __init__(self, address: str, *, subsegments: bool = False) -> None:
        self._address = address
        self._subsegments = subsegments
        self._sdk: Any = None
        self._broken = False

    def load(self) -> None:
        if self._sdk is not None or self._broken:
            return
        try:
            from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter  # noqa: PLC0415
            from aws_xray_sdk.core.models.segment import Segment  # noqa: PLC0415
            from aws_xray_sdk.core.models.subsegment import Subsegment  # noqa: PLC0415

            self._sdk = _Sdk(Segment, Subsegment, UDPEmitter(self._address))
        except Exception:  # the address, a package that is missing, what the SDK does on its import
            self._broken = True
            log.error("nothing will be traced", exc_info=True)

    def begin(self, name: str, *, trace_id: str, parent_id: str) -> Span | None:
        self.load()
        if self._sdk is None or (self._subsegments and not parent_id):
            return None
        segment = self._sdk.segment(name, traceid=trace_id, parent_id=parent_id)
        if not self._subsegments:
            return _Span(segment, None, _Outlet(self._sdk))
        made = self._sdk.subsegment(name, "local", segment)
        made.parent_id = parent_id
        return _Span(made, None, _Outlet(self._sdk))


class _Sdk:
    """What we use of it, once it is loaded."""

    def __init__(self, segment: Any, subsegment: Any, emitter: Any) -> None:
        self.segment = segment
        self.subsegment = subsegment
        self._emitter = emitter
        self._said = False

    def send(self, document: Document) -> None:
        """Send it, in pieces where it is too large. Raises nothing: what cannot be sent is lost, and said once."""
        text = _HEADER + _encode(document)
        try:
            if len(text) <= LARGEST:  # the encoder writes ASCII
                self._emitter._send_data(text)
                return
        except OSError as error:
            if error.errno != errno.EMSGSIZE:  # macOS takes 9 kB, if nobody told it otherwise
                self._lost(error)
                return
        self._send_apart(document, len(text))

    def _send_apart(self, document: Document, size: int) -> None:
        children = document.pop("subsegments", None)
        if children:
            for child in children:
                self.send({**child, **_subsegment(document["trace_id"], document["id"])})
            self.send(document)
        elif "metadata" not in document:
            kept = {key: value for key, value in document.items() if key in _ESSENTIAL}
            self.send({**kept, "metadata": {"tandem": {"trimmed": f"{size} bytes were too many"}}})

    def _lost(self, error: OSError) -> None:
        if not self._said:
            self._said = True
            log.warning("a trace could not be sent", error=repr(error))


class _Outlet:
    """Where the spans of one segment go."""

    __slots__ = ("dropped", "sdk", "together")

    def __init__(self, sdk: _Sdk) -> None:
        self.sdk = sdk
        self.together = 0
        self.dropped = False


class _Span:
    """A segment or a subsegment; `_children` are the documents of those that have ended within it."""

    __slots__ = ("_children", "_entity", "_outlet", "_parent", "id")

    def __init__(self, entity: Any, parent: "_Span | None", outlet: _Outlet) -> None:
        self.id: str = entity.id
        self._entity = entity
        self._parent = parent
        self._outlet = outlet
        self._children: list[Document] | None = []  # None once it has ended

    def child(self, name: str, *, remote: bool = False, ago: float = 0.0) -> Span:
        entity = self._outlet.sdk.subsegment(name, "remote" if remote else "local", self._entity)
        entity.parent_id = self.id
        if ago:
            entity.start_time -= ago
        return _Span(entity, self, self._outlet)

    def asks(self, method: str, url: str) -> None:
        self._entity.http["request"] = {"method": method, "url": url[:LONGEST]}

    def answered(self, status: int) -> None:
        self._entity.http["response"] = {"status": status}
        self._entity.apply_status_code(status)

    def statement(self, name: str) -> None:
        self._entity.sql = {"database_type": "PostgreSQL", "sanitized_query": name}
        self._entity.annotations["statement"] = name

    def annotate(self, **values: str | int | bool) -> None:
        for key, value in values.items():
            self._entity.annotations[key] = value[:LONGEST] if isinstance(value, str) else value

    def raised(self, error: BaseException) -> None:
        self._entity.fault = True
        self._entity.cause = self._entity.cause or _cause(error)

    def end(self) -> None:
        children, self._children = self._children, None
        if children is None or self._outlet.dropped:
            return
        document = _document(self._entity, children)
        parent, outlet = self._parent, self._outlet
        if parent is not None and parent._children is not None and outlet.together < TOGETHER:
            outlet.together += 1
            parent._children.append(document)
        else:
            outlet.sdk.send({**document, **_place(self._entity)})

    def drop(self) -> None:
        self._children = None
        self._outlet.dropped = True


def _document(entity: Any, children: list[Document]) -> Document:
    """Without its place in the trace, which is that of the document around it until it has to travel alone."""
    document: Document = {
        "id": entity.id,
        "name": entity.name,
        "start_time": entity.start_time,
        "end_time": time.time(),
    }
    facts = vars(entity)
    for key in _OPTIONAL:
        if value := facts.get(key):
            document[key] = value.copy() if isinstance(value, dict) else value
    if facts.get("namespace") == "remote":
        document["namespace"] = "remote"
    if children:
        document["subsegments"] = children
    return document


def _place(entity: Any) -> Document:
    if hasattr(entity, "namespace"):
        return _subsegment(entity.trace_id, entity.parent_id)
    parent = {"parent_id": entity.parent_id} if entity.parent_id else {}
    return {"trace_id": entity.trace_id, **parent}


def _subsegment(trace_id: str, parent_id: str) -> Document:
    return {"trace_id": trace_id, "parent_id": parent_id, "type": "subsegment"}


def _cause(error: BaseException) -> Document:
    """What an exception says may be a customer's; its type and where it came from are ours."""
    stack = [
        {"path": "/".join(frame.f_code.co_filename.split("/")[-2:]), "line": line, "label": frame.f_code.co_name}
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    exception = {"id": os.urandom(8).hex(), "type": type(error).__name__, "stack": stack[-FRAMES:]}
    return {"working_directory": "", "exceptions": [exception]}
