"""Values out of JSON that somebody else wrote: a value of the wrong type counts as a missing one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def decoded(value: Any) -> Mapping[str, Any]:
    """The JSON object in a text, or an empty one."""
    try:
        return mapping(json.loads(value))
    except (TypeError, ValueError, RecursionError):
        return {}


def moment(value: Any) -> datetime | None:
    """An aware time in UTC. AWS writes `2026-11-22T21:40:05.123+0000` and `2026-11-22T21:40:05Z`."""
    try:
        read = datetime.fromisoformat(value)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
