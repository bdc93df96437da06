"""`/status` for people and programs, `PUT /weights`, and `POST /`: the API of Elastic Load Balancing for boto3.

It changes things and asks for no credentials, so it listens on loopback and answers this machine only.
"""

import json
from collections.abc import Sequence
from typing import Any

import aiohttp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from scripts.twin.control import elbv2, page, query
from scripts.twin.control.own_machine import OwnMachineOnly
from scripts.twin.control.status import status, weights
from scripts.twin.deployment.limits import Refused
from scripts.twin.load_balancer.balancer import LoadBalancer

SANDBOXES_TIMEOUT = 1.0  # seconds


def control_plane(balancer: LoadBalancer, more: Sequence[Route] = ()) -> ASGIApp:
    """`more` is what else there is to see of this machine."""

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
        *more,
    ]
    return OwnMachineOnly(Starlette(routes=routes))


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
