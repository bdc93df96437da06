"""The product service as a function, on a real database."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.chassis.serverless import Sandbox
from services.product.main import create
from tests.conftest import administer
from tests.services.alb_events import event, flaws

KEYS = json.dumps({"k": "00" * 32})


@pytest.fixture
def handler(database_urls: dict[str, str]) -> Iterator[Sandbox]:
    env = {"SESSION_KEYS": KEYS, "SERVICE_KEYS": KEYS, "DATABASE_POOL": "1", "DATABASE_URL": database_urls["product"]}
    sandbox = Sandbox("product", create, env=env, configure=lambda _: None)
    yield sandbox
    sandbox.close()


def listed(handler: Sandbox) -> Any:
    answer = handler(event("GET", "/products?limit=5"), None)
    assert flaws(answer, multi=True) == []
    assert answer["statusCode"] == 200, answer["body"]
    return json.loads(answer["body"])


def test_a_function_reads_and_sweeps_with_one_connection(handler: Sandbox) -> None:
    assert listed(handler) == listed(handler)
    assert handler({"run": "background"}, None) == {"ran": {"sweeper": "ok"}}


def test_a_connection_that_the_database_ended_between_two_events_costs_nobody_an_error(
    handler: Sandbox, database_urls: dict[str, str]
) -> None:
    """A sandbox that stood still has not seen the end; it looks before it sends anything."""
    before = listed(handler)
    for _ in range(3):
        administer(
            database_urls["admin"],
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE usename = 'product_svc' AND datname = current_database()",
        )
        assert listed(handler) == before
