"""An order service that kills itself at the point that KILL_AT names: `server tests.services.order.victim:create`.

The point lies in the substitutes that go into `main.create` by keyword; the service itself is the one that is deployed.
"""

import os
import signal

from fastapi import FastAPI

from services.chassis.auth import Signer
from services.chassis.settings import Settings
from services.chassis.upstream import Upstream
from services.order import main
from services.order.catalog import HttpCatalog
from tests.services.order.fakes import POINTS, WatchedCatalog, WatchedDatabase


def create() -> FastAPI:
    point = os.environ["KILL_AT"]
    assert point in POINTS
    settings = Settings.from_env("order", needs=["DATABASE_URL", "UPSTREAM_URL"])

    async def reach(reached: str) -> None:
        if reached == point:
            os.kill(os.getpid(), signal.SIGKILL)

    upstream = Upstream(settings.upstream_url or "", audience="product", signer=Signer(settings.service_keys))
    return main.create(
        settings,
        database=WatchedDatabase(settings.database_url or "", reach),
        catalog=WatchedCatalog(HttpCatalog(upstream), reach),
    )
