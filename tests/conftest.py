"""One PostgreSQL for the whole run, one migrated template, one clone per test module."""

import asyncio
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pg8000.native
import pytest

from scripts.databases import OWNERS, migrate_all, service_url
from scripts.twin.postgres import Server, running, with_database

PASSWORDS = {service: f"{service}-test-password" for service in OWNERS}
CLONES = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def scrubbed_environment() -> Iterator[None]:
    """No setting of the developer's shell reaches a test, and no test reaches the developer's database."""
    with pytest.MonkeyPatch.context() as patch:
        for key in [key for key in os.environ if key.startswith(("PG", "AWS_"))]:
            patch.delenv(key)
        for key in ("DATABASE_URL", "SESSION_KEYS", "SERVICE_KEYS", "ADMIN_KEYS", "UPSTREAM_URL", "PORT"):
            patch.delenv(key, raising=False)
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this run's own, fsync off. TEST_DATABASE_URL names another: it gets new roles and databases."""
    given = os.environ.get("TEST_DATABASE_URL", "")
    root: Path = tmp_path_factory.mktemp("postgres")
    with running(root, durable=False, environment={"DATABASE_URL": given}) as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: Server) -> Iterator[str]:
    """The name of a database that has every migration and no rows; nobody may stay connected to it."""
    name = f"tandem_template_{os.getpid()}"
    administer(postgres.url, f"CREATE DATABASE {name}")
    with ThreadPoolExecutor(1) as thread:  # its own loop, so that no test's loop is disturbed
        thread.submit(asyncio.run, migrate_all(postgres.url_for(name), PASSWORDS)).result()
    yield name
    administer(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def database_urls(postgres: Server, template: str) -> Iterator[dict[str, str]]:
    """A fresh clone of the template for this module: the URLs of both services and of the administrator."""
    with cloned(postgres, template) as urls:
        yield urls


@contextmanager
def cloned(postgres: Server, template: str) -> Iterator[dict[str, str]]:
    name = f"tandem_test_{os.getpid()}_{next(CLONES)}"
    administer(postgres.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
    admin = with_database(postgres.url, name)
    yield {service: service_url(admin, service, PASSWORDS) for service in OWNERS} | {"admin": admin}
    administer(postgres.url, f"DROP DATABASE {name} WITH (FORCE)")


def administer(url: str, statement: str) -> None:
    parts = urlsplit(url)
    connection = pg8000.native.Connection(
        unquote(parts.username or ""),
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 5432,
        password=unquote(parts.password or ""),
        database=parts.path.removeprefix("/"),
    )
    try:
        connection.run(statement)
    finally:
        connection.close()
