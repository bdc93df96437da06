"""One trace for people: the picture, the same as a table, and what the logs say of it."""

from collections.abc import Iterable, Sequence
from html import escape

from scripts.twin import sheet
from scripts.twin.traces.lines import Line
from scripts.twin.traces.page import OWN, clock, services, status
from scripts.twin.traces.summary import Summary
from scripts.twin.traces.tree import Node, walked
from scripts.twin.traces.waterfall import drawn
from scripts.twin.traces.words import KINDS, facts, named, outcome, state, took


def rendered(summary: Summary, tops: Sequence[Node], lines: Sequence[Line]) -> str:
    main = (
        f"{_head(summary)}"
        f'<div class="trace"><div class="panel">{_legend(tops)}{drawn(tops)}</div>{_logs(lines)}</div>'
        f"{_table(summary, tops)}"
    )
    return sheet.framed(f"{summary.method} {summary.name}".strip(), main, OWN)


def _head(one: Summary) -> str:
    return (
        '<p class="back"><a href="/_traces">Traces</a></p>'
        f'<h1 class="request"><span class="method">{escape(one.method or one.kind)}</span> '
        f"<code>{escape(one.name)}</code></h1>"
        f'<p class="facts">{status(one)}<strong>{took(one.milliseconds)}</strong><span>{clock(one.at)}</span>'
        f"<span>{one.span_count} spans</span><span>{services(one)}</span><code>{escape(one.id)}</code></p>"
    )


def _legend(tops: Iterable[Node]) -> str:
    present = {node.span.kind for node, _ in walked(tops)}
    marks = "".join(
        f'<li class="{kind.value}"><i></i>{escape(name)}</li>' for kind, name in KINDS.items() if kind in present
    )
    return f'<ul class="legend" aria-label="Colours">{marks}</ul>'


# --- the table ------------------------------------------------------------------------------------------------------


def _table(summary: Summary, tops: Sequence[Node]) -> str:
    heads = sheet.heads(("Span", "Kind", "After", "Took", "Outcome", "Facts"))
    rows = "".join(_row(summary, node, level) for node, level in walked(tops))
    return f'<h2>Spans</h2><div class="scroll"><table class="spans">{heads}<tbody>{rows}</tbody></table></div>'


def _row(summary: Summary, node: Node, level: int) -> str:
    span = node.span
    what, detail = named(node)
    after = max(0.0, (span.start - summary.at) * 1000)
    lost = '<span class="orphan">its caller is not in this trace</span>' if node.orphan else ""
    return (
        f'<tr id="s-{span.id}" class="{span.kind.value} {state(node)}">'
        f'<th scope="row" class="l{min(level, 12)}"><i></i><span class="what">{escape(what)}</span> '
        f'<span class="of">{escape(detail)}</span>{lost}</th>'
        f'<td>{KINDS[span.kind]}</td><td class="number after">{took(after)}</td>'
        f'<td class="number">{took(span.milliseconds)}</td>'
        f'<td class="outcome">{escape(outcome(span))}</td><td class="wide">{_facts(node)}</td></tr>'
    )


def _facts(node: Node) -> str:
    return "".join(
        f'<pre class="query">{escape(value)}</pre>'
        if key == "query"
        else f'<span class="fact">{escape(key)} <code>{escape(value)}</code></span>'
        for key, value in facts(node.span)
    )


# --- the logs -------------------------------------------------------------------------------------------------------


def _logs(lines: Sequence[Line]) -> str:
    said = "".join(_line(line) for line in lines)
    body = f"<ol>{said}</ol>" if said else '<p class="none">The logs have no line of this trace.</p>'
    return f'<aside class="logs"><h2>Logs</h2>{body}</aside>'


def _line(line: Line) -> str:
    pairs = ((escape(key), escape(str(value))) for key, value in line.rest.items())
    rest = "".join(f"<span>{key}=<code>{value}</code></span>" for key, value in pairs)
    moment = line.time.partition("T")[2].partition("+")[0] or line.time
    level = "" if line.level in {"info", "debug"} else f'<b class="level">{escape(line.level)}</b>'
    return (
        f'<li class="{"loud" if level else "calm"}"><span class="from"><time>{escape(moment)}</time>'
        f'<span class="service">{escape(line.source)}</span>{level}</span>'
        f'<span class="message">{escape(line.message)}</span><span class="rest">{rest}</span></li>'
    )
