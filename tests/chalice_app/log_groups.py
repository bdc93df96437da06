"""CloudWatch Logs as the clean-up sees it; each method is an AWS operation. Times are milliseconds, as AWS has them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chalicelib.logs_plan import RETENTIONS
from tests.chalice_app.stage import NOON
from tests.chalice_app.wire import Refused

PAGE = 50


def ago(days: float) -> int:
    return milliseconds(NOON - timedelta(days=days))


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@dataclass
class Groups:
    """`events` are how many a stream still has, by (group, stream); `broken` are groups of which every call fails."""

    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    streams: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    events: dict[tuple[str, str], int] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def add(self, name: str, retention: int | None, **more: Any) -> None:
        arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{name}"
        group: dict[str, Any] = {"logGroupName": name, "arn": f"{arn}:*", "logGroupArn": arn, "creationTime": ago(999)}
        self.groups[name] = group | ({"retentionInDays": retention} if retention else {}) | more
        self.streams[name] = {}

    def stream(
        self, group: str, name: str, *, created: float = 99, ingested: float | None = 99, last: float | None = 99
    ) -> None:
        """Ages in days. `storedBytes` is 0 whatever is in it."""
        times = {"creationTime": created, "lastIngestionTime": ingested, "lastEventTimestamp": last}
        known = {key: ago(days) for key, days in times.items() if days is not None}
        self.streams[group][name] = {"logStreamName": name, "storedBytes": 0, **known}

    def describe_log_groups(self, logGroupNamePrefix: str, nextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        found = [group for name, group in sorted(self.groups.items()) if name.startswith(logGroupNamePrefix)]
        return _page("logGroups", found, nextToken)

    def list_tags_for_resource(self, resourceArn: str) -> dict[str, Any]:  # noqa: N803
        assert not resourceArn.endswith(":*"), "AWS finds no group by that ARN"
        name = resourceArn.rpartition("log-group:")[2]
        self._ask(name)
        return {"tags": self.tags.get(name, {})}

    def put_retention_policy(self, logGroupName: str, retentionInDays: int) -> dict[str, Any]:  # noqa: N803
        if retentionInDays not in RETENTIONS:
            raise Refused("InvalidParameterException")
        self.groups[logGroupName]["retentionInDays"] = retentionInDays
        return {}

    def describe_log_streams(self, logGroupName: str, orderBy: str, nextToken: str = "") -> dict[str, Any]:  # noqa: N803
        """The token is the last name, so that a stream deleted between two pages hides no other."""
        assert orderBy == "LogStreamName"
        self._ask(logGroupName)
        left = [one for name, one in sorted(self.streams[logGroupName].items()) if name > nextToken]
        more = {"nextToken": left[PAGE - 1]["logStreamName"]} if len(left) > PAGE else {}
        return {"logStreams": left[:PAGE], **more}

    def get_log_events(
        self,
        logGroupName: str,  # noqa: N803
        logStreamName: str,  # noqa: N803
        startFromHead: bool,  # noqa: N803
        limit: int,
        nextToken: str = "f/0",  # noqa: N803
    ) -> dict[str, Any]:
        """The first page is empty even where there are events: AWS may answer so."""
        assert startFromHead
        self._ask(f"read {logStreamName}")
        number, left = int(nextToken[2:]), self.events.get((logGroupName, logStreamName), 0)
        events = [{"timestamp": ago(99), "message": "an old event"}] if left and number == 2 else []
        following = number + 1 if number < (3 if left else 1) else number
        return {"events": events[:limit], "nextForwardToken": f"f/{following}"}

    def delete_log_stream(self, logGroupName: str, logStreamName: str) -> dict[str, Any]:  # noqa: N803
        self._ask(f"{logGroupName}:{logStreamName}")
        del self.streams[logGroupName][logStreamName]
        return {}

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what in self.broken:
            raise Refused("ServiceUnavailableException")


@dataclass
class Table:
    """A DynamoDB table with the string key `id`."""

    items: dict[str, dict[str, Any]] = field(default_factory=dict)

    def get_item(self, TableName: str, Key: dict[str, dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert TableName == "operations"
        found = self.items.get(Key["id"]["S"])
        return {"Item": found} if found else {}

    def put_item(self, TableName: str, Item: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        assert TableName == "operations"
        self.items[Item["id"]["S"]] = Item
        return {}

    def delete_item(self, TableName: str, Key: dict[str, dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert TableName == "operations"
        self.items.pop(Key["id"]["S"], None)
        return {}


def _page(member: str, values: Sequence[Any], token: str) -> dict[str, Any]:
    start = int(token)
    more = {"nextToken": str(start + PAGE)} if start + PAGE < len(values) else {}
    return {member: list(values[start : start + PAGE]), **more}
