"""The HTTP door: one function that puts an app together, the same for every service and every runtime."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.routing import Match

from services.chassis import problems
from services.chassis.auth import AdminKeys, Sessions, Verifier
from services.chassis.chores import Chores, Repeated, Step
from services.chassis.errors import DomainError, InvalidRequest, MethodNotAllowed, NotFound
from services.chassis.guard import Guard
from services.chassis.metrics import Metrics
from services.chassis.settings import Settings
from services.chassis.tracing import Tracing
from services.chassis.xray import tracing as to_xray

Ready = Callable[[], Awaitable[Mapping[str, bool]]]

_OWN = ("healthz", "readyz", "docs", "openapi.json")  # below the prefix


class JSONBytes(Response):
    """JSON that PostgreSQL has already written."""

    media_type = "application/json"


def create_app(  # noqa: PLR0913 - the one place where everything meets, all by keyword
    settings: Settings,
    *,
    title: str,
    prefix: str,
    routers: Sequence[APIRouter],
    ready: Ready,
    state: Mapping[str, Any] | None = None,
    startup: Sequence[Step] = (),
    background: Mapping[str, Repeated] | None = None,
    close: Sequence[Step] = (),
    large_bodies: Mapping[str, int] | None = None,
    refuse: problems.Refuse = problems.as_problem,
    tracing: Tracing | None = None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """Put an app together.

    `state` is what routes reach as `request.app.state.<name>`. `startup` runs before the first request, each step of
    `background` again and again beside the requests (unless the settings say no), `close` at the end. On Lambda there
    is no lifespan, so nothing in `startup` may be needed to serve; background steps and `close` are reached through
    `app.state.chores`. `large_bodies` gives paths their own limit in bytes. `refuse` makes the answer for every error.
    `tracing` and `metrics` are what the settings say, unless others are given. What is noted in `metrics` leaves once a
    minute and at the end; on Lambda with each event.
    """
    tracing = tracing or to_xray(settings)
    metrics = metrics or Metrics.of(settings)
    chores = Chores(background or {}, [tracing.close, *close], tracing, metrics.observe)
    app = FastAPI(
        title=title,
        version=settings.version,
        docs_url=f"{prefix}/docs",
        openapi_url=f"{prefix}/openapi.json",
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan([tracing.load, *startup], chores, metrics, repeat=settings.background),
    )
    app.state.settings = settings
    app.state.chores = chores
    app.state.metrics = metrics
    app.state.sessions = Sessions(settings.session_keys)
    app.state.admin_keys = AdminKeys(settings.admin_keys)
    app.state.verifier = Verifier(settings.service_keys)
    app.state.draining = False
    app.state.refuse = refuse
    app.state.named_paths = _named_paths(routers) | {f"{prefix}/{name}" for name in _OWN}
    for name, value in (state or {}).items():
        setattr(app.state, name, value)
    for base in ("", prefix):
        app.include_router(_health(settings, ready), prefix=base)
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(DomainError, _answer_domain_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.add_middleware(
        Guard,
        served_by=settings.served_by,
        large_bodies=large_bodies or {},
        tracing=tracing,
        refuse=refuse,
        observe=metrics.observe,
    )
    return app


def _health(settings: Settings, ready: Ready) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz(request: Request) -> Response:
        """Whether this process serves. Never asks a dependency: a database outage must not kill every task."""
        draining = request.app.state.draining
        return JSONResponse(
            {"service": settings.service, "version": settings.version, "status": "draining" if draining else "ok"},
            status_code=503 if draining else 200,
        )

    @router.get("/readyz")
    async def readyz() -> Response:
        """Whether the dependencies answer. For operators; no load balancer asks it."""
        checks = await ready()
        return JSONResponse(
            {"service": settings.service, "version": settings.version, "checks": dict(checks)},
            status_code=200 if all(checks.values()) else 503,
        )

    return router


def _lifespan(startup: Sequence[Step], chores: Chores, metrics: Metrics, *, repeat: bool) -> Callable[[FastAPI], Any]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(metrics.flush)  # the last of all: whatever ends before is counted
            for step in chores.close:
                stack.push_async_callback(step)
            for step in startup:
                await step()
            tasks = [asyncio.ensure_future(loop) for loop in chores.loops()] if repeat else []
            tasks.append(asyncio.ensure_future(metrics.loop()))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    return lifespan


def _named_paths(routers: Iterable[APIRouter]) -> frozenset[str]:
    """The paths without a parameter."""
    routes = (route for router in routers for route in router.routes)
    return frozenset(route.path for route in routes if isinstance(route, APIRoute) and not route.param_convertors)


async def _answer_domain_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, DomainError)  # noqa: S101 - the framework calls this for nothing else
    return _refused(request, error)


def _refused(request: Request, error: DomainError) -> Response:
    response: Response = request.app.state.refuse(request.scope, error)
    return response


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    """What the framework itself refuses: no such path, no such method, a body it could not read."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 404:
        return _refused(request, NotFound())
    if error.status_code == 405:
        response = _refused(request, MethodNotAllowed())
        response.headers["allow"] = ", ".join(_methods(request))
        return response
    return _refused(request, InvalidRequest())


def _methods(request: Request) -> list[str]:
    """Every method of this path: the framework would name those of the first route that matches."""
    routes = request.app.routes
    allowed = [
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return sorted([*allowed, "HEAD"] if "GET" in allowed else allowed)
