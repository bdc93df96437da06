"""How many are connected to the database, as RDS would say it; nothing while it cannot be asked."""

from collections.abc import Awaitable, Callable, Mapping

from services.chassis.database import Database
from services.chassis.errors import DomainError

VARIABLE = "WATCHED_DATABASE_URL"  # an administrator's; not DATABASE_URL, which is the person's own
CONNECTED = """
    SELECT count(*) FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()
"""


def counter(environment: Mapping[str, str]) -> Callable[[], Awaitable[int | None]] | None:
    """None where there is no database to watch."""
    url = environment.get(VARIABLE)
    if not url:
        return None
    database = Database(url, size=1)

    async def connections() -> int | None:
        try:
            async with database.connection() as connection:
                found: int = await connection.fetch_value(CONNECTED)
                return found
        except (DomainError, OSError):
            return None

    return connections
