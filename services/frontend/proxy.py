"""Passing requests on and answers back. What passes is listed; everything else stays behind.

So nothing that a visitor writes reaches a backend as forwarding, identity, override or signature headers, as cookies or
as hop-by-hop headers (RFC 9110, 7.6.1): no list of forbidden names has to be complete.
"""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from fastapi import Request, Response

from services.chassis.errors import InvalidRequest, Unauthenticated
from services.chassis.upstream import Answer
from services.chassis.web import JSONBytes
from services.frontend.backends import Found, Refusal
from services.frontend.service import Page

# A header that a backend reads as one value: two of them could be read differently here and there.
_ONCE = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match")
_BACK = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Type",
    "ETag",
    "Idempotent-Replayed",
    "Retry-After",
    "Vary",
    "WWW-Authenticate",
)
_TEXT = re.compile(r"[\t -~]*")
_LOCATION = re.compile(r"/(products|orders)/[A-Za-z0-9-]+")
_TAGS = re.compile(r'"[^"]*"')
_UNSAFE = re.compile(rb"[^!-~]|#")


def headers_on(request: Request) -> Mapping[str, str]:
    """The headers for a backend. Raises InvalidRequest for one that is given twice or is not text."""
    headers = {}
    for name in _ONCE:
        values = request.headers.getlist(name)
        if len(values) > 1 or not all(map(_TEXT.fullmatch, values)):
            raise InvalidRequest(f"{name} has to be given once, in ASCII")
        if values:
            headers[name] = values[0]
    credential = headers.get("Authorization")
    # The signatures of services among themselves share this header; none of them comes in from outside.
    if credential and credential.partition(" ")[0].lower() != "bearer":
        raise Unauthenticated
    return headers


def query_on(request: Request) -> str:
    """The query as it came, with what does not belong in a URL escaped."""
    raw: bytes = request.scope["query_string"]
    return _UNSAFE.sub(lambda found: b"%%%02X" % ord(found[0]), raw).decode("ascii")


def answer_back(answer: Answer) -> Response:
    """A backend's answer: its status, its bytes, and where it created something, the address of that here."""
    headers = {name: answer.headers[name] for name in _BACK if name in answer.headers}
    headers.setdefault("Cache-Control", "no-store")
    location = answer.headers.get("Location", "")
    if _LOCATION.fullmatch(location):
        headers["Location"] = f"/api{location}"
    return Response(answer.body, answer.status, headers)


def reading_back(reading: Found | Refusal) -> Response:
    """What was read, as it is; a kept copy says so in its body too."""
    if isinstance(reading, Refusal) or reading.age is None:
        return answer_back(reading.answer)
    body = _json({**reading.document, "stale": True})
    return JSONBytes(body, headers={"Cache-Control": "no-cache", **_age(reading.age)})


def page_back(page: Page | Refusal) -> Response:
    """A page put together here, for whoever asked and nobody else."""
    if isinstance(page, Refusal):
        return answer_back(page.answer)
    return JSONBytes(_json(page.document), headers={"Cache-Control": "no-store", **_age(page.age)})


def tagged_page_back(request: Request, page: Page | Refusal, *, version: int = 0) -> Response:
    """A page that may be kept and asked about again.

    Its ETag covers all of it and begins with `version`, so that what was read of a product can be edited: the product
    service takes `"<version>"` and `"<version>.<anything in digits>"` in If-Match.
    """
    if isinstance(page, Refusal):
        return answer_back(page.answer)
    body = _json(page.document)
    digest = int.from_bytes(sha256(body).digest()[:7], "big")  # 17 digits at most
    etag = f'"{version}.{digest}"'
    headers = {"Cache-Control": "no-cache", "ETag": etag, "Vary": "Authorization", **_age(page.age)}
    if etag in _TAGS.findall(request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return JSONBytes(body, headers=headers)


def _json(document: Mapping[str, Any]) -> bytes:
    # JSON can name half of a surrogate pair and UTF-8 cannot hold one; as an escape it passes.
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _age(age: int | None) -> Mapping[str, str]:
    """How old the oldest copy in an answer is (RFC 9111, 5.1), and that it is one (RFC 9211, 2.1)."""
    return {} if age is None else {"Age": str(age), "Cache-Status": f"frontend; hit; ttl={-age}"}
