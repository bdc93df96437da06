"""A stand-in for the Application Load Balancer: its rules, headers, health checks and error answers, on a laptop.

uvicorn parses what comes in and aiohttp what comes back; nothing here touches the wire format. Bodies stream both
ways, and a request is sent once: what the target does not answer is 502 or 504, never a second try.
Written after the user guide of Elastic Load Balancing (X-Forwarded headers, X-Amzn-Trace-Id, HTTP error codes).
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus

import aiohttp
import uvicorn
import yarl
from starlette.types import Receive, Scope, Send

from cfn.environments import SERVICES
from scripts.twin.forwarding import ClientGone, Refusal, body, checked_path, forwarded_headers, returned_headers
from scripts.twin.health import HealthChecks, watch
from scripts.twin.routing import Listener, Target, TargetGroup, listener
from services.chassis import logs

log = logs.logger("load_balancer")

OWN_HEADERS = frozenset({"User-Agent", "Accept", "Accept-Encoding", "Content-Type"})  # which aiohttp would add

PAGE = """\
<html>
<head><title>{title}</title></head>
<body>
<center><h1>{title}</h1></center>
</body>
</html>
""".replace("\n", "\r\n")

ANSWER_HEADERS_LIMIT = 32 * 1024
SMALL = 64 * 1024  # answers up to this size are passed on in one piece
CONNECT_TIMEOUT = 10.0
POOL_IDLE = 30.0  # shorter than the targets' keep-alive, so that it is never the target that hangs up


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
            data=await body(scope, receive, self._idle_timeout),
            allow_redirects=False,
        )


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
