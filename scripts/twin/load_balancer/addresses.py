"""Targets that listen at an address: the request goes there over HTTP and its answer comes back as it is.

Bodies stream both ways, and a request is sent once: what the target does not answer is 502 or 504, never a second try.
"""

import sys

import aiohttp
import yarl
from multidict import CIMultiDict
from starlette.types import Receive, Scope, Send

from scripts.twin.load_balancer.forwarding import (
    ANSWER_HEADERS_LIMIT,
    ClientGone,
    Refusal,
    body,
    returned_headers,
)

OWN_HEADERS = frozenset({"User-Agent", "Accept", "Accept-Encoding", "Content-Type"})  # which aiohttp would add
SMALL = 64 * 1024  # answers up to this size are passed on in one piece
CONNECT_TIMEOUT = 10.0
POOL_IDLE = 30.0  # shorter than the targets' keep-alive, so that it is never the target that hangs up


def session(idle_timeout: float) -> aiohttp.ClientSession:
    made = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=POOL_IDLE),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=idle_timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=OWN_HEADERS,
        auto_decompress=False,
        max_line_size=ANSWER_HEADERS_LIMIT,
        max_field_size=ANSWER_HEADERS_LIMIT,
    )
    # aiohttp sends some requests again when a pooled connection turns out to be dead, bodies included, and has
    # no public switch for it; its own test client turns it off in the same way.
    made._retry_connection = False
    return made


async def serve(
    http: aiohttp.ClientSession,
    address: str,
    scope: Scope,
    receive: Receive,
    send: Send,
    headers: CIMultiDict[str],
    patience: float,
) -> None:
    """One request, its headers as they are forwarded. `patience` is for the client's body. Raises Refusal."""
    try:
        answer = await ask(http, address, scope, receive, headers, patience)
    except TimeoutError:
        raise Refusal(504, "the target did not answer in time") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if isinstance(error.__cause__, Refusal | ClientGone):  # it was the client's body that did not come
            raise Refusal(408) from None
        raise Refusal(502, f"the target did not answer properly ({type(error).__name__})") from None
    await pass_on(send, answer)


async def ask(
    http: aiohttp.ClientSession,
    address: str,
    scope: Scope,
    receive: Receive,
    headers: CIMultiDict[str],
    patience: float,
) -> aiohttp.ClientResponse:
    path, query = scope["raw_path"].decode("ascii"), scope["query_string"].decode("ascii")
    return await http.request(
        scope["method"],
        yarl.URL(f"http://{address}{path}" + (f"?{query}" if query else ""), encoded=True),  # %2F stays %2F
        headers=headers,
        data=await body(scope, receive, patience),
        allow_redirects=False,
    )


async def pass_on(send: Send, answer: aiohttp.ClientResponse) -> None:
    """The target's answer, its headers in their order and number. A target that breaks off breaks ours off, too."""
    length = answer.content_length
    try:
        whole = await answer.read() if length is not None and length <= SMALL else None
    except (aiohttp.ClientError, OSError):
        late = isinstance(sys.exception(), TimeoutError)
        raise Refusal(504 if late else 502, "the target's answer is not complete") from None
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
