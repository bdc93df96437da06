"""Which service owns which schema, and how to bring all of them up to date."""

from collections.abc import Mapping

from scripts.twin.postgres import with_login
from services.chassis.database import Database
from services.chassis.migrations import migrate
from services.order import store as order
from services.product import store as product

OWNERS = {"product": product.OWNER, "order": order.OWNER}


def service_url(admin_url: str, service: str, passwords: Mapping[str, str]) -> str:
    return with_login(admin_url, OWNERS[service].role, passwords[service])


async def migrate_all(admin_url: str, passwords: Mapping[str, str]) -> dict[str, list[str]]:
    """Apply what is new; the names of the files that were, by service."""
    admin = Database(admin_url, size=1)
    try:
        return {service: await migrate(admin, owner, passwords[service]) for service, owner in OWNERS.items()}
    finally:
        await admin.close()
