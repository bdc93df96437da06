"""A function's answer as the load balancer takes it: what is not of the documented form is a bad gateway."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripts.twin.load_balancer.forwarding import ANSWER_HEADERS_LIMIT, HOP_BY_HOP

ANSWER_LIMIT = 1024 * 1024  # bytes of the whole JSON
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110 5.5


class BadAnswer(Exception):
    """Why; the client only sees 502."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Headers in lower case, without those of one hop and without a length: whoever sends it knows the length.
    `announced` is the length that the function gave."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    announced: int | None = None


def parsed(payload: bytes, *, multi_value: bool) -> Answer:
    """Raises BadAnswer."""
    if len(payload) > ANSWER_LIMIT:
        raise BadAnswer(f"the answer has {len(payload)} bytes; {ANSWER_LIMIT} are allowed")
    try:
        members = json.loads(payload)
    except ValueError:
        raise BadAnswer("the answer is no JSON") from None
    if not isinstance(members, dict):
        raise BadAnswer("the answer is no JSON object")
    headers = list(_headers(members, multi_value=multi_value))
    if sum(len(name) + len(value) + 4 for name, value in headers) > ANSWER_HEADERS_LIMIT:
        raise BadAnswer("the headers of the answer are larger than 32 K")
    lengths = [value for name, value in headers if name == b"content-length"]
    return Answer(
        status=_status(members),
        headers=[(name, value) for name, value in headers if name not in HOP_BY_HOP and name != b"content-length"],
        body=_body(members),
        announced=int(lengths[0]) if lengths and lengths[0].isdigit() else None,
    )


def _status(members: dict[str, Any]) -> int:
    status = members.get("statusCode")
    if not isinstance(status, int) or isinstance(status, bool) or not 200 <= status <= 599:
        raise BadAnswer(f"statusCode is {status!r}")
    description = members.get("statusDescription")
    if description is not None and not isinstance(description, str):
        raise BadAnswer("statusDescription is no text")
    return status


def _headers(members: dict[str, Any], *, multi_value: bool) -> Iterator[tuple[bytes, bytes]]:
    expected, other = ("multiValueHeaders", "headers") if multi_value else ("headers", "multiValueHeaders")
    if members.get(other):
        raise BadAnswer(f"the target group wants {expected}, not {other}")
    given = members.get(expected) or {}
    if not isinstance(given, dict):
        raise BadAnswer(f"{expected} is no object")
    for name, value in given.items():
        for each in value if multi_value and isinstance(value, list) else [value]:
            if multi_value and not isinstance(value, list):
                raise BadAnswer(f"the values of {name} are no list")
            yield _header(name, each)


def _header(name: str, value: Any) -> tuple[bytes, bytes]:
    if not isinstance(value, str) or not NAME.fullmatch(name) or NOT_IN_VALUES.search(value):
        raise BadAnswer(f"the header {name!r} is malformed")
    try:
        return name.lower().encode("ascii"), value.encode("latin-1")
    except UnicodeEncodeError:
        raise BadAnswer(f"the header {name!r} has characters that no header can have") from None


def _body(members: dict[str, Any]) -> bytes:
    body, encoded = members.get("body"), members.get("isBase64Encoded", False)
    if not isinstance(body, str | None) or not isinstance(encoded, bool):
        raise BadAnswer("body is no text, or isBase64Encoded neither true nor false")
    if body is None:
        return b""
    if not encoded:
        return body.encode("utf-8", "replace")
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise BadAnswer("body is no Base64") from None
