"""Gives log groups an end, and deletes streams whose events have all expired. Without the flag it only says so.

The retention is what saves money; an empty stream costs nothing and is only in the way. CloudWatch Logs allows few
calls a second, so a run may not come to an end: it says where it stopped, and the next one goes on there.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib import announcements
from chalicelib.config import Cleanup, ConfigError
from chalicelib.cursors import Cursor, NoCursor, Place, TableCursor
from chalicelib.logs_plan import OPT_OUT, Group, Left, Rules, expired, group
from chalicelib.operations import Operations
from chalicelib.paging import items, pages

RESERVE = 10.0  # seconds that are left for the report
PATIENCE = 3  # streams of one group that may fail before the group is given up
READS = 10  # answers without events before a stream counts as unread: an empty answer may have a next page

log = logging.getLogger("operations.logs")


class CleaningFailed(Exception):
    """The groups could not be listed, or every one of them failed."""


class OutOfTime(Exception):
    """At this stream, which has not been looked at."""


@dataclass(slots=True)
class Entry:
    """What was done to a group: retention from and to, streams deleted."""

    name: str
    retention: tuple[int | None, int] | None = None
    streams: int = 0
    left: Left | None = None
    failed: list[str] = field(default_factory=list)
    last: str = ""  # stream that was looked at

    def report(self) -> dict[str, Any]:
        before, after = self.retention or (None, None)
        return {
            "group": self.name,
            "retention": {"from": before, "to": after} if self.retention else None,
            "streams": self.streams,
            "left": self.left.value if self.left else None,
            "failed": self.failed,
        }


def clean(operations: Operations) -> dict[str, Any]:
    """One run. Returns the report. Raises ConfigError and CleaningFailed."""
    config = operations.config
    rules = rules_of(config.cleanup)
    cursor = TableCursor(operations.client, config.table, "cursor#clean-logs") if config.table else NoCursor()
    try:
        groups = _groups(operations.client("logs"), config.cleanup.log_prefixes)
    except Exception as error:
        log.exception("logs: the groups could not be listed")
        _tell(operations, _report(operations, [], error=f"{type(error).__name__}: {error}"))
        raise CleaningFailed(str(error)) from error
    entries, finished = _round(operations, groups, rules, cursor)
    report = _report(operations, entries, finished=finished)
    _tell(operations, report)
    if entries and all(entry.failed for entry in entries):
        raise CleaningFailed(f"all {len(entries)} groups failed: {entries[0].failed[0]}")
    return report


def rules_of(config: Cleanup) -> Rules:
    """As CLEANUP gives them: `retention_days`, `override_retention`, `audit` (least days by prefix).

    Raises ConfigError.
    """
    audit, override = config.options.get("audit", {}), config.options.get("override_retention", False)
    if not isinstance(audit, dict) or not isinstance(override, bool):
        raise ConfigError("CLEANUP is malformed: `audit` is an object and `override_retention` true or false")
    try:
        return Rules(days=config.retention_days, override=override, floors=audit)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"CLEANUP is malformed: {error}") from None


def _groups(logs: Any, prefixes: Sequence[str]) -> list[Group]:
    found = {
        one["logGroupName"]: group(one)
        for prefix in prefixes
        for one in items(logs.describe_log_groups, "logGroups", logGroupNamePrefix=prefix)
    }
    return [found[name] for name in sorted(found)]


def _round(operations: Operations, groups: Sequence[Group], rules: Rules, cursor: Cursor) -> tuple[list[Entry], bool]:
    """Every group once, beginning where the last run stopped; False when the time was not enough."""
    place = cursor.load()
    start = next((number for number, one in enumerate(groups) if place and one.name >= place.group), 0)
    entries: list[Entry] = []
    for number, one in enumerate((*groups[start:], *groups[:start])):
        resumed = place.stream if place and number == 0 and one.name == place.group else ""
        entry = Entry(one.name, last=resumed)
        try:
            _group(operations, one, rules, entry)
        except OutOfTime:
            entries.append(entry)
            stuck = number == 0 and entry.last == resumed
            following = groups[(start + 1) % len(groups)].name
            cursor.save(Place(following) if stuck else Place(one.name, entry.last))
            return entries, False
        except Exception as error:
            log.exception("a log group failed", extra={"log_group": one.name})
            entry.failed.append(f"{type(error).__name__}: {error}")
        entries.append(entry)
    cursor.save(None)
    return entries, True


def _group(operations: Operations, one: Group, rules: Rules, entry: Entry) -> None:
    """Raises OutOfTime, and what the client raises."""
    _check_time(operations)
    logs = operations.client("logs")
    entry.left = one.left or (Left.OPTED_OUT if _opted_out(logs, one) else None)
    if entry.left:
        return
    wanted = rules.retention(one)
    if wanted is not None:
        if operations.config.cleanup.delete:
            logs.put_retention_policy(logGroupName=one.name, retentionInDays=wanted)
        entry.retention = (one.retention, wanted)
    if one.retention is not None:
        _streams(operations, one, max(one.retention, wanted or 0), entry)


def _streams(operations: Operations, one: Group, retention: int, entry: Entry) -> None:
    """In the order of names, which is the one that does not change while streams come and go."""
    resumed = entry.last
    query = {"logGroupName": one.name, "orderBy": "LogStreamName"}
    for page in pages(operations.client("logs").describe_log_streams, **query):
        _check_time(operations)
        for stream in page["logStreams"]:
            if stream["logStreamName"] > resumed:
                _check_time(operations)
                _stream(operations, one, stream, retention, entry)


def _stream(operations: Operations, one: Group, stream: Mapping[str, Any], retention: int, entry: Entry) -> None:
    """A stream that fails is an entry of the report; one too many is its group's failure."""
    logs, name = operations.client("logs"), stream["logStreamName"]
    try:
        if expired(stream, retention, operations.time.now()) and _empty(logs, one.name, name):
            if operations.config.cleanup.delete:
                logs.delete_log_stream(logGroupName=one.name, logStreamName=name)
            entry.streams += 1
    except Exception as error:
        entry.failed.append(f"{name}: {type(error).__name__}: {error}")
        if len(entry.failed) >= PATIENCE:
            raise
    entry.last = name


def _opted_out(logs: Any, one: Group) -> bool:
    key, value = OPT_OUT
    tags: Mapping[str, str] = logs.list_tags_for_resource(resourceArn=one.arn)["tags"]
    return tags.get(key) == value


def _empty(logs: Any, name: str, stream: str) -> bool:
    """Read to the end: the token that comes back unchanged is the only proof that there is no more."""
    query: dict[str, Any] = {"logGroupName": name, "logStreamName": stream, "startFromHead": True, "limit": 1}
    for _ in range(READS):
        page = logs.get_log_events(**query)
        if page["events"]:
            return False
        if page["nextForwardToken"] == query.get("nextToken"):
            return True
        query["nextToken"] = page["nextForwardToken"]
    return False


def _check_time(operations: Operations) -> None:
    if operations.time.remaining() < RESERVE:
        raise OutOfTime


def _report(
    operations: Operations, entries: Sequence[Entry], *, finished: bool = False, error: str | None = None
) -> dict[str, Any]:
    told = [entry.report() for entry in entries if entry.retention or entry.streams or entry.failed]
    return {
        "verb": "done" if operations.config.cleanup.delete else "would be done",
        "error": error,
        "scanned": len(entries),
        "left": {reason.value: sum(entry.left is reason for entry in entries) for reason in Left},
        "groups": told,
        "finished": finished,
    }


def _tell(operations: Operations, report: Mapping[str, Any]) -> None:
    groups = report["groups"]
    totals = {
        "Scanned": report["scanned"],
        "Retentions": sum(entry["retention"] is not None for entry in groups),
        "Streams": sum(entry["streams"] for entry in groups),
        "Failed": sum(bool(entry["failed"]) for entry in groups) + (report["error"] is not None),
    }
    for name, value in totals.items():
        operations.count(f"Logs{name}", value)
    log.info("logs", extra={"report": report})
    if groups or report["error"]:
        facts = {
            "Groups looked at": totals["Scanned"],
            "Retentions set": totals["Retentions"],
            "Streams deleted": totals["Streams"],
            "Groups failed": totals["Failed"],
            "Came to the end": "yes" if report["finished"] else "no, the next run goes on",
        }
        announcements.tell(operations, announcements.cleaned(operations.config.environment, "Logs", report, facts))
