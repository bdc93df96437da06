"""Where the order service is put together."""

import os
import time
from collections.abc import Callable, Mapping
from functools import partial

from fastapi import FastAPI

from services.chassis.auth import Signer
from services.chassis.chores import Repeated
from services.chassis.database import Database
from services.chassis.limits import InFlight, TokenBuckets
from services.chassis.metrics import Metrics
from services.chassis.migrations import check
from services.chassis.settings import Settings
from services.chassis.tracing import Tracing
from services.chassis.upstream import Upstream
from services.chassis.web import create_app
from services.order import routes
from services.order.catalog import Catalog, HttpCatalog
from services.order.service import reconcile_once
from services.order.store import OWNER

ORDERS_PER_MINUTE = 20  # of one customer
IN_FLIGHT_PER_CONNECTION = 4  # above that a request would only wait for the database
PAUSE = 5.0  # seconds between two rounds of the reconciler


def create(
    settings: Settings | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    database: Database | None = None,
    catalog: Catalog | None = None,
    metrics: Metrics | None = None,
    clock: Callable[[], float] = time.monotonic,
    tracing: Tracing | None = None,
) -> FastAPI:
    """The app, complete and unopened. Every collaborator can be another one; what is given is the giver's to close."""
    settings = settings or Settings.from_env("order", env, needs=["DATABASE_URL", "UPSTREAM_URL"])
    metrics = metrics or Metrics.of(settings)
    startup, close = [], []
    if database is None:
        database = Database(settings.database_url or "", size=settings.database_pool, observe=metrics.observe)
        close.append(database.close)
    if catalog is None:
        upstream = Upstream(
            settings.upstream_url or "",
            audience="product",
            environment=settings.environment,
            signer=Signer(settings.service_keys),
            origin_secret=settings.origin_secret,
        )
        catalog = HttpCatalog(upstream)
        startup.append(upstream.load)
        close.append(upstream.close)
    shop = routes.Shop(
        database,
        catalog,
        InFlight(IN_FLIGHT_PER_CONNECTION * settings.database_pool),
        TokenBuckets(rate=ORDERS_PER_MINUTE / 60, burst=ORDERS_PER_MINUTE, clock=clock),
        metrics.observe,
    )

    async def reconcile() -> int:
        return await reconcile_once(shop.database, shop.catalog, observe=shop.observe)

    async def ready() -> Mapping[str, bool]:
        return {"database": await shop.database.answers(), "product": not shop.catalog.open}

    return create_app(
        settings,
        title="Tandem orders",
        prefix="/orders",
        routers=[routes.router],
        ready=ready,
        state={"shop": shop},
        startup=[*startup, partial(check, database, OWNER)],
        background={"reconciler": Repeated(reconcile, every=PAUSE)},
        close=close,
        tracing=tracing,
        metrics=metrics,
    )
