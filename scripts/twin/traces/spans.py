"""What a trace is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Fact = str | int | float | bool


class Kind(StrEnum):
    LOAD_BALANCER = "load-balancer"
    REQUEST = "request"
    BACKGROUND = "background"
    CALL = "call"
    SQL = "sql"
    POOL = "pool"
    WORK = "work"  # whatever else a service measures


BEGINNINGS = {Kind.REQUEST, Kind.BACKGROUND}  # a service's own part of a trace starts with one


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Times in seconds since 1970; `end` is None while it runs. `status` is that of HTTP, 0 where there is none.

    `fault` is the server's (5xx, an exception), `error` the caller's (4xx). `facts` are small and for people: the
    statement and its text, the path, the runtime, the annotations.
    """

    id: str
    parent: str
    kind: Kind
    name: str
    service: str  # whose work it is; empty in a part that came before its whole
    start: float
    end: float | None
    status: int = 0
    fault: bool = False
    error: bool = False
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def milliseconds(self) -> float | None:
        return None if self.end is None else (self.end - self.start) * 1000
