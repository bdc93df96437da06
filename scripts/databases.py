"""Which service owns which schema, and how to bring all of them up to date."""

from collections.abc import Mapping
from pathlib import Path

from scripts.twin.postgres import with_login
from services.chassis.database import Database
from services.chassis.migrations import Owner, migrate

SERVICES = Path(__file__).resolve().parent.parent / "services"
OWNERS = {
    "product": Owner(schema="catalog", role="product_svc", folder=SERVICES / "product" / "sql"),
    "order": Owner(schema="ordering", role="order_svc", folder=SERVICES / "order" / "sql"),
}


def service_url(admin_url: str, service: str, passwords: Mapping[str, str]) -> str:
    return with_login(admin_url, OWNERS[service].role, passwords[service])


async def migrate_all(admin_url: str, passwords: Mapping[str, str]) -> dict[str, list[str]]:
    """Apply what is new; the names of the files that were, by service."""
    admin = Database(admin_url, size=1)
    try:
        return {service: await migrate(admin, owner, passwords[service]) for service, owner in OWNERS.items()}
    finally:
        await admin.close()
