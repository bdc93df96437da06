"""The spans of a trace over time, as one picture in SVG.

Widths are percentages, so it fits any page without a script; where it is narrow, the sheet of styles puts names above
the bars. The table beneath says the same, which is why the picture is one image to those who cannot see it.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape

from scripts.twin.traces.spans import Span
from scripts.twin.traces.tree import Node, walked
from scripts.twin.traces.words import named, outcome, state, took

TOP, ROW = 26, 30  # pixels: the axis, and one span
MARGIN, INDENT, DEEPEST = 8, 13, 12  # pixels, and the level beyond which nothing moves further to the right
TICKS = 5
CROWDED = 0.8  # a bar that ends beyond has no room for its time beside it


def drawn(tops: Sequence[Node]) -> str:
    rows = [*walked(tops)]
    spans = [node.span for node, _ in rows]
    began = min(span.start for span in spans)
    seconds = max(max((span.end or span.start) for span in spans) - began, 1e-6)
    height = TOP + ROW * len(rows) + 4
    body = "".join(_row(index, node, level, began, seconds) for index, (node, level) in enumerate(rows))
    label = f"Timeline of {len(rows)} spans over {took(seconds * 1000)}; the table below says the same."
    return (
        f'<svg class="fall" width="100%" height="{height}" role="img" aria-label="{escape(label)}">'
        f'<svg class="bars" x="37%" width="61%" height="{height}">{"".join(_axis(seconds, height))}</svg>{body}</svg>'
    )


def _axis(seconds: float, height: int) -> Iterator[str]:
    step = nice(seconds / TICKS)
    for number in range(math.floor(seconds / step) + 1):
        at = _percent(number * step / seconds)
        yield f'<line class="grid" x1="{at}" x2="{at}" y1="{TOP - 6}" y2="{height}"/>'
        if number * step / seconds < 0.95:
            yield f'<text class="tick" x="{at}" y="13">{_tick(number * step * 1000)}</text>'


def nice(seconds: float) -> float:
    """The next of 1, 2, 5, 10, 20, … of some unit."""
    unit: float = 10 ** math.floor(math.log10(seconds))
    return next(factor * unit for factor in (1, 2, 5, 10) if factor * unit >= seconds * (1 - 1e-9))


def _tick(milliseconds: float) -> str:
    return f"{milliseconds / 1000:g} s" if milliseconds >= 1000 else f"{milliseconds:g} ms"


def _row(index: int, node: Node, level: int, began: float, seconds: float) -> str:
    span, top = node.span, TOP + ROW * index
    what, detail = named(node)
    said = ", ".join(filter(None, (what, detail, outcome(span), took(span.milliseconds))))
    start = (span.start - began) / seconds
    end = ((span.end or began + seconds) - began) / seconds
    left = MARGIN + INDENT * min(level, DEEPEST)
    return (
        f'<a href="#s-{span.id}" tabindex="-1" class="row {span.kind.value} {state(node)}">'
        f'<title>{escape(said)}</title><rect class="hit" x="0" y="{top}" width="100%" height="{ROW}" rx="5"/>'
        f'<svg class="names" y="{top}" width="36%" height="{ROW}">{_guides(level)}<text x="{left}" y="19">'
        f'<tspan class="what">{escape(what)}</tspan><tspan class="of" dx="7">{escape(detail)}</tspan></text></svg>'
        f'<svg class="bars" x="37%" y="{top}" width="61%" height="{ROW}">'
        f'<rect class="bar" x="{_percent(start)}" y="8" width="{_percent(end - start)}" height="14" rx="3"/>'
        f"{_time(span, start, end)}</svg></a>"
    )


def _guides(level: int) -> str:
    places = (MARGIN + INDENT * step + 3 for step in range(min(level, DEEPEST)))
    return "".join(f'<line class="guide" x1="{x}" x2="{x}" y1="0" y2="{ROW}"/>' for x in places)


def _time(span: Span, start: float, end: float) -> str:
    """Beside the bar where there is room, else before it, else inside; on a narrow page at the end of the line."""
    failure = outcome(span) if span.fault or span.error else ""
    shown = " · ".join(filter(None, (failure, took(span.milliseconds))))
    kind, at, shift = "", end, 7
    if end > CROWDED:
        kind, at, shift = (" before", start, -7) if start > 1 - CROWDED else (" inside", end, -7)
    return (
        f'<text class="time{kind}" x="{_percent(at)}" dx="{shift}" y="19">{shown}</text>'
        f'<text class="time narrow" x="100%" y="12">{shown}</text>'
    )


def _percent(part: float) -> str:
    return f"{100 * part:.3f}%"
