"""Values of the settings, strictly: what is not of its form raises ValueError or TypeError and is not repaired."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

NAME = re.compile(r"[a-z][a-z0-9-]*")


def members(entry: Mapping[str, Any], *known: str) -> Mapping[str, Any]:
    if not isinstance(entry, dict) or not entry.keys() <= set(known):
        raise ValueError("an object with known members is required")
    return entry


def strings(entry: Mapping[str, Any]) -> dict[str, str]:
    return {key: text(value) for key, value in entry.items() if value is not None}


def text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text is required")
    return value


def texts(values: Any) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError("a list is required")
    return tuple(text(value) for value in values)


def name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError("a name is required")
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false is required")
    return value


def positive(value: Any) -> int:
    if isinstance(value, bool) or int(value) < 1:
        raise ValueError("a positive number is required")
    return int(value)


def minutes(value: str) -> float:
    """Fractions, too: where time runs faster, to try things out."""
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError("a positive number is required")
    return number


def address(value: str) -> str:
    """An absolute HTTP URL, or nothing. Plain HTTP is for a local stand-in only."""
    parts = urlsplit(value)
    local = parts.hostname in {"127.0.0.1", "localhost"}
    if value and (not parts.hostname or parts.scheme not in ({"http", "https"} if local else {"https"})):
        raise ValueError("an https URL is required")
    return value
