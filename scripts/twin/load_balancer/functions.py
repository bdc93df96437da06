"""Targets that are functions: the event goes to the Invoke API of the Lambda service, the answer comes back as HTTP."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from multidict import CIMultiDict
from starlette.types import Receive, Scope, Send

from scripts.twin.load_balancer.answers import BadAnswer, parsed
from scripts.twin.load_balancer.events import event, health_event
from scripts.twin.load_balancer.forwarding import Refusal, body
from scripts.twin.load_balancer.health import fits
from scripts.twin.load_balancer.own_answers import reply
from scripts.twin.load_balancer.targets import Group, Target
from scripts.twin.load_balancer.trace_header import read

BODY_LIMIT = 1024 * 1024
LONGEST = 900.0  # seconds that a function may run: the load balancer waits for as long as the function does
INVOKE = "/2015-03-31/functions/{name}/invocations"


class Functions:
    """`endpoint` is where the Lambda service listens; without one there is nobody to connect to."""

    def __init__(self, session: aiohttp.ClientSession, endpoint: str | None) -> None:
        self._session = session
        self.endpoint = endpoint

    async def invoke(self, arn: str, payload: dict[str, Any], *, trace: str = "", patience: float = LONGEST) -> bytes:
        """The function's answer as it is; `trace` is the X-Amzn-Trace-Id that goes along. Raises Refusal: 504 when the
        Lambda service cannot be reached, 502 for whatever else goes wrong: errors and timeouts of the function,
        throttles, a connection that breaks."""
        if self.endpoint is None:
            raise Refusal(504, "there is no Lambda service")
        name = arn.partition(":function:")[2]
        limit = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=patience)
        try:
            async with self._session.post(
                self.endpoint + INVOKE.format(name=name),
                data=io.BytesIO(json.dumps(payload).encode()),
                headers={"X-Amzn-Trace-Id": trace} if trace else {},
                timeout=limit,
            ) as answer:
                content = await answer.read()
                if error := answer.headers.get("X-Amz-Function-Error"):
                    raise Refusal(502, f"function error ({error}): {content[:200].decode(errors='replace')}")
                if answer.status != 200:
                    raise Refusal(502, f"the Lambda service answered {answer.status}")
                return content
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
            raise Refusal(504, "the Lambda service cannot be reached") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Refusal(502, f"the Lambda service broke off ({type(error).__name__})") from None

    async def serve(
        self,
        group: Group,
        target: Target,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: CIMultiDict[str],
        patience: float,
    ) -> None:
        """One request, its headers as they are forwarded. `patience` is for the client's body. Raises Refusal."""
        if "websocket" in (value.lower() for name, value in decoded(scope) if name == "upgrade"):
            raise Refusal(400, "functions have no WebSockets")
        payload = event(
            group.value,
            method=scope["method"],
            path=scope["raw_path"].decode("ascii"),
            query=scope["query_string"].decode("ascii"),
            headers=headers,
            body=await whole_body(scope, receive, patience),
        )
        content = await self.invoke(target.id, payload, trace=read(headers["X-Amzn-Trace-Id"]).of_event)
        try:
            answer = parsed(content, multi_value=group.value.multi_value_headers)
        except BadAnswer as why:
            raise Refusal(502, f"malformed answer: {why}") from None
        answered = list(answer.headers)
        if scope["method"] == "HEAD" and not answer.body and answer.announced is not None:
            answered.append((b"content-length", str(answer.announced).encode()))  # undocumented; RFC 9110 8.6 wants it
        await reply(scope, send, answer.status, answered, answer.body)

    async def check(self, group: Group, target: Target) -> str:
        """A health check, which is an invocation like any other; the reason when it did not pass."""
        try:
            async with asyncio.timeout(group.value.health.timeout):
                content = await self.invoke(target.id, health_event(group.value))
            status = parsed(content, multi_value=group.value.multi_value_headers).status
        except TimeoutError:
            return "Target.Timeout"
        except (Refusal, BadAnswer):
            return "Target.FailedHealthChecks"
        return "" if fits(status, group.value.health.codes) else "Target.ResponseCodeMismatch"


async def whole_body(scope: Scope, receive: Receive, patience: float) -> bytes:
    """At most 1 MB. Raises Refusal 413, at once where the length is announced."""
    for name, value in decoded(scope):
        if name == "content-length" and int(value) > BODY_LIMIT:
            raise Refusal(413)
    content = await body(scope, receive, patience)
    if isinstance(content, AsyncIterator):
        collected = bytearray()
        async for chunk in content:
            collected += chunk
            if len(collected) > BODY_LIMIT:
                raise Refusal(413)
        return bytes(collected)
    if content is not None and len(content) > BODY_LIMIT:
        raise Refusal(413)
    return content or b""


def decoded(scope: Scope) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
