"""What is remembered of an alarm in DynamoDB: when it changed, and which of our messages tell of it.

One item an alarm. A change is added to a set, so that the same change twice is one; everything that is read back comes
with the answer to that one write. Nothing here may keep a message from being told: an error is counted, and we go on
with no memory.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from chalicelib.messages import Posted
from chalicelib.operations import Count

T = TypeVar("T")
KEPT = timedelta(days=30)
CROWD = 40  # changes in an item from which on old ones are taken out
RESTLESS = "restless"  # the item that lists the alarms which flap

log = logging.getLogger("operations.memory")


@dataclass(frozen=True, slots=True, order=True)
class Change:
    at: datetime
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """`changes` are in order of time. `raised` is our message of the last ALARM while that lasts, `summary` that of a
    flapping alarm.

    `about` is what a summary needs to know of the alarm when it has gone quiet.
    """

    changes: tuple[Change, ...] = ()
    raised: Posted | None = None
    summary: Posted | None = None
    about: Mapping[str, Any] | None = None

    @property
    def latest(self) -> Change | None:
        return self.changes[-1] if self.changes else None

    def since(self, moment: datetime) -> int:
        """How often it has changed since then."""
        return sum(change.at > moment for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """`client` makes the DynamoDB client when it is first needed; `table` is empty where there is none."""

    table: str
    client: Callable[[], Any]
    now: Callable[[], datetime]
    count: Count

    def note(self, key: str, change: Change) -> History | None:
        """Remember that this alarm has changed, and tell what is known of it; None when that cannot be known."""
        written = {"changes": {"SS": [_written(change)]}}
        answer = self._try(
            lambda: self._update(
                key, "SET expiration = :expiration ADD changes :changes", written, ReturnValues="ALL_NEW"
            )
        )
        if answer is None:
            return None
        history = _history(answer["Attributes"])
        self._forget(key, history)
        return history

    def recall(self, key: str) -> History | None:
        answer = self._try(lambda: self.client().get_item(TableName=self.table, Key=_id(key), ConsistentRead=True))
        return _history(answer.get("Item", {})) if answer is not None else None

    def keep(self, key: str, **what: Posted | Mapping[str, Any] | None) -> None:
        """Remember `raised`, `summary` or `about`, or forget it when it is None."""
        values = {name: {"S": _json(value)} for name, value in what.items() if value is not None}
        gone = [name for name, value in what.items() if value is None]
        assign = ", ".join(["expiration = :expiration", *(f"{name} = :{name}" for name in values)])
        remove = f" REMOVE {', '.join(gone)}" if gone else ""
        self._try(lambda: self._update(key, f"SET {assign}{remove}", values))

    def restless(self) -> list[str]:
        """The alarms that flap, as far as we know."""
        answer = self._try(lambda: self.client().get_item(TableName=self.table, Key=_id(RESTLESS), ConsistentRead=True))
        return sorted((answer or {}).get("Item", {}).get("alarms", {}).get("SS", []))

    def unsettle(self, key: str) -> None:
        self._try(
            lambda: self._update(RESTLESS, "SET expiration = :expiration ADD alarms :alarms", _set("alarms", key))
        )

    def settle(self, key: str) -> None:
        """It flaps no more, and its summary is closed."""
        written = _set("alarms", key)
        self._try(lambda: self._update(RESTLESS, "SET expiration = :expiration DELETE alarms :alarms", written))

    def _forget(self, key: str, history: History) -> None:
        old = [_written(change) for change in history.changes[: -CROWD // 2]]
        if len(history.changes) > CROWD:
            written = {"changes": {"SS": old}}
            self._try(lambda: self._update(key, "SET expiration = :expiration DELETE changes :changes", written))

    def _update(self, key: str, expression: str, values: Mapping[str, Any], **options: Any) -> Mapping[str, Any]:
        expiration = {"N": str(int((self.now() + KEPT).timestamp()))}
        answer: Mapping[str, Any] = self.client().update_item(
            TableName=self.table,
            Key=_id(key),
            UpdateExpression=expression,
            ExpressionAttributeValues={f":{name}": value for name, value in values.items()}
            | {":expiration": expiration},
            **options,
        )
        return answer

    def _try(self, call: Callable[[], T]) -> T | None:
        if not self.table:
            return None
        try:
            return call()
        except Exception as error:  # noqa: BLE001 # whatever it is, the message goes out
            self.count("StoreUnavailable")
            log.warning("nothing can be remembered", extra={"error": type(error).__name__})
            return None


def _id(key: str) -> dict[str, Any]:
    """A key has 2048 bytes at most, and a name in an event may be anything."""
    name = key if key == RESTLESS else hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
    return {"id": {"S": f"alarm#{name}"}}


def _set(name: str, value: str) -> dict[str, Any]:
    return {name: {"SS": [value]}}


def _history(item: Mapping[str, Any]) -> History:
    return History(
        changes=tuple(sorted(_read(written) for written in item.get("changes", {}).get("SS", []))),
        raised=_posted(item.get("raised")),
        summary=_posted(item.get("summary")),
        about=json.loads(item["about"]["S"]) if "about" in item else None,
    )


def _posted(value: Mapping[str, str] | None) -> Posted | None:
    return Posted(**json.loads(value["S"])) if value else None


def _json(value: Posted | Mapping[str, Any]) -> str:
    return json.dumps(asdict(value) if isinstance(value, Posted) else value)


def _written(change: Change) -> str:
    return f"{change.at.astimezone(UTC).isoformat(timespec='milliseconds')} {change.state[:50]}"


def _read(written: str) -> Change:
    at, _, state = written.partition(" ")
    return Change(datetime.fromisoformat(at), state)
