"""The X-Amzn-Trace-Id of a request ("Request tracing for your Application Load Balancer")."""

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

NAME = b"x-amzn-trace-id"
IDENTIFIER = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
SPAN = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """As it is sent on. `trace` is the Root, or our own mark where the client sent none that is well-formed; `parent`
    the caller's span, empty when the request has no caller that traces; `span` what the load balancer did: its mark
    tells it. A service that records nothing names its caller so, too (`services/chassis/tracing.py`)."""

    text: str
    trace: str
    parent: str
    span: str
    sampled: bool

    @property
    def of_event(self) -> str:
        """Lambda makes a segment of its own for an event that is traced, and tells the function of that one; here the
        load balancer's span stands for it."""
        return f"Root={self.trace};Parent={self.span};Sampled={int(self.sampled)}"


def sent_on(headers: Iterable[tuple[bytes, bytes]]) -> TraceHeader:
    """A new root, or the header that came, with a Self field of our own in front. Of several the last one counts."""
    given = ([""] + [value.decode("latin-1") for name, value in headers if name == NAME])[-1]
    mark = f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"
    if not given:
        return read(f"Root={mark}")
    fields = [field for field in given.split(";") if not field.strip().startswith("Self=")]
    return read(";".join([f"Self={mark}", *fields]))


def read(text: str) -> TraceHeader:
    """A header that the load balancer has written."""
    found = dict(field.strip().partition("=")[::2] for field in text.split(";"))
    root, parent = found.get("Root", ""), found.get("Parent", "")
    mark = found.get("Self") or root
    return TraceHeader(
        text=text,
        trace=root if IDENTIFIER.fullmatch(root) else mark,
        parent=parent if SPAN.fullmatch(parent) else "",
        span=mark[-16:],
        sampled=found.get("Sampled") != "0",
    )
