"""`/_traces` for people: what was asked of the shop, newest first. It needs no script, and nothing from elsewhere.

Paths, statements and log lines were sent by anybody, so every value is escaped, and the browser runs nothing.
"""

import time
from collections.abc import Sequence
from html import escape
from pathlib import Path

from scripts.twin import sheet
from scripts.twin.traces.spans import Kind
from scripts.twin.traces.store import Traces
from scripts.twin.traces.summary import Summary, Wanted
from scripts.twin.traces.words import took

OWN = Path(__file__).with_name("traces.css")
SHOWN = 200


def headers() -> dict[str, str]:
    return sheet.headers(style_src=sheet.digest(sheet.styles(OWN)), form_action="'self'")


def rendered(traces: Traces, chosen: Sequence[Summary], wanted: Wanted) -> str:
    shown = chosen[:SHOWN]
    longest = max((one.milliseconds or 0.0 for one in shown), default=0.0) or 1.0
    rows = "".join(_row(one, longest) for one in shown)
    return sheet.framed("Traces", f"{_head(traces)}{_form(wanted)}{_table(rows, len(shown), len(chosen), traces)}", OWN)


def missing() -> str:
    main = (
        '<p class="back"><a href="/_traces">Traces</a></p><h1>This trace is not kept</h1>'
        "<p>The load balancer forgets the oldest to make room, and all of them when it starts.</p>"
    )
    return sheet.framed("No such trace", main, OWN)


def _head(traces: Traces) -> str:
    ignored = f" Datagrams that were no segments: {traces.ignored}." if traces.ignored else ""
    dropped = f" Spans that had no room in their trace: {traces.dropped}." if traces.dropped else ""
    return f"<h1>Traces</h1><p>What was asked of the shop, the newest first.{ignored}{dropped}</p>"


def _form(wanted: Wanted) -> str:
    slower = f"{wanted.slower:g}" if wanted.slower else ""
    checked = " checked" if wanted.errors else ""
    away = '<a href="/_traces">Show all</a>' if wanted != Wanted() else ""
    return (
        '<form class="filters" action="/_traces" method="get" role="search">'
        f'<label class="wide">Text<input type="search" name="q" value="{escape(wanted.text)}" '
        'placeholder="route, statement, id"></label>'
        '<label>Slower than<span class="unit"><input type="number" name="slower" min="0" step="any" '
        f'inputmode="decimal" value="{slower}"> ms</span></label>'
        f'<label class="tick-box"><input type="checkbox" name="errors" value="1"{checked}> Only errors</label>'
        f"<button>Show</button>{away}</form>"
    )


def _table(rows: str, shown: int, found: int, traces: Traces) -> str:
    kept = len(traces.all())
    if not kept:
        return '<p class="none">No traces yet. Open the shop, then this page again.</p>'
    if not rows:
        return f'<p class="none">None of the {kept} traces that are kept is like that.</p>'
    count = f"{shown} of {found}" if shown < found else str(found)
    heads = sheet.heads(("When", "Request", "Status", "Took", "Spans", "Services"))
    return (
        f'<div class="scroll"><table class="traces">{heads}<tbody>{rows}</tbody></table></div>'
        f'<p class="count">{count} shown, {kept} kept.</p>'
    )


def _row(one: Summary, longest: float) -> str:
    width = 100 * (one.milliseconds or 0.0) / longest
    failed = f' class="{"refused" if 400 <= one.status < 500 else "failed"}"' if one.failed else ""
    method = one.method or Kind(one.kind).value
    return (
        f'<tr{failed}><td class="when">{clock(one.at)}</td>'
        f'<td class="what"><a href="/_traces/{escape(one.id)}"><span class="method">{escape(method)}</span> '
        f"<code>{escape(one.name)}</code></a></td>"
        f"<td>{status(one)}</td>"
        f'<td class="took"><span>{took(one.milliseconds)}</span><svg aria-hidden="true"><rect class="of {one.kind}" '
        f'width="{width:.2f}%"/></svg></td>'
        f'<td class="number many">{one.span_count}</td><td class="services">{services(one)}</td></tr>'
    )


def clock(at: float) -> str:
    """The time of day on this machine."""
    shown = time.strftime("%H:%M:%S", time.localtime(at))
    return f'<time datetime="{time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))}">{shown}</time>'


def status(one: Summary) -> str:
    shown = str(one.status) if one.status else "running" if one.running else "—"
    mark = "fault" if one.failed and one.status < 400 else f"s{one.status // 100}"
    told = ' title="something inside failed"' if mark == "fault" else ""
    return f'<span class="status {mark}"{told}>{shown}</span>'


def services(one: Summary) -> str:
    return "".join(f'<span class="service">{escape(name)}</span>' for name in one.services)
