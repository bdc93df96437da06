"""The header in which a trace travels, X-Amzn-Trace-Id, as load balancer and Lambda write it.

"Request tracing for your Application Load Balancer": a request without one gets `Root=…`; to one that has it the load
balancer adds `Self=…`. Anybody may send one, so nothing in it is believed that does not have its form.
"""

import os
import re
import time
from typing import NamedTuple

TRACE_HEADER = "X-Amzn-Trace-Id"
LONGEST = 512  # characters; ours have 94, and a load balancer adds 40

_ROOT = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}", re.ASCII)
_PARENT = re.compile(r"[0-9a-f]{16}", re.ASCII)
_SAMPLED = {"1": True, "0": False, "?": None}
# What is nearly always sent, read at once.
_USUAL = re.compile(
    r"(?:Self=[^;]*;)?Root=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;Parent=([0-9a-f]{16})(?:;Sampled=([01]))?)?", re.ASCII
)


class Arrived(NamedTuple):
    """`parent` is empty and `sampled` None where the caller says nothing of them."""

    trace_id: str
    parent: str
    sampled: bool | None


def parse(header: str) -> Arrived | None:
    """None without a root, and when any part that we know is malformed: half of somebody's trace helps nobody."""
    if found := _USUAL.fullmatch(header):
        root, parent, sampled = found.groups()
        return Arrived(root, parent or "", _SAMPLED[sampled] if sampled else None)
    if not header or len(header) > LONGEST:
        return None
    fields = dict(part.strip(" ").partition("=")[::2] for part in header.split(";"))
    root, parent, sampled = fields.get("Root", ""), fields.get("Parent"), fields.get("Sampled", "?")
    if not _ROOT.fullmatch(root) or sampled not in _SAMPLED:
        return None
    if parent is not None and not _PARENT.fullmatch(parent):
        return None
    return Arrived(root, parent or "", _SAMPLED[sampled])


def written(trace_id: str, parent: str, *, sampled: bool) -> str:
    return f"Root={trace_id};Parent={parent};Sampled={int(sampled)}"


def new_trace_id() -> str:
    """Version, seconds since 1970, 96 random bits: "Tracing header" in the X-Ray Developer Guide."""
    return f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"
