"""Between an Application Load Balancer's event and ASGI, both ways; no state, no app.

The load balancer hands over path and query as the client sent them, so both are given to the app as uvicorn would give
them: the path decoded once beside `raw_path`, the query untouched. What no client can send through it is refused as
malformed. The answer is in the header mode of the event, since the other one is a 502:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

import base64
import binascii
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote

from services.chassis.errors import InvalidRequest, Unavailable

MAX_ANSWER = 1_000_000  # bytes of the whole answer as JSON; AWS says "1 MB", and this is the smaller reading
_WORST_ESCAPE = 6  # characters of JSON for one byte of text: \u0000

Headers = list[tuple[bytes, bytes]]
Scope = dict[str, Any]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 5.6.2
_METHOD = re.compile(r"[A-Z-]{1,32}", re.ASCII)
_PATH = re.compile(r'(?:/[!"$->@-~]*|\*)', re.ASCII)  # visible, without # and ?
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_IN_VALUE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "&#")
_IN_KEY = _IN_VALUE.replace("=", "")
_TEXT = re.compile(r"text/.*|application/(?:.*\+)?(?:json|xml)|application/javascript", re.IGNORECASE)
_OF_ONE_HOP = {b"connection", b"keep-alive", b"transfer-encoding"}  # the load balancer does not pass them on


class AnswerTooLarge(Unavailable):
    """The load balancer would turn it into a 502. Containers have no such limit, hence: ask again later."""

    code = "answer-too-large"
    title = "The answer is too large at this moment"


def scope(event: Any) -> Scope:
    """The ASGI scope of an event. Raises InvalidRequest when it is not one of a load balancer's."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(context, dict) or "elb" not in context:
        raise InvalidRequest("Not an event of a load balancer")
    path = _text(event.get("path"), _PATH, "path")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": _text(event.get("httpMethod"), _METHOD, "method"),
        "scheme": "http",  # as behind uvicorn: TLS ends at the load balancer
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": _query(event),
        "root_path": "",
        "headers": headers(event),
        "client": None,
        "server": None,
    }


def headers(event: Mapping[str, Any]) -> Headers:
    """The request's headers as ASGI wants them. A health check has no Host, and gets one. Raises InvalidRequest."""
    found = [
        (_header_name(name), _header_value(value)) for name, value in _pairs(event, "headers", "multiValueHeaders")
    ]
    if not any(name == b"host" for name, _ in found):
        found.append((b"host", b"lambda"))
    return found


def body(event: Mapping[str, Any]) -> bytes:
    """The request's body. Raises InvalidRequest."""
    text, encoded = event.get("body"), event.get("isBase64Encoded", False)
    if text is None:
        return b""
    if not isinstance(text, str) or not isinstance(encoded, bool):
        raise InvalidRequest("The body is malformed")
    try:
        return base64.b64decode(text, validate=True) if encoded else text.encode()
    except (binascii.Error, ValueError):
        raise InvalidRequest("The body is malformed") from None


def answer(
    event: Any, status: int, headers: Sequence[Sequence[bytes]], body: bytes, *, escaped: bool = True
) -> dict[str, Any]:
    """What the load balancer takes, in the header mode of `event`. Raises AnswerTooLarge.

    `escaped` says whether Lambda's runtime will write what is not ASCII as `\\u` sequences.
    """
    kept = [(name.decode("latin-1").lower(), value) for name, value in headers if name.lower() not in _OF_ONE_HOP]
    fields = [(name, _CONTROLS.sub(" ", value.decode("latin-1"))) for name, value in kept]
    text, encoded = _written(body, dict(fields))
    made = {
        "statusCode": status,
        **({"multiValueHeaders": _listed(fields)} if _multi(event) else {"headers": _single(fields)}),
        "body": text,
        "isBase64Encoded": encoded,
    }
    # A short answer need not be written twice. Python's encoder makes it as long as the runtime's.
    if len(body) * _WORST_ESCAPE >= MAX_ANSWER // 2:
        size = len(json.dumps(made, ensure_ascii=escaped).encode())
        if size > MAX_ANSWER:
            raise AnswerTooLarge(f"{size} bytes", retry_after=60)
    return made


def _multi(event: Any) -> bool:
    """An event that says nothing gets the mode that our target groups have."""
    return not isinstance(event, dict) or "multiValueHeaders" in event or "headers" not in event


def _pairs(event: Mapping[str, Any], single: str, multi: str) -> Iterator[tuple[Any, Any]]:
    """Name and value of each header or parameter, in whichever form they came; neither is checked."""
    name = multi if multi in event else single
    given = event.get(name)
    if given is None and name not in {"headers", "multiValueHeaders"}:
        return
    if not isinstance(given, dict):
        raise InvalidRequest("Headers or parameters are malformed")
    for key, values in given.items():
        if name == single:
            yield key, values
        elif isinstance(values, list):
            for value in values:
                yield key, value
        else:
            raise InvalidRequest("Headers or parameters are malformed")


def _query(event: Mapping[str, Any]) -> bytes:
    """As sent, but for what cannot be in a URL at all and the order of different keys, which the event does not say."""
    pairs = _pairs(event, "queryStringParameters", "multiValueQueryStringParameters")
    try:
        return "&".join(f"{quote(key, safe=_IN_KEY)}={quote(value, safe=_IN_VALUE)}" for key, value in pairs).encode()
    except (TypeError, UnicodeEncodeError):
        raise InvalidRequest("The query is malformed") from None


def _text(value: Any, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise InvalidRequest(f"The {what} is malformed")
    return value


@lru_cache(maxsize=128)
def _header_name(name: str) -> bytes:
    return _text(name, _TOKEN, "header").lower().encode("ascii")


def _header_value(value: Any) -> bytes:
    # What is printable has no controls; the search is for tabs and the like.
    if not isinstance(value, str) or (not value.isprintable() and _CONTROLS.search(value)):
        raise InvalidRequest("A header is malformed")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("A header is malformed") from None


def _written(body: bytes, headers: Mapping[str, str]) -> tuple[str, bool]:
    """The body as a string, and whether that is base64. Text is text only if it is UTF-8 and not compressed."""
    media_type = headers.get("content-type", "").partition(";")[0].strip()
    if not body:
        return "", False
    if _TEXT.fullmatch(media_type) and "content-encoding" not in headers:
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode("ascii"), True


def _listed(fields: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in fields:
        lists.setdefault(name, []).append(value)
    return lists


def _single(fields: Sequence[tuple[str, str]]) -> dict[str, str]:
    """One value a name. Several are one list (RFC 9110 5.3), except cookies: those differ in the case of the name."""
    spellings = map("".join, itertools.product(*(dict.fromkeys((letter, letter.upper())) for letter in "set-cookie")))
    joined: dict[str, str] = {}
    for name, value in fields:
        if name == "set-cookie":
            joined[next(spellings)] = value
        else:
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
