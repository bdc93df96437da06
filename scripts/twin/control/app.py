"""`/status` for people and programs, `PUT /weights`, and `POST /`: the API of Elastic Load Balancing for boto3.

It changes things and asks for no credentials, so it listens on loopback, believes no foreign Host (a name that an
attacker lets resolve to 127.0.0.1), and takes no write that a page of another site makes a browser send.
"""

import json
from typing import Any

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from scripts.twin.control import elbv2, page, query
from scripts.twin.control.status import status, weights
from scripts.twin.deployment.limits import Refused
from scripts.twin.load_balancer.balancer import LoadBalancer

HOSTS = {"127.0.0.1", "localhost", "[::1]"}
SAFE = {"GET", "HEAD"}
SANDBOXES_TIMEOUT = 1.0  # seconds


def control_plane(balancer: LoadBalancer) -> ASGIApp:
    async def show(request: Request) -> Response:
        now = status(balancer) | {"sandboxes": await sandboxes(balancer.lambda_endpoint)}
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(page.rendered(now), headers=page.headers())
        return JSONResponse(now)

    async def weigh(request: Request) -> Response:
        try:
            for service, given in wanted(await request.body()).items():
                balancer.account.weigh(service, given)
        except Refused as refused:
            return JSONResponse({"title": str(refused), "status": 400}, 400, media_type="application/problem+json")
        return JSONResponse(weights(balancer.account.deployment))

    async def call(request: Request) -> Response:
        code, text = elbv2.answer(balancer, query.parameters(await request.body()))
        return Response(text, code, media_type="text/xml")

    async def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def start(_: Request) -> Response:
        return RedirectResponse("/status")

    routes = [
        Route("/", start, methods=["GET"]),
        Route("/", call, methods=["POST"]),
        Route("/status", show, methods=["GET"]),
        Route("/weights", weigh, methods=["PUT"]),
        Route("/healthz", healthy, methods=["GET"]),
    ]
    return OwnMachineOnly(Starlette(routes=routes))


class OwnMachineOnly:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (why := stranger(Request(scope))):
            await PlainTextResponse(f"Refused: {why}.\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def stranger(request: Request) -> str:
    """Why this request is not from a person or program of this machine; empty when it may be."""
    host = request.headers.get("host", "")
    if host.rpartition(":")[0] not in HOSTS and host not in HOSTS:
        return "the Host is none of this machine"
    if request.client is not None and request.client.host not in {"127.0.0.1", "::1"}:
        return "the client is not on this machine"
    if request.method in SAFE:
        return ""
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return "another site sent it"
    if request.headers.get("origin", f"http://{host}") != f"http://{host}":
        return "another site sent it"
    return ""


def wanted(content: bytes) -> dict[str, dict[str, int]]:
    """`{"product": {"fargate": 0, "lambda": 100}}`. Raises Refused."""
    try:
        found = json.loads(content)
        for given in found.values():
            for runtime, weight in given.items():
                if not isinstance(weight, int) or isinstance(weight, bool):
                    raise Refused(f"The weight of {runtime} is no whole number.")
    except (ValueError, AttributeError):
        raise Refused('Weights are JSON such as {"product": {"fargate": 0, "lambda": 100}}.') from None
    whole: dict[str, dict[str, int]] = found
    return whole


async def sandboxes(endpoint: str | None) -> Any:
    """What the Lambda service says of its sandboxes; None while there is no such service."""
    if endpoint is None:
        return None
    limit = aiohttp.ClientTimeout(total=SANDBOXES_TIMEOUT)
    try:
        async with aiohttp.ClientSession(timeout=limit) as http, http.get(f"{endpoint}/sandboxes") as answer:
            return await answer.json()
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
