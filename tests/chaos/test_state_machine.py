"""Any use cases in any order, on real PostgreSQL, compared with a model of a page of Python after every step."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis.stateful import run_state_machine_as_test

from services.chassis.auth import Signer
from services.chassis.database import Database
from services.chassis.settings import Settings
from services.product import main
from tests.chaos.actors import reach
from tests.chaos.loopback import Loopback
from tests.chaos.order_machine import OrderMachine
from tests.chaos.product import Product
from tests.chaos.product_machine import ProductMachine
from tests.chaos.profiles import profile
from tests.services.order.fakes import WatchedDatabase

pytestmark = pytest.mark.slow
SETTINGS = Settings(service="product", session_keys={"s": bytes(32)}, service_keys={"k": bytes(32)}, background=False)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def admin(runner: asyncio.Runner, database_urls: dict[str, str]) -> Iterator[Database]:
    database = Database(database_urls["admin"], size=2)
    yield database
    runner.run(database.close())


@pytest.fixture
def product(runner: asyncio.Runner, database_urls: dict[str, str], admin: Database) -> Iterator[Product]:
    database = Database(database_urls["product"], size=8)
    yield Product(database, admin)
    runner.run(database.close())


def test_the_product_service_answers_as_the_model_does(
    runner: asyncio.Runner, product: Product, admin: Database
) -> None:
    run_state_machine_as_test(
        lambda: ProductMachine(runner, product, admin),  # type: ignore[arg-type]  # any factory will do
        settings=profile(examples=40, steps=30, night_examples=5000, night_steps=50),
    )


def test_orders_keep_every_promise_whatever_happens_between_their_steps(
    runner: asyncio.Runner, product: Product, admin: Database, database_urls: dict[str, str]
) -> None:
    orders = WatchedDatabase(database_urls["order"], reach, size=16)
    line = Loopback(main.create(SETTINGS, database=product.database), Signer(SETTINGS.service_keys))
    try:
        run_state_machine_as_test(
            lambda: OrderMachine(runner, product, admin, orders, line),  # type: ignore[arg-type]  # as above
            settings=profile(examples=70, steps=30, night_examples=5000, night_steps=50),
        )
    finally:
        runner.run(orders.close())
