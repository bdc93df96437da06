"""The words for a change of an alarm, and for whatever else comes: what a person needs to see first comes first."""

import json
import re
from datetime import datetime, timedelta

from chalicelib import console
from chalicelib.alarms import ALARM, OK, Alarm
from chalicelib.config import DEFAULT, Config
from chalicelib.messages import Message, Tone
from chalicelib.records import Record

SEVERITIES = {"critical", "warning", "info"}

_TAG = re.compile(r"\[([a-z][a-z0-9-]*)\]", re.IGNORECASE)
_TONES: dict[str, Tone] = {ALARM: "alarm", OK: "ok"}


def change(alarm: Alarm, config: Config, *, lasted: timedelta | None = None, late: bool = False) -> Message:
    """One change of state. `lasted` is how long the state before did; a `late` one has been overtaken by another."""
    notes = {
        "suppressed": f"Its actions are suppressed: {alarm.suppressed}" if alarm.suppressed else "",
        "late": "This comes late: a later change has been told already." if late else "",
    }
    facts = {
        "State": f"{alarm.previous or '?'} → {alarm.state}",
        "When": when(alarm.changed),
        f"{alarm.previous or 'State before'} lasted": length(lasted) if lasted is not None else "",
        **alarm.trigger.facts(),
        "Account": alarm.place.account,
        "Region": alarm.place.region,
    }
    return Message(
        title=f"{alarm.state}: {alarm.name}",
        severity=severity(config, alarm.name, alarm.description),
        tone=tone(alarm.state),
        text="\n".join(filter(None, (notes["late"], notes["suppressed"], alarm.description, alarm.reason))),
        fields={name: value for name, value in facts.items() if value},
        links=console.links(alarm, config.environment, config.runbooks),
        mention=alarm.state == ALARM and not late and not alarm.suppressed,
    )


def quiet(alarm: Alarm, config: Config) -> Message:
    """The same in a line."""
    return Message(
        title=f"{alarm.state}: {alarm.name}",
        severity=severity(config, alarm.name, alarm.description),
        text=f"was {alarm.previous or '?'}, {when(alarm.changed)}",
        links=console.links(alarm, config.environment, ""),
        quiet=True,
    )


def unknown(record: Record, config: Config) -> Message:
    """Whatever else: shown as it came, with the id under which it can be found."""
    kind = (record.document or {}).get("detail-type")
    title = record.subject or (kind if isinstance(kind, str) else "") or "A message that is no alarm"
    text = record.text if record.document is None else json.dumps(record.document, indent=1, ensure_ascii=False)
    fields = {"MessageId": record.identifier} if record.identifier else {}
    return Message(title=title, severity=severity(config, title), text=text, fields=fields)


def flapping(name: str, config: Config, changes: int, state: str, about: dict[str, str]) -> Message:
    notices = config.notices
    return Message(
        title=f"Flapping: {name}",
        severity=about.get("severity", DEFAULT),
        tone="unknown",
        text=(
            f"{changes} changes in {notices.minutes} minutes; now {state}. They are not told one by one any more."
            f" When it has been quiet for {notices.minutes} minutes, its state is."
        ),
        links={label: about[label] for label in ("Alarm", "Runbook") if label in about},
        mention=state == ALARM,
    )


def settled(name: str, state: str, since: datetime, about: dict[str, str]) -> Message:
    return Message(
        title=f"{state}: {name}",
        severity=about.get("severity", DEFAULT),
        tone=tone(state),
        text=f"It has stopped flapping, and has been {state} since {when(since)}.",
        links={label: about[label] for label in ("Alarm", "Runbook") if label in about},
        mention=state == ALARM,
    )


def severity(config: Config, *texts: str) -> str:
    """The first tag like `[critical]` that is a severity or has a route."""
    tags = [tag.lower() for text in texts for tag in _TAG.findall(text)]
    return next((tag for tag in tags if tag in SEVERITIES or tag in config.routes), DEFAULT)


def tone(state: str) -> Tone:
    return _TONES.get(state, "unknown")


def when(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else ""


def length(time: timedelta) -> str:
    """The two largest units: `3 d 4 h`, `12 min 5 s`."""
    seconds = max(0, int(time.total_seconds()))
    sizes = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    parts = []
    for unit, size in sizes:
        whole, seconds = divmod(seconds, size)
        if whole:
            parts.append(f"{whole} {unit}")
    return " ".join(parts[:2]) or "0 s"
