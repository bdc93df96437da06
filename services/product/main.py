"""The composition root: puts the product service together. Importing it does nothing."""

import os
from collections.abc import Mapping
from functools import partial

from fastapi import FastAPI

from services.chassis.chores import Repeated
from services.chassis.database import Database
from services.chassis.errors import Unavailable
from services.chassis.logs import logger
from services.chassis.migrations import check
from services.chassis.settings import Settings
from services.chassis.tracing import Tracing
from services.chassis.web import create_app
from services.product import demo
from services.product.model.reservations import SWEEP_SECONDS
from services.product.routes import ROUTERS
from services.product.routes.transfer import IMPORT_BYTES
from services.product.service import reservations
from services.product.store import OWNER

log = logger("product")


def create(
    settings: Settings | None = None,
    *,
    env: Mapping[str, str] = os.environ,
    database: Database | None = None,
    tracing: Tracing | None = None,
) -> FastAPI:
    """The app. Whoever hands in a database closes it."""
    settings = settings or Settings.from_env("product", env, needs=("DATABASE_URL",))
    used = database or Database(settings.database_url or "", size=settings.database_pool)
    return create_app(
        settings,
        title="Tandem product service",
        prefix="/products",
        routers=ROUTERS,
        ready=partial(_ready, used),
        state={"database": used},
        startup=[partial(_start, used, seed=settings.seed_demo)],
        background={"sweeper": Repeated(partial(reservations.sweep, used), every=SWEEP_SECONDS)},
        close=[used.close] if database is None else [],
        large_bodies={"/products/import": IMPORT_BYTES},
        tracing=tracing,
    )


async def _start(database: Database, *, seed: bool) -> None:
    """Refuse a schema that this code does not know. A database that is away comes back: start without."""
    try:
        await check(database, OWNER)
        if seed:
            await demo.seed(database)
    except Unavailable:
        log.warning("started while the database is away")


async def _ready(database: Database) -> Mapping[str, bool]:
    return {"database": await database.answers()}
