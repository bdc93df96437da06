"""A platform to measure: one of our own on a database that is thrown away, or the one that `tandem up` is running."""

import contextlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.databases import migrate_all
from scripts.places import LOCAL
from scripts.terminal import Problem, Terminal
from scripts.twin import keys
from scripts.twin.deployment.file import save
from scripts.twin.deployment.local import local_deployment
from scripts.twin.deployment.values import Deployment
from scripts.twin.keys import Keys
from scripts.twin.postgres import PostgresError, attach, free_port, running
from scripts.twin.processes import Line, Supervisor
from scripts.twin.programs import Ports, lambda_service, load_balancer, placed, task
from services.chassis.auth import Sessions

NEEDED = ("product", "order")


def unwritten(_: str) -> None:
    """Where metrics of an app go that is measured in this process: the terminal is for the figures."""


@dataclass(frozen=True, slots=True)
class Platform:
    """`url` is the load balancer's, `database_url` the administrator's."""

    url: str
    database_url: str
    keys: Keys

    def sessions(self, count: int) -> list[str]:
        """Tokens of so many guests. Signed here, because the shop gives one address only a few a minute."""
        sessions = Sessions({"local": bytes.fromhex(self.keys.session)})
        return [sessions.issue().token for _ in range(count)]


@dataclass(frozen=True, slots=True)
class Own(Platform):
    """One of our own: where each of its programs listens, and what it was made from."""

    ports: Ports
    deployment: Deployment


@contextlib.asynccontextmanager
async def own(terminal: Terminal, *, functions: bool = False) -> AsyncIterator[Own]:
    """PostgreSQL as durable as it is by default, product, order and the load balancer, each a process of its own; with
    `functions` the Lambda service too."""
    port, secrets = free_port(), keys.new_keys()
    deployment = local_deployment(secrets.environment(), seed_demo=False)
    ports = placed(deployment, port, anywhere=True, only=NEEDED)
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as folder, contextlib.ExitStack() as outlasting:
        try:
            server = outlasting.enter_context(running(Path(folder), environment={}))
        except PostgresError as error:
            raise Problem(str(error)) from None
        await migrate_all(server.url, secrets.passwords)
        children = Supervisor(Path(folder) / "logs", lambda line: _show(terminal, line))
        try:
            save(deployment, Path(folder) / "deployment.json")
            programs = [load_balancer(ports, Path(folder) / "deployment.json")]
            programs += [task(deployment, service, ports, server.url, secrets) for service in NEEDED]
            if functions:
                file = Path(folder) / "functions.json"
                programs.append(lambda_service(deployment, ports, server.url, secrets, file))
            for each in programs:
                await children.start(each)
            for each in programs[1:]:
                await children.ready(each)
            yield Own(f"http://127.0.0.1:{port}", server.url, secrets, ports, deployment)
        finally:
            await children.stop()


@contextlib.asynccontextmanager
async def running_here(port: int) -> AsyncIterator[Platform]:
    """What `tandem up` runs in this checkout."""
    server = attach(LOCAL)
    if server is None:
        raise Problem("This checkout is not running; start it with scripts/up, or leave out --running.")
    yield Platform(f"http://127.0.0.1:{port}", server.url, keys.load(LOCAL))


@contextlib.asynccontextmanager
async def elsewhere(url: str, env: Mapping[str, str] = os.environ) -> AsyncIterator[Platform]:
    """The one at that address; the environment has its database and keys, under the names that compose.yaml gives."""
    missing = [key for key in ("DATABASE_URL", "ADMIN_KEY", "SESSION_KEYS") if not env.get(key)]
    if missing:
        raise Problem(f"To measure {url} the environment needs {' and '.join(missing)}.")
    session = next(iter(json.loads(env["SESSION_KEYS"]).values()))
    yield Platform(url, env["DATABASE_URL"], replace(keys.new_keys(), admin=env["ADMIN_KEY"], session=session))


def _show(terminal: Terminal, line: Line) -> None:
    if line.level == "error":
        terminal.say(f"{line.source} | {line.text}")
