"""The spans of a trace joined to what they are parts of.

The load balancer's span has no id that a service could know: a service names the caller's span as its parent, and so
does the load balancer. A request therefore belongs below the hop to its service that has the same parent and was open
when it began. Clocks agree, because all of it runs here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scripts.twin.traces.spans import BEGINNINGS, Kind, Span

LEVELS = 40  # what is nested deeper is shown at this level
TOLERANCE = 0.005  # seconds between the times that two processes read


@dataclass(slots=True, eq=False)
class Node:
    """`orphan`: it names a parent that is not in the trace."""

    span: Span
    service: str
    orphan: bool = False
    inside: "list[Node]" = field(default_factory=list)


def forest(spans: Iterable[Span]) -> list[Node]:
    """The outermost, all levels by their beginning."""
    nodes = {span.id: Node(span, span.service) for span in sorted(spans, key=lambda span: span.start)}
    above = _parents(nodes)
    tops = []
    for identifier, node in nodes.items():
        if parent := nodes.get(above.get(identifier, "")):
            parent.inside.append(node)
        else:
            node.orphan = bool(node.span.parent)
            tops.append(node)
    tops += _circles(nodes, above, tops)
    for top in tops:
        _settle(top)
    return sorted(tops, key=lambda node: node.span.start)


def walked(tops: Iterable[Node], level: int = 0) -> Iterator[tuple[Node, int]]:
    """Each before what is inside it, with its level."""
    for node in tops:
        yield node, level
        yield from walked(node.inside, level + 1)


def _parents(nodes: dict[str, Node]) -> dict[str, str]:
    """By id. Each hop leads to one request."""
    hops = [node.span for node in nodes.values() if node.span.kind is Kind.LOAD_BALANCER]
    found: dict[str, str] = {}
    for identifier, node in nodes.items():
        found[identifier] = node.span.parent
        if node.span.kind in BEGINNINGS and (hop := _hop(node.span, hops)):
            found[identifier] = hop.id
            hops.remove(hop)
    return found


def _hop(request: Span, hops: Iterable[Span]) -> Span | None:
    """The one that brought it: of several (a call and its repetition) the last to begin before it."""
    fitting = [
        hop
        for hop in hops
        if (hop.parent, hop.service) == (request.parent, request.service)
        and hop.start <= request.start + TOLERANCE
        and (hop.end is None or request.start <= hop.end + TOLERANCE)
    ]
    return max(fitting, key=lambda hop: hop.start, default=None)


def _circles(nodes: dict[str, Node], above: dict[str, str], tops: Iterable[Node]) -> list[Node]:
    """Spans that name each other as parents are in no tree: the earliest of them becomes an outermost one."""
    reached = {id(node) for top in tops for node in _all(top)}
    opened = []
    for identifier, node in nodes.items():
        if id(node) not in reached:
            nodes[above[identifier]].inside.remove(node)
            node.orphan = True
            opened.append(node)
            reached |= {id(each) for each in _all(node)}
    return opened


def _all(top: Node) -> Iterator[Node]:
    waiting = [top]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += node.inside


def _settle(top: Node) -> None:
    """Parts learn whose they are; what is too deep comes up."""
    waiting = [(top, 0)]
    while waiting:
        node, level = waiting.pop()
        if level == LEVELS - 1:
            node.inside = sorted(list(_all(node))[1:], key=lambda each: each.span.start)
            for each in node.inside:
                each.inside = []
        for each in node.inside:
            each.service = each.service or node.service
            waiting.append((each, level + 1))
