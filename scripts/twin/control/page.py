"""`/status` for people: one page that needs nothing else, renews itself, and can shift weights.

Paths in it were sent by anybody, so every value is escaped, and the browser runs only the script that is ours.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from scripts.twin import sheet

SHARES = (("Fargate", 100, 0), ("half and half", 50, 50), ("Lambda", 0, 100))
TITLE = "The twin"


OWN = Path(__file__).with_name("status.css")


def _script() -> str:
    return sheet.read(Path(__file__).with_name("status.js"))


def headers() -> dict[str, str]:
    """Shares are drawn with styles of their own."""
    return sheet.headers(style_src="'unsafe-inline'", connect_src="'self'", script_src=sheet.digest(_script()))


def rendered(now: Mapping[str, Any]) -> str:
    """The page of what `status` says."""
    return sheet.framed(TITLE, _main(now), OWN, _script())


def _main(now: Mapping[str, Any]) -> str:
    added = ", ".join(f"<code>{escape(name)}</code>" for name in now["front_door_adds"]) or "nothing"
    return "".join(
        [
            f"<h1>{TITLE} of {escape(now['environment'])}</h1>",
            f"<p>{escape(now['health_checks']['note'])} The front door adds {added}.</p>",
            '<p><a href="/_traces">Traces</a> show where the time of a request went.</p>',
            f'<div class="cards">{"".join(_cards(now))}</div>',
            _rules(now["rules"]),
            _requests(now["requests"]),
            _sandboxes(now["sandboxes"]),
        ]
    )


# --- one card for each service --------------------------------------------------------------------------------------


def _cards(now: Mapping[str, Any]) -> Iterable[str]:
    groups = {group["arn"]: group for group in now["groups"]}
    for rule in now["rules"]:
        if rule["service"]:
            yield _card(rule, groups, now["answers"].get(rule["service"], {}))


def _card(rule: Mapping[str, Any], groups: Mapping[str, Any], answers: Mapping[str, Any]) -> str:
    service = escape(rule["service"])
    paths = " ".join(
        value for each in rule["conditions"] if each["field"] == "path-pattern" for value in each["values"]
    )
    shares = rule["action"].get("forward", [])
    targets = "".join(_target(target) for share in shares for target in groups[share["arn"]]["targets"])
    return (
        f'<section class="card"><header><h3>{service}</h3><code>{escape(paths)}</code></header>'
        f"{_share(shares)}{_buttons(rule['service'])}<ul>{targets}</ul><ul>{''.join(_answered(answers))}</ul></section>"
    )


def _share(shares: Sequence[Mapping[str, Any]]) -> str:
    total = sum(share["weight"] for share in shares) or 1
    bar = "".join(
        f'<i class="{escape(share["runtime"])}" style="width:{100 * share["weight"] / total:.1f}%"></i>'
        for share in shares
    )
    legend = "".join(
        f'<b class="{escape(share["runtime"])}">{escape(share["runtime"])} {share["weight"]}</b>' for share in shares
    )
    return f'<div class="share">{bar}</div><div class="legend">{legend}</div>'


def _buttons(service: str) -> str:
    buttons = (
        f'<button data-key="{escape(f"{service} {label}")}" data-service="{escape(service)}"'
        f' data-weights="{escape(json.dumps({"fargate": fargate, "lambda": fallback}))}">{label}</button>'
        for label, fargate, fallback in SHARES
    )
    return f'<div class="buttons">{"".join(buttons)}</div>'


def _target(target: Mapping[str, Any]) -> str:
    name = target["id"].rpartition(":function:")[2]
    reason = f' title="{escape(target["reason"])}"' if target["reason"] else ""
    return f'<li><code>{escape(name)}</code><span class="{target["state"]}"{reason}>{target["state"]}</span></li>'


def _answered(answers: Mapping[str, Mapping[str, int]]) -> Iterable[str]:
    for runtime, counts in answers.items():
        shown = ", ".join(f"{count} × {kind}" for kind, count in counts.items())
        yield f'<li><b class="{escape(runtime)}">{escape(runtime)}</b><span>{escape(shown)}</span></li>'
    if not answers:
        yield "<li><span>no requests yet</span></li>"


# --- tables ---------------------------------------------------------------------------------------------------------


def _rules(rules: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        _row(
            _cell(rule["priority"]),
            _cell("; ".join(_condition(each) for each in rule["conditions"]) or "everything else", "wide"),
            _cell(_action(rule["action"]), "wide"),
            _cell(", ".join(f"{k}={v}" for k, v in rule["tags"].items() if k.startswith("tandem:")), "wide"),
        )
        for rule in rules
    ]
    return _table("Rules, in the order in which they are asked", ("priority", "if", "then", "tags"), rows)


def _condition(condition: Mapping[str, Any]) -> str:
    return f"{condition.get('header') or condition['field']} is {' or '.join(condition['values'])}"


def _action(action: Mapping[str, Any]) -> str:
    if "fixed_response" in action:
        return f"answer {action['fixed_response']['status']}"
    return ", ".join(f"{share['group']} {share['weight']}" for share in action["forward"])


def _requests(requests: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        _row(
            _moment(one),
            _cell(one["status"] or "left", f"s{one['status'] // 100}"),
            _cell(one["method"]),
            _cell(one["path"], "wide"),
            _cell(one["runtime"], one["runtime"]),
            _cell(f"{one['milliseconds']:.1f}", "number"),
            _cell(one["why"], "wide"),
        )
        for one in requests
    ]
    return _table("The last requests", ("time", "status", "method", "path", "answered by", "ms", "why"), rows)


def _moment(one: Mapping[str, Any]) -> str:
    """With the way to what happened then."""
    moment = time.strftime("%H:%M:%S", time.localtime(one["at"]))
    return f'<td><a href="/_traces/{escape(one["trace_id"])}">{moment}</a></td>' if one["trace_id"] else _cell(moment)


def _sandboxes(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "<h2>Sandboxes</h2><p>The Lambda service is not running, or is still being prepared.</p>"
    rows = [
        _row(
            _cell(name),
            _cell("ready" if one.get("prepared") else "being prepared"),
            *(_cell(one.get(key, 0), "number") for key in ("sandboxes", "busy", "invocations", "errors", "throttles")),
            _cell(one.get("cold_starts", 0), "number"),
            _cell(_latest(one.get("init_ms")), "number"),
            _cell(_latest(one.get("warm_ms")), "number"),
        )
        for name, one in found.get("functions", {}).items()
    ]
    titles = ("function", "", "sandboxes", "busy", "invoked", "errors", "throttled", "cold", "init ms", "warm ms")
    return _table("Sandboxes", titles, rows)


def _latest(values: Sequence[float] | None) -> str:
    return f"{values[-1]:.1f}" if values else ""


def _table(title: str, titles: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in titles)
    body = "".join(rows) or f'<tr><td colspan="{len(titles)}">none yet</td></tr>'
    return (
        f'<h2>{title}</h2><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _cell(value: Any, kind: str = "") -> str:
    return f'<td class="{escape(kind)}">{escape(str(value))}</td>'
