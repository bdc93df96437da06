"""X-Ray behind `tracing`: the SDK's entities, sent to an agent by UDP.

Of the SDK this takes segments, subsegments and the emitter. Its recorder and context lose spans between tasks, its
sampler asks AWS all the time, and its patches do not know our clients; of an exception it would write the message. The
documents are `datagrams`, since its own serialising takes as long as all the rest.

It is loaded with the start of a container, and on Lambda with the first event that is traced. AWS ends its support on
2027-02-25; 0013 says what takes its place.
"""

import errno
import importlib.util
import os
import sys
import time
import traceback
from typing import Any

from services.chassis.datagrams import LARGEST, SMALL, Document, datagrams, placed
from services.chassis.logs import logger
from services.chassis.sampling import Sampler
from services.chassis.settings import Settings
from services.chassis.tracing import Span, Tracing

TOGETHER = 50  # spans that travel with their segment; those after them leave when they end
LONGEST = 250  # characters of a value; X-Ray indexes a thousand
FRAMES = 30  # of an exception, the innermost ones

log = logger("xray")


def tracing(settings: Settings) -> Tracing:
    """As the settings say; without the address of an agent nothing is recorded."""
    on_lambda = settings.served_by == "lambda"
    return Tracing(
        f"tandem-{settings.environment}-{settings.service}",
        XRay(settings.trace_address, subsegments=on_lambda) if settings.trace_address else None,
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
        self._sdk: _Sdk | None = None
        self._broken = False

    def load(self) -> None:
        if self._sdk is not None or self._broken:
            return
        try:
            self._sdk = _Sdk(self._address)
        except Exception:  # the address, a package that is missing, what the SDK does on its import
            self._broken = True
            log.error("nothing will be traced", exc_info=True)

    def begin(self, name: str, *, trace_id: str, parent_id: str) -> Span | None:
        self.load()
        if self._sdk is None or (self._subsegments and not parent_id):
            return None
        entity = self._sdk.segment(name, traceid=trace_id, parent_id=parent_id)
        if self._subsegments:
            entity = self._sdk.subsegment(name, "local", entity)
            entity.parent_id = parent_id
        return _Span(entity, None, _Outlet(self._sdk))

    def close(self) -> None:
        self._broken = True  # so that nothing loads it again
        if self._sdk is not None:
            self._sdk.close()
            self._sdk = None


class _Sdk:
    """What we use of it, loaded."""

    def __init__(self, address: str) -> None:
        without_recorder()
        from aws_xray_sdk.core.daemon_config import DaemonConfig  # noqa: PLC0415
        from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter  # noqa: PLC0415
        from aws_xray_sdk.core.models.segment import Segment  # noqa: PLC0415
        from aws_xray_sdk.core.models.subsegment import Subsegment  # noqa: PLC0415

        DaemonConfig(address)  # raises what is wrong with it, before there is a socket
        self.segment: Any = Segment
        self.subsegment: Any = Subsegment
        self._emitter = UDPEmitter(address)
        self._largest = LARGEST
        self._failed = False

    def close(self) -> None:
        self._failed = True  # what is lost from now on is not worth a word
        self._emitter._socket.close()

    def send(self, document: Document) -> None:
        """Raises nothing: what cannot be sent is lost, which is said once."""
        try:
            for datagram in datagrams(document, self._largest):
                self._emitter._send_data(datagram.decode())  # `send_entity` would serialise, and log every failure
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno == errno.EMSGSIZE and self._largest > SMALL:
                self._largest = SMALL
                self.send(document)  # what was sent before is the same again, by its id
            elif not self._failed:
                self._failed = True
                log.warning("a trace could not be sent", error=repr(error))


def without_recorder() -> None:
    """Let the modules of the SDK be found without running the `__init__` above them: that makes a recorder and loads
    botocore for its sampler, 25 times what our imports take (1.2 s of a processor instead of 0.05). Nobody else here
    imports the SDK, which the architecture test sees to, so nobody misses the recorder."""
    name = "aws_xray_sdk.core"
    if name not in sys.modules and (spec := importlib.util.find_spec(name)):
        sys.modules[name] = importlib.util.module_from_spec(spec)


class _Outlet:
    """Where the spans go that belong to one segment."""

    __slots__ = ("dropped", "sdk", "together")

    def __init__(self, sdk: _Sdk) -> None:
        self.sdk = sdk
        self.together = 0
        self.dropped = False


class _Span:
    """A segment or a subsegment, with those that have ended within it."""

    __slots__ = ("_ended", "_entity", "_outlet", "_parent", "_within", "id")

    def __init__(self, entity: Any, parent: "_Span | None", outlet: _Outlet) -> None:
        self.id: str = entity.id
        self._entity = entity
        self._parent = parent
        self._outlet = outlet
        self._within: list[Document] = []
        self._ended = False

    def child(self, name: str, *, remote: bool = False, ago: float = 0.0) -> Span:
        entity = self._outlet.sdk.subsegment(name, "remote" if remote else "local", self._entity)
        entity.parent_id = self.id
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
        self._entity.cause = self._entity.cause or _cause(error)  # kept itself, it would hold its frames, and they us

    def end(self) -> None:
        if self._ended or self._outlet.dropped:
            return
        self._ended = True
        entity, parent, outlet = self._entity, self._parent, self._outlet
        document = _document(entity, self._within)
        entity.http, entity.annotations = {}, {}  # what is said from now on is not in the document
        if parent is not None and not parent._ended and outlet.together < TOGETHER:
            outlet.together += 1
            parent._within.append(document)
        else:
            outlet.sdk.send(document | _place(entity))

    def drop(self) -> None:
        self._outlet.dropped = True


def _place(entity: Any) -> Document:
    if hasattr(entity, "namespace"):
        return placed(entity.trace_id, entity.parent_id)
    return {"trace_id": entity.trace_id} | ({"parent_id": entity.parent_id} if entity.parent_id else {})


def _document(entity: Any, within: list[Document]) -> Document:
    """Without its place in the trace, which is that of the document around it until it travels alone."""
    document: Document = {
        "id": entity.id,
        "name": entity.name,
        "start_time": entity.start_time,
        "end_time": time.time(),
    }
    facts = vars(entity)
    for key in ("http", "annotations", "sql", "cause", "error", "fault", "throttle"):
        if value := facts.get(key):
            document[key] = value
    if facts.get("namespace") == "remote":
        document["namespace"] = "remote"
    if within:
        document["subsegments"] = within
    return document


def _cause(error: BaseException) -> Document:
    """What an exception says may be a customer's; its type and where it came from are ours."""
    stack = [
        {"path": "/".join(frame.f_code.co_filename.split("/")[-2:]), "line": line, "label": frame.f_code.co_name}
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    exception = {"id": os.urandom(8).hex(), "type": type(error).__name__, "stack": stack[-FRAMES:]}
    return {"working_directory": "", "exceptions": [exception]}
