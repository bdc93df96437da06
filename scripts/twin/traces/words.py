"""What people read of a span, the same in the picture and in the table beneath it."""

from collections.abc import Iterator

from scripts.twin.traces.documents import service_of
from scripts.twin.traces.spans import Kind, Span
from scripts.twin.traces.summary import path_of
from scripts.twin.traces.tree import Node

KINDS = {
    Kind.LOAD_BALANCER: "load balancer",
    Kind.REQUEST: "request",
    Kind.BACKGROUND: "background",
    Kind.CALL: "call",
    Kind.SQL: "SQL",
    Kind.POOL: "pool",
    Kind.WORK: "work",
}
FIRST = ("query", "cause")
IN_NAME = {"method", "route", "rows", "statement", "step", "why"}


def named(node: Node) -> tuple[str, str]:
    """What it is, and what of it: `order` and `POST /orders`."""
    span = node.span
    match span.kind:
        case Kind.LOAD_BALANCER:
            pair = span.name, _brought(span)
        case Kind.REQUEST:
            pair = span.service, _asked(span)
        case Kind.BACKGROUND:
            pair = span.service, str(span.facts.get("step", ""))
        case Kind.CALL:
            pair = f"call {_called(node)}", _asked(span)
        case Kind.SQL:
            pair = str(span.facts.get("statement") or span.name), _rows(span)
        case Kind.POOL:
            pair = span.name, "waits for a connection"
        case _:
            pair = span.name, ""
    return pair


def _called(node: Node) -> str:
    """Whoever has answered, where the caller only knew an address."""
    brought = (inside.service for inside in node.inside if inside.span.kind is Kind.LOAD_BALANCER)
    return next(brought, "") or service_of(node.span.name)


def _asked(span: Span) -> str:
    """`POST /orders`."""
    return f"{span.facts.get('method', '')} {span.facts.get('route') or path_of(span)}".strip()


def _brought(span: Span) -> str:
    if why := span.facts.get("why"):
        return f"{span.service}: {why}" if span.service else str(why)
    return f"→ {span.service}, {span.facts.get('runtime', '')}" if span.service else "answers by itself"


def _rows(span: Span) -> str:
    rows = span.facts.get("rows")
    return "" if rows is None else f"{rows} row" if rows == 1 else f"{rows} rows"


def outcome(span: Span) -> str:
    """`503`, `fault`, `running`, or nothing when all went well and there is no status."""
    if span.end is None:
        return "running"
    if span.status:
        return str(span.status)
    if span.kind is Kind.LOAD_BALANCER:
        return "client left"
    return "fault" if span.fault else "error" if span.error else ""


def took(milliseconds: float | None) -> str:
    """Two figures below ten milliseconds, seconds from ten thousand on."""
    if milliseconds is None:
        return "running"
    if milliseconds >= 10_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.{2 if milliseconds < 10 else 1 if milliseconds < 1000 else 0}f} ms"


def facts(span: Span) -> Iterator[tuple[str, str]]:
    """What the name does not say, the longest first."""
    known = {*FIRST, *IN_NAME}
    if path_of(span) == span.facts.get("route", path_of(span)):
        known.add("url")
    keys = [key for key in FIRST if key in span.facts] + [key for key in span.facts if key not in known]
    yield from ((key, str(span.facts[key])) for key in keys)


def state(node: Node) -> str:
    """The class of its marks. A fault that has another inside it is not where it broke: it came through."""
    span = node.span
    if span.fault:
        return "fault through" if any(inside.span.fault for inside in node.inside) else "fault"
    return "error" if span.error else "running" if span.end is None else ""
