"""What passes through the load balancer and what does not: paths, headers and bodies of one request and its answer."""

import asyncio
import re
from collections.abc import AsyncIterator

import aiohttp
from multidict import CIMultiDict
from starlette.types import Message, Receive, Scope

from scripts.twin.load_balancer.matching import Asked

# RFC 9110 7.6.1; Expect is answered by our own server.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade expect".split()
)
ANNOUNCING = {b"content-length", b"transfer-encoding"}
REWRITTEN = HOP_BY_HOP | {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"x-amzn-trace-id"}

# "HTTP headers" in "Quotas for your Application Load Balancers", and "HTTP 463" in "Troubleshoot …".
REQUEST_LINE_LIMIT = 16 * 1024
HEADER_LIMIT = 16 * 1024
HEADERS_LIMIT = 64 * 1024
ANSWER_HEADERS_LIMIT = 32 * 1024
FORWARDED_ADDRESSES = 30
VALID_NAME = re.compile(rb"[-A-Za-z0-9]+")


class Refusal(Exception):
    """The load balancer answers by itself; `why` is for the person who reads the log."""

    def __init__(self, status: int, why: str = "") -> None:
        super().__init__(status, why)
        self.status = status
        self.why = why


class ClientGone(Exception):
    """The client hung up while sending its body."""


def checked(scope: Scope, *, drop_invalid: bool = False) -> Asked:
    """The request as the rules see it. What the real one refuses before it looks at its rules is refused here.

    With `drop_invalid`, headers whose names have other characters than letters, digits and hyphens vanish from the
    scope ("routing.http.drop_invalid_header_fields.enabled").
    """
    if scope["method"] == "TRACE":
        raise Refusal(405)
    raw: bytes = scope["raw_path"]
    if not raw.startswith(b"/") or not raw.isascii() or not scope["query_string"].isascii():
        raise Refusal(400)
    if len(raw) + len(scope["query_string"]) > REQUEST_LINE_LIMIT:
        raise Refusal(414)
    if drop_invalid:
        scope["headers"] = [pair for pair in scope["headers"] if VALID_NAME.fullmatch(pair[0])]
    size, addresses = 0, 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if len(value) > HEADER_LIMIT or size > HEADERS_LIMIT:
            raise Refusal(400)
        if name == b"x-forwarded-for":
            addresses += value.count(b",") + 1
    if addresses > FORWARDED_ADDRESSES:
        raise Refusal(463)
    return Asked(scope["method"], raw.decode("ascii"), scope["headers"])


def forwarded_headers(scope: Scope, port: str, trace: str) -> CIMultiDict[str]:
    """What the client sent, less what concerns one hop only, and what the load balancer adds."""
    headers: CIMultiDict[str] = CIMultiDict()
    dropped, forwarded = REWRITTEN, ""
    for name, value in scope["headers"]:
        if name == b"connection":
            dropped = dropped | {token.strip().lower() for token in value.split(b",")}
        elif name == b"x-forwarded-for":
            forwarded += value.decode("latin-1") + ", "
    for name, value in scope["headers"]:
        if name not in dropped:
            try:
                headers.add(name.decode("ascii"), value.decode("utf-8"))
            except UnicodeDecodeError:  # no HTTP client of Python can send such bytes on unchanged
                raise Refusal(400) from None
    client = scope["client"]
    headers["X-Forwarded-For"] = forwarded + (client[0] if client else "unknown")
    headers["X-Forwarded-Proto"] = scope["scheme"]
    headers["X-Forwarded-Port"] = port
    headers["X-Amzn-Trace-Id"] = trace
    return headers


async def body(scope: Scope, receive: Receive, patience: float) -> bytes | AsyncIterator[bytes] | None:
    """The whole of a body that has arrived in one piece, a stream of one that has not, None where none is announced."""
    if all(name not in ANNOUNCING for name, _ in scope["headers"]):
        return None
    first = await received(receive, patience)
    if not first.get("more_body"):
        return first.get("body") or None

    async def stream() -> AsyncIterator[bytes]:
        message = first
        while True:
            if chunk := message.get("body"):
                yield chunk
            if not message.get("more_body"):
                return
            message = await received(receive, patience)

    return stream()


async def received(receive: Receive, patience: float) -> Message:
    try:
        async with asyncio.timeout(patience):
            message = await receive()
    except TimeoutError:
        raise Refusal(408) from None
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message


def returned_headers(answer: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
    dropped = HOP_BY_HOP
    headers = [(name.lower(), value) for name, value in answer.raw_headers]
    for name, value in headers:
        if name == b"connection":
            dropped = dropped | {token.strip().lower() for token in value.split(b",")}
    if answer.status == 304:  # our server would wait for the body that the length announces
        dropped = dropped | {b"content-length"}
    return [(name, value) for name, value in headers if name not in dropped]
