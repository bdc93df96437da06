"""A stand-in for the Application Load Balancer: its rules, headers, health checks and error answers, on a laptop.

uvicorn parses what comes in and aiohttp what comes back; nothing here touches the wire format. Bodies stream both
ways, and a request is sent once: what the target does not answer is 502 or 504, never a second try.
Written after the user guide of Elastic Load Balancing (X-Forwarded headers, X-Amzn-Trace-Id, HTTP error codes).
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate
from http import HTTPStatus

import aiohttp
import uvicorn
import yarl
from multidict import CIMultiDict
from starlette.types import Message, Receive, Scope, Send

from cfn.environments import SERVICES
from scripts.twin.health import HealthChecks, watch
from scripts.twin.routing import Listener, Target, TargetGroup, listener
from services.chassis import logs

log = logs.logger("load_balancer")

# RFC 9110 7.6.1; Expect is answered by our own server.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade expect".split()
)
REWRITTEN = HOP_BY_HOP | {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"x-amzn-trace-id"}
OWN_HEADERS = frozenset({"User-Agent", "Accept", "Accept-Encoding", "Content-Type"})  # which aiohttp would add

PAGE = """\
<html>
<head><title>{title}</title></head>
<body>
<center><h1>{title}</h1></center>
</body>
</html>
""".replace("\n", "\r\n")

REQUEST_LINE_LIMIT = 16 * 1024
HEADER_LIMIT = 16 * 1024
HEADERS_LIMIT = 64 * 1024
ANSWER_HEADERS_LIMIT = 32 * 1024
SMALL = 64 * 1024  # answers up to this size are passed on in one piece
CONNECT_TIMEOUT = 10.0
POOL_IDLE = 30.0  # shorter than the targets' keep-alive, so that it is never the target that hangs up


class Refusal(Exception):
    """The load balancer answers by itself."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ClientGone(Exception):
    """The client hung up while sending its body."""


class LoadBalancer:
    """The ASGI app. `idle_timeout` is the attribute of the same name, 60 s by default."""

    def __init__(
        self, listener: Listener, *, port: int = 80, idle_timeout: float = 60.0, checks: HealthChecks | None = None
    ) -> None:
        self.listener = listener
        self._port = str(port)
        self._idle_timeout = idle_timeout
        self._checks = checks or HealthChecks()
        self._session: aiohttp.ClientSession | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    # --- life ---------------------------------------------------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_IDLE),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=self._idle_timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=OWN_HEADERS,
            auto_decompress=False,
            max_line_size=ANSWER_HEADERS_LIMIT,
            max_field_size=ANSWER_HEADERS_LIMIT,
        )
        # aiohttp sends some requests again when a pooled connection turns out to be dead, bodies included, and has
        # no public switch for it; its own test client turns it off in the same way.
        self._session._retry_connection = False
        self._tasks = [
            asyncio.create_task(watch(self._session, group, target, self._checks, announce))
            for group in self.listener.groups.values()
            for target in group.targets
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # --- one request --------------------------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._ask(scope, receive)
        except Refusal as refusal:
            await refuse(scope, send, refusal.status)
        except ClientGone:
            return
        except TimeoutError:
            await refuse(scope, send, 504)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error.__cause__, Refusal | ClientGone):  # it was the client's body that did not come
                await refuse(scope, send, 408)
            else:
                await refuse(scope, send, 502)
        else:
            await pass_on(scope, send, answer)

    async def _ask(self, scope: Scope, receive: Receive) -> aiohttp.ClientResponse:
        if self._session is None:
            raise Refusal(503)
        path = checked_path(scope)
        target = self.listener.choose(path).next()
        if target is None:
            raise Refusal(503)
        query = scope["query_string"]
        url = f"http://{target.address}{path}" + (f"?{query.decode('ascii')}" if query else "")
        return await self._session.request(
            scope["method"],
            yarl.URL(url, encoded=True),  # untouched: %2F stays %2F
            headers=forwarded_headers(scope, self._port),
            data=await body(receive, self._idle_timeout),
            allow_redirects=False,
        )


def checked_path(scope: Scope) -> str:
    """The path as it was sent. What the real one refuses before it looks at its rules is refused here."""
    if scope["method"] == "TRACE":
        raise Refusal(405)
    raw: bytes = scope["raw_path"]
    if not raw.startswith(b"/") or not raw.isascii() or not scope["query_string"].isascii():
        raise Refusal(400)
    if len(raw) + len(scope["query_string"]) > REQUEST_LINE_LIMIT:
        raise Refusal(414)
    return raw.decode("ascii")


def forwarded_headers(scope: Scope, port: str) -> CIMultiDict[str]:
    """What the client sent, less what concerns one hop only, and what the load balancer adds."""
    headers: CIMultiDict[str] = CIMultiDict()
    dropped, forwarded, trace, size = REWRITTEN, "", "", 0
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if len(value) > HEADER_LIMIT or size > HEADERS_LIMIT:
            raise Refusal(400)
        if name == b"connection":
            dropped = dropped | {token.strip().lower() for token in value.split(b",")}
        elif name == b"x-forwarded-for":
            forwarded += value.decode("latin-1") + ", "
        elif name == b"x-amzn-trace-id":
            trace = value.decode("latin-1")
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
    headers["X-Amzn-Trace-Id"] = traced(trace)
    return headers


def traced(given: str) -> str:
    """A new root, or the given header with a Self field of our own in front."""
    mark = f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"
    if not given:
        return f"Root={mark}"
    fields = [field for field in given.split(";") if not field.strip().startswith("Self=")]
    return ";".join([f"Self={mark}", *fields])


async def body(receive: Receive, patience: float) -> bytes | AsyncIterator[bytes] | None:
    """The whole of a body that has arrived in one piece, a stream of one that has not."""
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


async def pass_on(scope: Scope, send: Send, answer: aiohttp.ClientResponse) -> None:
    """The target's answer, its headers in their order and number. A target that breaks off breaks ours off, too."""
    length = answer.content_length
    try:
        whole = await answer.read() if length is not None and length <= SMALL else None
    except (aiohttp.ClientError, OSError):
        await refuse(scope, send, 504 if isinstance(sys.exception(), TimeoutError) else 502)
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": returned_headers(answer)})
    if whole is not None:
        await send({"type": "http.response.body", "body": whole})
        return
    try:
        async for chunk in answer.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except (aiohttp.ClientError, OSError):
        answer.close()
        return  # the server sees an unfinished answer and closes the connection, which is all a client can be told
    await send({"type": "http.response.body", "body": b""})


def returned_headers(answer: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
    dropped = HOP_BY_HOP
    headers = [(name.lower(), value) for name, value in answer.raw_headers]
    for name, value in headers:
        if name == b"connection":
            dropped = dropped | {token.strip().lower() for token in value.split(b",")}
    if answer.status == 304:  # our server would wait for the body that the length announces
        dropped = dropped | {b"content-length"}
    return [(name, value) for name, value in headers if name not in dropped]


async def refuse(scope: Scope, send: Send, status: int) -> None:
    title = f"{status} {HTTPStatus(status).phrase}"
    page = PAGE.format(title=title)
    headers = [
        (b"server", b"awselb/2.0"),
        (b"date", formatdate(usegmt=True).encode()),
        (b"content-type", b"text/html"),
        (b"content-length", str(len(page)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page.encode()})


def announce(group: TargetGroup, target: Target) -> None:
    if target.healthy:
        log.info("target is healthy", target_group=group.name, target=target.address)
    else:
        log.warning("target is unhealthy", target_group=group.name, target=target.address)


def config(app: LoadBalancer, *, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http="httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        log_level="critical",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
        backlog=2048,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.twin.load_balancer")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--target", action="append", default=[], metavar="SERVICE=HOST:PORT", help="repeat for more")
    options = parser.parse_args(arguments)
    addresses: dict[str, list[str]] = {}
    for name, _, address in (value.partition("=") for value in options.target):
        addresses.setdefault(name, []).append(address)
    logs.configure("load-balancer")
    app = LoadBalancer(listener(SERVICES, addresses), port=options.port)
    uvicorn.Server(config(app, host=options.host, port=options.port)).run()


if __name__ == "__main__":
    main()
