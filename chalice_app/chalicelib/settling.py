"""The end of a flapping alarm: once a minute those that have been quiet for long enough are told in their last state.

Without this, whoever has only a webhook would last have read "flapping", and not that it is in ALARM since.
"""

import logging
from datetime import timedelta

from chalicelib import wording
from chalicelib.alarms import ALARM
from chalicelib.delivery import DeliveryFailed
from chalicelib.memory import History
from chalicelib.notices import Desk

log = logging.getLogger("operations.settling")


def settle(desk: Desk) -> int:
    """Tell what has become of alarms that flapped; how many. What could not be told is tried a minute later."""
    told = 0
    for key in desk.memory.restless():
        history = desk.memory.recall(key)
        if history is None or not _quiet(history, desk):
            continue
        try:
            _tell(key, history, desk)
            told += 1
        except DeliveryFailed as failed:
            log.warning("an alarm that settled could not be told", extra={"said": str(failed)})
    return told


def _quiet(history: History, desk: Desk) -> bool:
    window = timedelta(minutes=desk.config.notices.minutes)
    return history.latest is None or history.latest.at <= desk.time.now() - window


def _tell(key: str, history: History, desk: Desk) -> None:
    about = dict(history.about or {})
    if history.latest is not None and history.summary is not None:
        message = wording.settled(about.get("name", key), history.latest.state, history.latest.at, about)
        lasting = history.latest.state == ALARM
        posted = desk.slack.post(message, thread=None if lasting else history.summary)
        desk.slack.recolour(history.summary, message.tone)
        raised = posted if lasting else None
        desk.memory.keep(key, summary=None, about=None, raised=raised)
        desk.count("Settled")
    desk.memory.settle(key)
