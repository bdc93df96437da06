"""The load balancer as an ASGI app: a rule takes the request, a group is drawn by weight, one of its targets answers.

uvicorn parses what comes in and aiohttp what comes back; nothing here touches the wire format.
"""

import asyncio
import random
from collections.abc import Callable, Sequence

import aiohttp
from starlette.types import Receive, Scope, Send

from scripts.twin.deployment.values import Share
from scripts.twin.load_balancer import addresses, health, own_answers
from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.forwarding import ClientGone, Refusal, checked, forwarded_headers
from scripts.twin.load_balancer.functions import Functions
from scripts.twin.load_balancer.journal import Entry, Journal, Recorder
from scripts.twin.load_balancer.matching import first_match
from scripts.twin.load_balancer.targets import Group, Target
from scripts.twin.load_balancer.trace_header import sent_on
from services.chassis import logs

log = logs.logger("load_balancer")
Draw = Callable[[int], int]  # a number from 0 to below the given one


class LoadBalancer:
    """`functions` is the endpoint of the Lambda service. `draw` decides between groups; it is random, as on AWS.
    `ended` hears of each request when it is over."""

    def __init__(
        self,
        account: Account,
        *,
        port: int = 80,
        functions: str | None = None,
        hurry: float = health.HURRY,
        draw: Draw = random.randrange,
        ended: Callable[[Entry], None] = lambda _: None,
    ) -> None:
        self.account = account
        self.journal = Journal(ended)
        self.hurry = hurry
        self.lambda_endpoint = functions
        self.groups = {group.arn: Group(group) for group in account.deployment.groups}
        self._port = str(port)
        self._draw = draw
        self._session: aiohttp.ClientSession | None = None
        self._functions: Functions | None = None
        self._watching: dict[Target, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        for group in self.groups.values():
            for function in group.value.functions:
                group.register(function)

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
        self._session = addresses.session(self.account.deployment.idle_timeout)
        self.use_functions(self.lambda_endpoint)
        for group in self.groups.values():
            for target in group.targets:
                self._watch(group, target)

    async def close(self) -> None:
        tasks = [*self._watching.values(), *self._leaving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def use_functions(self, endpoint: str | None) -> None:
        """Say where the Lambda service is."""
        self.lambda_endpoint = endpoint
        if self._session is not None:
            self._functions = Functions(self._session, endpoint)

    # --- targets ------------------------------------------------------------------------------------------------

    def register(self, arn: str, target: str) -> None:
        """Add a target, `host:port`, to a group. Raises Refused."""
        self.account.group(arn)
        group = self.groups[arn]
        made = group.register(target)
        if self._session is not None and made not in self._watching:
            self._watch(group, made)

    def register_service(self, service: str, address: str) -> None:
        """Add a task of the service to its target group, as ECS does. Raises KeyError."""
        self.register(self.account.deployment.task(service).group, address)

    def deregister(self, arn: str, target: str) -> None:
        """No new request goes there; what runs may end within the deregistration delay. Raises Refused."""
        self.account.group(arn)
        group = self.groups[arn]
        for leaving in [known for known in group.registered if known.id == target]:
            leaving.draining = True
            if task := self._watching.pop(leaving, None):
                task.cancel()
            drained = asyncio.create_task(self._drain(group, leaving))
            self._leaving.add(drained)
            drained.add_done_callback(self._leaving.discard)

    async def _drain(self, group: Group, target: Target) -> None:
        await asyncio.sleep(group.value.deregistration_delay)
        target.cut()
        group.targets = [known for known in group.targets if known is not target]

    def _watch(self, group: Group, target: Target) -> None:
        if group.value.health.enabled:
            task = health.watch(group, target, self._check, self.hurry, announce)
            self._watching[target] = asyncio.create_task(task)

    async def _check(self, group: Group, target: Target) -> str:
        if self._session is None or self._functions is None:
            return "Elb.InternalError"
        if group.value.kind == "lambda":
            return await self._functions.check(group, target)
        return await health.ask(self._session, target.id, group.value.health)

    # --- one request --------------------------------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        entry = self.journal.begin(scope)
        recorder = Recorder(send, entry)
        try:
            await self._answer(scope, receive, recorder, entry)
        except Refusal as refusal:
            entry.why = refusal.why
            if refusal.why:
                log.info(
                    "answered in place of a target",
                    status=refusal.status,
                    path=entry.path,
                    why=refusal.why,
                    trace_id=entry.trace_id,
                )
            await own_answers.refuse(scope, recorder, refusal.status)
        except ClientGone:
            entry.why = "the client hung up"
        finally:
            self.journal.end(entry)

    async def _answer(self, scope: Scope, receive: Receive, send: Recorder, entry: Entry) -> None:
        deployment = self.account.deployment
        trace = sent_on(scope["headers"])
        entry.trace_id, entry.parent_id, entry.span_id = trace.trace, trace.parent, trace.span
        asked = checked(scope, drop_invalid=deployment.drops_invalid_headers)
        rule = first_match(deployment.rules, asked)
        entry.service = rule.service
        if rule.action.fixed is not None:
            await own_answers.fixed(scope, send, rule.action.fixed)
            return
        group = self.groups[drawn(rule.action.shares, self._draw)]
        target = group.next()
        if target is None or self._session is None or self._functions is None:
            raise Refusal(503)
        headers = forwarded_headers(scope, self._port, trace.text)
        patience = deployment.idle_timeout
        try:
            with target.occupied():
                if group.value.kind == "lambda":
                    await self._functions.serve(group, target, scope, receive, send, headers, patience)
                else:
                    await addresses.serve(self._session, target.id, scope, receive, send, headers, patience)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not target.ended or task is None or send.started:
                raise
            task.uncancel()
            raise Refusal(502, "the target had to go before it had answered") from None
        entry.runtime, entry.target = group.value.runtime, target.id


def drawn(shares: Sequence[Share], draw: Draw) -> str:
    """The ARN of the group that gets this request. Raises Refusal 503 when all weights are 0, which is undocumented."""
    total = sum(share.weight for share in shares)
    if not total:
        raise Refusal(503, "all weights of the rule are 0")
    point = draw(total)
    for share in shares:
        point -= share.weight
        if point < 0:
            return share.group
    raise ValueError(point)


def announce(group: Group, target: Target) -> None:
    if target.healthy:
        log.info("target is healthy", target_group=group.value.name, target=target.id)
    else:
        log.warning("target is unhealthy", target_group=group.value.name, target=target.id, why=target.reason)
