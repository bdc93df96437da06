"""Alarm → Slack: every message of an event is told once, or the event fails and comes again."""

import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib import alarms, wording
from chalicelib.again import TryAgain
from chalicelib.alarms import ALARM, INSUFFICIENT, OK, Alarm
from chalicelib.config import Config, Policy
from chalicelib.memory import Change, History, Memory
from chalicelib.messages import Message, Posted
from chalicelib.once import Once
from chalicelib.operations import Count, Time
from chalicelib.records import Record, records
from chalicelib.slack import Slack

log = logging.getLogger("operations.notices")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What notices are told with, for one invocation."""

    config: Config
    slack: Slack
    once: Once
    memory: Memory
    time: Time
    count: Count

    def hurried(self, waiting: int) -> "Desk":
        """The same with its share of the time, so that one message that is refused leaves some for the others."""
        end = self.time.now() + timedelta(seconds=self.time.remaining() / waiting)
        share = replace(
            self.time, remaining=lambda: min(self.time.remaining(), (end - self.time.now()).total_seconds())
        )
        return replace(self, time=share, slack=replace(self.slack, time=share))


def handle(event: Any, desk: Desk) -> dict[str, int]:
    """Tell everything in the event. Raises the first failure, after all else has been tried."""
    found = records(event)
    failures: list[Exception] = []
    for number, record in enumerate(found):
        try:
            _tell(record, desk.hurried(len(found) - number))
        except TryAgain as error:
            log.warning("a message has not been told", extra={"message_id": record.identifier[:100]})
            failures.append(error)
        except Exception as error:
            log.exception("a message could not be handled", extra={"message_id": record.identifier[:100]})
            failures.append(error)
    if failures:
        raise failures[0]
    return {"records": len(found)}


def _tell(record: Record, desk: Desk) -> None:
    alarm = _alarm(record)
    if alarm is None:
        desk.once.tell(record.identifier or record.text, lambda: _post(wording.unknown(record, desk.config), desk))
    elif alarm.changed is None:
        desk.once.tell(record.identifier or record.text, lambda: _change(alarm, desk))
    else:
        key = f"{alarm.key} {alarm.state} {alarm.changed.isoformat()}"
        desk.once.tell(key, lambda: _change(alarm, desk))


def _alarm(record: Record) -> Alarm | None:
    """None for what is no alarm, and for one that we fail to read: then it is shown as it came."""
    try:
        return alarms.read(record.document)
    except Exception:
        log.exception("an alarm could not be read")
        return None


def _change(alarm: Alarm, desk: Desk) -> None:
    change = Change(alarm.changed or desk.time.now(), alarm.state)
    history = desk.memory.note(alarm.key, change) or History()
    late = history.latest is not None and history.latest.at > change.at
    message = wording.change(alarm, desk.config, lasted=_lasted(alarm, history, change), late=late)
    window = timedelta(minutes=desk.config.notices.minutes)
    changes = history.since(desk.time.now() - window)
    if changes > _bearable(history, desk.config):
        _flap(alarm, message, history, changes, desk)
        return
    if history.summary:
        desk.memory.keep(alarm.key, summary=None, about=None)
        desk.memory.settle(alarm.key)
    if late:
        _post(message, desk)
    elif alarm.state == OK and history.raised:
        _close(alarm.key, message, history.raised, desk)
    else:
        _open(alarm, message, history, desk)


def _bearable(history: History, config: Config) -> int:
    """How many changes are told one by one: fewer once it flaps, so that it does not flap between flapping and not."""
    return config.notices.changes // 2 if history.summary else config.notices.changes


def _open(alarm: Alarm, message: Message, history: History, desk: Desk) -> None:
    policy = "post" if history.raised else _policy(alarm, desk.config)
    if policy == "drop":
        desk.count("Dropped")
        log.info("a change was dropped by configuration", extra={"alarm": alarm.name, "state": alarm.state})
    elif policy == "quiet":
        _post(wording.quiet(alarm, desk.config), desk, counted="Quiet")
    else:
        posted = _post(message, desk, thread=history.raised if alarm.state != ALARM else None)
        if alarm.state == ALARM:
            desk.memory.keep(alarm.key, raised=posted)


def _close(key: str, message: Message, raised: Posted, desk: Desk) -> None:
    _post(message, desk, thread=raised)
    desk.slack.recolour(raised, "ok")
    desk.memory.keep(key, raised=None)


def _flap(alarm: Alarm, message: Message, history: History, changes: int, desk: Desk) -> None:
    """One summary that rolls: posted once, changed with every change where that is possible, closed by `settling`."""
    about = {**message.links, "severity": message.severity, "name": alarm.name}
    latest = history.latest.state if history.latest else alarm.state
    summary = wording.flapping(alarm.name, desk.config, changes, latest, about)
    if history.summary is None:
        posted = _post(summary, desk)
        desk.memory.keep(alarm.key, summary=posted, about=about)
        desk.memory.unsettle(alarm.key)
        return
    desk.count("Summarised")
    if history.summary.ts:
        desk.slack.replace(history.summary, summary)


def _post(message: Message, desk: Desk, *, thread: Posted | None = None, counted: str = "Posted") -> Posted:
    posted = desk.slack.post(message, thread=thread)
    if posted.rendered:
        desk.count(counted)
    return posted


def _policy(alarm: Alarm, config: Config) -> Policy:
    if alarm.state == INSUFFICIENT:
        return config.notices.insufficient_data
    if alarm.state == OK and alarm.previous == INSUFFICIENT:
        return config.notices.ok_from_insufficient_data
    return "post"


def _lasted(alarm: Alarm, history: History, change: Change) -> timedelta | None:
    """How long the state before lasted: as the event says, or as we remember its beginning."""
    if alarm.previously and alarm.changed:
        return alarm.changed - alarm.previously
    before = [earlier for earlier in history.changes if earlier.at < change.at]
    return change.at - before[-1].at if before and before[-1].state == alarm.previous else None
