"""A datagram as the services send it becomes spans ("AWS X-Ray segment documents", "Sending segment documents to the
X-Ray daemon").

Anybody on this machine can send one, so nothing in it is believed: what has another form is refused whole, texts are
cut, and what nobody looks at is not kept. A query string never is.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.twin.load_balancer.trace_header import IDENTIFIER, SPAN
from scripts.twin.traces.spans import Fact, Kind, Span

HEADER = {"format": "json", "version": 1}
SPANS = 1000  # of one document
LONGEST = 4000  # characters of a text
ANNOTATIONS = 50  # "Annotations: up to 50 per trace"
NAMES = "tandem-"


class BadDocument(Exception):
    """Why a datagram is no segment."""


@dataclass(frozen=True, slots=True)
class Document:
    trace: str
    spans: tuple[Span, ...]  # the outermost first


def parsed(datagram: bytes) -> Document:
    """Raises BadDocument."""
    header, _, content = datagram.partition(b"\n")
    try:
        if json.loads(header) != HEADER:
            raise BadDocument("the header is not that of a segment")
        members = json.loads(content)
    except (ValueError, RecursionError):
        raise BadDocument("it is no JSON") from None
    outermost = _object(members)
    trace = _text(outermost, "trace_id")
    if not IDENTIFIER.fullmatch(trace):
        raise BadDocument("trace_id is none")
    return Document(trace, tuple(_spans(outermost)))


def _spans(outermost: Mapping[str, Any]) -> Iterator[Span]:
    """The segment or subsegment and all that is in it."""
    whole = _begins(outermost)
    service = service_of(_text(outermost, "name")) if whole else ""
    waiting = [(outermost, _parent(outermost), whole)]
    for _ in range(SPANS):
        if not waiting:
            return
        members, parent, is_segment = waiting.pop()
        found = _span(members, parent, service, is_segment=is_segment)
        yield found
        inside = members.get("subsegments") or []
        if not isinstance(inside, list):
            raise BadDocument("subsegments is no list")
        waiting += [(_object(each), found.id, False) for each in inside]
    raise BadDocument(f"it has more than {SPANS} subsegments")


def _begins(outermost: Mapping[str, Any]) -> bool:
    """Whether a service's own part begins with it: a segment, or on Lambda, which makes the segment itself, a
    subsegment with the service's name."""
    alone = outermost.get("type") == "subsegment"
    return not alone or (_string(outermost, "name").startswith(NAMES) and "namespace" not in outermost)


def _span(members: Mapping[str, Any], parent: str, service: str, *, is_segment: bool) -> Span:
    identifier = _text(members, "id")
    if not SPAN.fullmatch(identifier):
        raise BadDocument("id is none")
    start = _time(members, "start_time")
    end = None if members.get("in_progress") else max(start, _time(members, "end_time"))  # a clock can be set back
    facts = dict(_facts(members))
    status = _object(_object(members.get("http")).get("response")).get("status")
    return Span(
        id=identifier,
        parent=parent,
        kind=_kind(members, facts, is_segment=is_segment),
        name=_text(members, "name")[:200],
        service=service,
        start=start,
        end=end,
        status=status if type(status) is int and 100 <= status <= 999 else 0,
        fault=members.get("fault") is True,
        error=members.get("error") is True or members.get("throttle") is True,
        facts=facts,
    )


def _kind(members: Mapping[str, Any], facts: Mapping[str, Fact], *, is_segment: bool) -> Kind:
    if is_segment:
        return Kind.BACKGROUND if "step" in facts else Kind.REQUEST
    if "sql" in members:
        return Kind.SQL
    if members.get("namespace") in {"remote", "aws"}:
        return Kind.CALL
    return Kind.POOL if members.get("name") == "pool" else Kind.WORK


def _facts(members: Mapping[str, Any]) -> Iterator[tuple[str, Fact]]:
    request, annotations = _object(_object(members.get("http")).get("request")), _object(members.get("annotations"))
    if method := _string(request, "method"):
        yield "method", method
    if url := _string(request, "url").partition("?")[0]:
        yield "url", url
    query = _string(_object(members.get("sql")), "sanitized_query")
    if query and query != annotations.get("statement"):
        yield "query", query
    for key, value in list(annotations.items())[:ANNOTATIONS]:
        if isinstance(value, str | int | float):
            yield str(key)[:100], value[:LONGEST] if isinstance(value, str) else value
    if why := _cause(members.get("cause")):
        yield "cause", why


def _cause(cause: Any) -> str:
    """`ValueError in order/service.py:12`, of the first exception; a cause can also be the id of one told elsewhere.
    What an exception says stays out: it may be a customer's."""
    exceptions = cause.get("exceptions") if isinstance(cause, dict) else None
    if not isinstance(exceptions, list) or not exceptions:
        return ""
    first = _object(exceptions[0])
    stack = first.get("stack")
    innermost = _object(stack[-1]) if isinstance(stack, list) and stack else {}
    where = f" in {_string(innermost, 'path')}:{innermost.get('line')}" if innermost else ""
    return f"{_string(first, 'type') or 'an exception'}{where}"


def service_of(name: str) -> str:
    """`order`, of `tandem-local-order` and of `tandem-local-order-background`."""
    parts = name.split("-")
    return (parts[2] if name.startswith(NAMES) and len(parts) > 2 else name)[:100]


def _parent(members: Mapping[str, Any]) -> str:
    parent = _string(members, "parent_id")
    if parent and not SPAN.fullmatch(parent):
        raise BadDocument("parent_id is none")
    return parent


def _object(value: Any) -> Mapping[str, Any]:
    """An absent one is empty. Raises BadDocument."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadDocument("what should be an object is none")
    return value


def _string(members: Mapping[str, Any], key: str) -> str:
    value = members.get(key)
    return value[:LONGEST] if isinstance(value, str) else ""


def _text(members: Mapping[str, Any], key: str) -> str:
    """Raises BadDocument."""
    if not (value := _string(members, key)):
        raise BadDocument(f"it has no {key}")
    return value


def _time(members: Mapping[str, Any], key: str) -> float:
    """Raises BadDocument."""
    value = members.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e11:  # nor NaN
        raise BadDocument(f"{key} is no time")
    return float(value)
