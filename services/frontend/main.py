"""The composition root: puts the gateway and the pages together. Importing it does nothing."""

import os
import time
from collections.abc import Callable, Mapping

from fastapi import FastAPI

from services.chassis.limits import TokenBuckets
from services.chassis.metrics import Metrics
from services.chassis.settings import Settings
from services.chassis.tracing import Tracing
from services.chassis.upstream import Upstream
from services.chassis.web import create_app
from services.frontend import forwarding, pages, routes
from services.frontend.backends import HttpOrders, HttpProducts, Orders, Products
from services.frontend.latency import Latency
from services.frontend.operations import IMPORT_PATH
from services.frontend.pages.office import transfer
from services.frontend.shelf import Shelf
from services.frontend.weights import HttpWeights, Weights

IMPORT_BYTES = 8 * 1024 * 1024  # as many as the product service takes


def create(  # noqa: PLR0913 - every collaborator, all by keyword
    settings: Settings | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    products: Products | None = None,
    orders: Orders | None = None,
    weights: Weights | None = None,
    metrics: Metrics | None = None,
    sessions_per_minute: int | None = None,
    clock: Callable[[], float] = time.monotonic,
    tracing: Tracing | None = None,
) -> FastAPI:
    """The app, complete and unopened. Every backend can be another one.

    `sessions_per_minute` is for one address; the settings say it otherwise.
    """
    settings = settings or Settings.from_env("frontend", env, needs=("UPSTREAM_URL",))
    startup, close = [], []

    def upstream(audience: str) -> Upstream:
        client = Upstream(
            settings.upstream_url or "",
            audience=audience,
            environment=settings.environment,
            origin_secret=settings.origin_secret,
        )
        startup.append(client.load)
        close.append(client.close)
        return client

    # Each backend has clients of its own, so that the breaker of one says nothing about the other.
    if products is None:
        products = HttpProducts(upstream("product"), probing=upstream("product"), shelf=Shelf(clock=clock))
    if orders is None:
        orders = HttpOrders(upstream("order"), probing=upstream("order"))
    if weights is None and settings.control_url:
        control = Upstream(settings.control_url)
        close.append(control.close)
        weights = HttpWeights(control)
    backends = {"product": products, "order": orders}
    rate = sessions_per_minute or settings.sessions_per_minute

    async def ready() -> Mapping[str, bool]:
        return {name: (await backend.probe()).healthy for name, backend in backends.items()}

    return create_app(
        settings,
        title="Tandem gateway",
        prefix="/api",
        routers=(*pages.ROUTERS, forwarding.router, routes.router),
        ready=ready,
        state={
            "backends": backends,
            "session_rate": TokenBuckets(rate=rate / 60, burst=rate, clock=clock),
            "look": pages.look(),
            "latency": Latency(clock=clock),
            "weights": weights,
        },
        startup=startup,
        close=close,
        large_bodies={IMPORT_PATH: IMPORT_BYTES, transfer.PATH: transfer.FORM_BYTES},
        refuse=pages.refuse,
        tracing=tracing,
        metrics=metrics,
    )
