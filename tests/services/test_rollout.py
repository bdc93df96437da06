"""While a version is rolled out two versions share a schema. Today's code works on tomorrow's, as long as that only
adds; tomorrow's does not start on today's, which is why a task migrates before it starts, and functions come last."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from scripts.databases import OWNERS
from scripts.releases.expansion import contractions
from scripts.twin.postgres import Server
from services.chassis.database import Database
from services.chassis.migrations import MigrationError, Owner, check, migrate
from tests.conftest import PASSWORDS, cloned
from tests.services.whole_shop import SESSIONS, STOCKED, buy, stock_up, whole_shop

# What a release might add, of every kind that the rule allows.
TOMORROW = {
    "product": """
        ALTER TABLE product ADD weight_grams int, ADD origin text NOT NULL DEFAULT '';
        ALTER TABLE product ALTER COLUMN image SET DEFAULT NULL;
        ALTER TABLE reservation DROP CONSTRAINT reservation_reason_check;
        CREATE TABLE supplier (id bigint PRIMARY KEY, name text NOT NULL UNIQUE);
        CREATE INDEX product_by_weight ON product (weight_grams);
        UPDATE product SET weight_grams = 100;
    """,
    "order": """
        ALTER TABLE orders ADD gift_note text;
        ALTER TABLE order_line ADD COLUMN tax_cents bigint NOT NULL DEFAULT 0;
        CREATE INDEX order_line_by_product ON order_line (product_id);
    """,
}


@pytest.fixture(scope="module")
def tomorrow(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Owner]:
    """The owners as the next version has them: with one more file each."""
    owners = {}
    for service, owner in OWNERS.items():
        folder = Path(shutil.copytree(owner.folder, tmp_path_factory.mktemp(service) / "sql"))
        (folder / f"{len(owner.migrations()) + 1:04}_tomorrow.sql").write_text(TOMORROW[service])
        owners[service] = replace(owner, folder=folder)
    return owners


@pytest.fixture(scope="module")
def urls(postgres: Server, template: str, tomorrow: Mapping[str, Owner]) -> Iterator[dict[str, str]]:
    """A database that tomorrow's tasks have migrated."""

    async def ahead(url: str) -> None:
        admin = Database(url, size=1)
        for service, owner in tomorrow.items():
            assert await migrate(admin, owner, PASSWORDS[service]) == [owner.migrations()[-1].name]
        await admin.close()

    with cloned(postgres, template) as found:
        asyncio.run(ahead(found["admin"]))
        yield found


@pytest.fixture
async def admin(urls: dict[str, str]) -> AsyncIterator[Database]:
    database = Database(urls["admin"], size=1)
    yield database
    await database.close()


@pytest.mark.parametrize("service", TOMORROW)
def test_what_tomorrow_adds_is_allowed_by_the_rule(service: str) -> None:
    assert list(contractions(TOMORROW[service])) == []


@pytest.mark.parametrize("service", OWNERS)
async def test_todays_migration_container_finds_nothing_to_do_and_lets_its_task_start(
    admin: Database, service: str
) -> None:
    assert await migrate(admin, OWNERS[service], PASSWORDS[service]) == []
    await check(admin, OWNERS[service])


@pytest.mark.parametrize("service", OWNERS)
async def test_tomorrows_code_does_not_start_on_todays_schema(
    database_urls: dict[str, str], tomorrow: Mapping[str, Owner], service: str
) -> None:
    today = Database(database_urls[service], size=1)
    with pytest.raises(MigrationError, match=r"lacks 000\d_tomorrow\.sql"):
        await check(today, tomorrow[service])
    await today.close()


async def test_todays_services_sell_on_tomorrows_schema(urls: dict[str, str]) -> None:
    async with whole_shop(urls) as shop:
        customer = SESSIONS.issue()
        (product,) = await stock_up(shop, 1)
        order = await buy(shop, customer, product)
        headers = {"Authorization": f"Bearer {customer.token}"}
        async with aiohttp.ClientSession(shop.url, headers=headers, raise_for_status=True) as http:
            async with http.post(f"/orders/{order}/cancel") as answer:
                assert (await answer.json())["status"] == "cancelled"
            async with http.get(f"/products/{product}") as answer:
                assert (await answer.json())["stock"] == STOCKED
