"""The composition root: puts the product service together. Importing it does nothing."""

import os
from collections.abc import Mapping
from functools import partial

from fastapi import FastAPI, Response
from starlette.types import Scope

from services.chassis.chores import Repeated
from services.chassis.connection import ConstraintViolation
from services.chassis.database import Database
from services.chassis.errors import DomainError, Unavailable
from services.chassis.logs import logger
from services.chassis.metrics import Metrics, Observe
from services.chassis.migrations import check
from services.chassis.problems import as_problem
from services.chassis.settings import Settings
from services.chassis.tracing import Tracing
from services.chassis.web import create_app
from services.product import demo
from services.product.metrics import OVERSELL_GUARD_HITS
from services.product.model.reservations import SWEEP_SECONDS
from services.product.model.stock import CONSTRAINT
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
    metrics: Metrics | None = None,
) -> FastAPI:
    """The app. Whoever hands in a database closes it."""
    settings = settings or Settings.from_env("product", env, needs=("DATABASE_URL",))
    metrics = metrics or Metrics.of(settings)
    metrics.always(OVERSELL_GUARD_HITS)  # an alarm that sees no data cannot tell peace from silence
    used = database or Database(settings.database_url or "", size=settings.database_pool, observe=metrics.observe)
    return create_app(
        settings,
        title="Tandem product service",
        prefix="/products",
        routers=ROUTERS,
        ready=partial(_ready, used),
        state={"database": used},
        startup=[partial(_start, used, seed=settings.seed_demo)],
        background={
            "sweeper": Repeated(partial(reservations.sweep, used, observe=metrics.observe), every=SWEEP_SECONDS)
        },
        close=[used.close] if database is None else [],
        large_bodies={"/products/import": IMPORT_BYTES},
        refuse=partial(_refuse, metrics.observe),
        tracing=tracing,
        metrics=metrics,
    )


async def _start(database: Database, *, seed: bool) -> None:
    """Refuse a schema that this code does not know. A database that is away comes back: start without."""
    try:
        await check(database, OWNER)
        if seed:
            await demo.seed(database)
    except Unavailable:
        log.warning("started while the database is away")


def _refuse(observe: Observe, scope: Scope, error: DomainError) -> Response:
    """Every refusal comes by here, so no statement can meet the last guard of the stock unseen."""
    if isinstance(error, ConstraintViolation) and error.constraint == CONSTRAINT:
        log.error("the constraint on stock refused: a conditional statement has let it come to that")
        observe(OVERSELL_GUARD_HITS)
    return as_problem(scope, error)


async def _ready(database: Database) -> Mapping[str, bool]:
    return {"database": await database.answers()}
