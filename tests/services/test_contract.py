"""The OpenAPI document of each service is the truth about it: Schemathesis tries every operation, with every check.

CONTRACT_EXAMPLES=1000 tries more, and other ones each time; without it the requests are the same in every run.
"""

import asyncio
import os
from collections.abc import Iterator

import pytest
import requests

from tests.services.contract_run import DOCUMENTS, Seeds, labels, run
from tests.services.whole_shop import SESSIONS, Shop, buy, hold, stock_up, whole_shop_apart

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "100"))  # of each operation, besides those that cover the schema
NOTHING_TO_DRAW = {
    "GET /products/categories",
    "GET /products/export",
    "POST /api/sessions",
    "GET /api/categories",
    "GET /api/products/export",
    "GET /api/status",
}


@pytest.fixture(scope="module")
def shop(database_urls: dict[str, str]) -> Iterator[Shop]:
    with whole_shop_apart(database_urls) as shop:
        yield shop


@pytest.fixture
def seeds(shop: Shop) -> Seeds:
    return asyncio.run(_seed(shop))


async def _seed(shop: Shop) -> Seeds:
    customer = SESSIONS.issue()
    for_sale, products = await stock_up(shop, 10), await stock_up(shop, 40)
    orders = [await buy(shop, customer, product) for product in for_sale * 2]
    reservations = [await hold(shop, product, confirmed=product % 2 == 0) for product in for_sale * 2]
    return Seeds(customer.token, for_sale, products, orders, reservations)


@pytest.mark.slow
# A drawn order of fifty lines is long, and Hypothesis says so each time it could print one.
@pytest.mark.filterwarnings("ignore:Generating overly large repr:Warning")
@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_operation_keeps_its_contract(shop: Shop, seeds: Seeds, service: str) -> None:
    report = run(shop.doors[service], service, seeds, examples=EXAMPLES, random="CONTRACT_EXAMPLES" in os.environ)
    assert not report.problems, str(report)
    operations = labels(requests.get(shop.doors[service] + DOCUMENTS[service], timeout=10).json())
    assert set(report.statuses) == operations
    few = {label: report.fuzzed[label] for label in operations if report.fuzzed[label] < EXAMPLES // 4}
    assert few.keys() <= NOTHING_TO_DRAW, few
    if EXAMPLES >= 50:  # fewer may all be wrong
        assert report.accepted == operations
