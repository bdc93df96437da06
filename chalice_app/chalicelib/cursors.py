"""Where a run that ran out of time stopped, so that the next one goes on there."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

log = logging.getLogger("operations.cursors")


@dataclass(frozen=True, slots=True)
class Place:
    """A log group, and the last stream of it that has been looked at."""

    group: str
    stream: str = ""


class Cursor(Protocol):
    def load(self) -> Place | None: ...

    def save(self, place: Place | None) -> None: ...


@dataclass(frozen=True, slots=True)
class TableCursor:
    """One item of a DynamoDB table with the string key `id`. A table that is away costs a start from the top."""

    client: Callable[[str], Any]
    table: str
    key: str

    def load(self) -> Place | None:
        try:
            found = self.client("dynamodb").get_item(TableName=self.table, Key=self._id())
            place = json.loads(found["Item"]["place"]["S"]) if "Item" in found else None
            return Place(place["group"], place["stream"]) if place else None
        except Exception:
            log.exception("the cursor could not be read")
            return None

    def save(self, place: Place | None) -> None:
        try:
            client = self.client("dynamodb")
            if place is None:
                client.delete_item(TableName=self.table, Key=self._id())
                return
            text = json.dumps({"group": place.group, "stream": place.stream})
            client.put_item(TableName=self.table, Item={**self._id(), "place": {"S": text}})
        except Exception:
            log.exception("the cursor could not be saved")

    def _id(self) -> dict[str, dict[str, str]]:
        return {"id": {"S": self.key}}


class NoCursor:
    """Without a table every run starts from the top."""

    def load(self) -> Place | None:
        return None

    def save(self, place: Place | None) -> None: ...
