"""The messages in an event, whatever form it has: nothing is refused here, and nothing is left out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One message. `identifier` is SNS's MessageId or empty; `document` is `text` as a JSON object, if it is one."""

    text: str
    identifier: str = ""
    subject: str = ""
    document: Mapping[str, Any] | None = None


def records(event: Any) -> list[Record]:
    """Every message of an SNS event, or the notification that SNS left in a queue; any other event is one message."""
    if isinstance(event, dict) and "TopicArn" in event and "Message" in event:
        return [_record(event, event["Message"])]
    entries = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(entries, list) or not entries:
        return [_record({}, event)]
    return [_entry(entry) for entry in entries]


def _entry(entry: Any) -> Record:
    notification = entry.get("Sns") if isinstance(entry, dict) else None
    if not isinstance(notification, dict) or "Message" not in notification:
        return _record(notification if isinstance(notification, dict) else {}, entry)
    return _record(notification, notification["Message"])


def _record(notification: Mapping[str, Any], message: Any) -> Record:
    text = message if isinstance(message, str) else json.dumps(message, default=str)
    return Record(
        text=text,
        identifier=_text(notification.get("MessageId")),
        subject=_text(notification.get("Subject")),
        document=_object(text),
    )


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
