"""The fixtures that every other test stands on."""

from services.chassis.database import Database


async def test_a_clone_has_the_migrations_and_each_role_only_its_own_schema(database_urls: dict[str, str]) -> None:
    for service, schema, other in (("product", "catalog", "ordering"), ("order", "ordering", "catalog")):
        database = Database(database_urls[service])
        async with database.connection() as connection:
            assert await connection.fetch_value("SELECT has_schema_privilege($1, 'USAGE')", schema)
            assert not await connection.fetch_value("SELECT has_schema_privilege($1, 'USAGE')", other)
            assert await connection.fetch_value(f"SELECT count(*) FROM {schema}.schema_migration") >= 0  # noqa: S608
        await database.close()
