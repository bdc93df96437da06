"""Settings: a missing or malformed key stops the start, is named, and its value is never shown."""

import json

import pytest

from services.chassis.sampling import EVERYTHING
from services.chassis.settings import Settings, SettingsError, database_url

KEY = "ab" * 32
GOOD = {"SESSION_KEYS": json.dumps({"a": KEY}), "SERVICE_KEYS": json.dumps({"b": KEY, "c": KEY})}


def test_the_least_that_is_needed_gives_the_local_defaults() -> None:
    settings = Settings.from_env("things", GOOD)
    assert (settings.environment, settings.served_by, settings.database_pool) == ("local", "local", 8)
    assert list(settings.service_keys) == ["b", "c"]
    assert not settings.seed_demo
    assert (settings.trace_address, settings.trace_sampling) == ("", EVERYTHING)


@pytest.mark.parametrize("key", ["SESSION_KEYS", "SERVICE_KEYS", "DATABASE_URL"])
def test_a_missing_key_is_named(key: str) -> None:
    env = {name: value for name, value in GOOD.items() if name != key}
    with pytest.raises(SettingsError, match=f"{key} is missing"):
        Settings.from_env("things", env, needs=["DATABASE_URL"] if key == "DATABASE_URL" else [])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PORT", "eighty"),
        ("DATABASE_POOL", ""),
        ("SEED_DEMO", "1"),
        ("SERVED_BY", "docker"),
        ("SESSION_KEYS", "secret-canary"),
        ("SESSION_KEYS", "{}"),
        ("SESSION_KEYS", '{"a": "canary"}'),
        ("SESSION_KEYS", '{"a": "abcd"}'),
        ("SESSION_KEYS", json.dumps({"a.b": KEY})),
        ("TRACE_SAMPLING", '[{"rate": "canary"}]'),
        ("TRACE_SAMPLING", "{}canary"),
        ("ADMIN_KEYS", '{"a": 1}'),
        ("ADMIN_KEYS", '[{"kid": "a", "sha256": "canary", "roles": []}]'),
        ("ADMIN_KEYS", json.dumps([{"kid": "a", "sha256": KEY, "roles": [], "not_after": "2026-01-01T00:00:00"}])),
    ],
)
def test_a_malformed_key_is_named_and_its_value_is_not_shown(key: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_env("things", {**GOOD, key: value})
    assert str(caught.value) == f"{key} is malformed"
    assert caught.value.__suppress_context__


def test_an_admin_key_is_read_whole() -> None:
    entry = {"kid": "k", "sha256": KEY, "roles": ["catalog:write"], "not_after": "2027-01-01T00:00:00+00:00"}
    (key,) = Settings.from_env("things", {**GOOD, "ADMIN_KEYS": json.dumps([entry])}).admin_keys
    assert key.roles == {"catalog:write"}
    assert key.not_after is not None
    assert key.not_after.year == 2027


PIECES = {
    "DATABASE_HOST": "db.example",
    "DATABASE_PORT": "5432",
    "DATABASE_NAME": "shop",
    "DATABASE_CA": "certs/rds.pem",
    "DATABASE_USER": "product_svc",
    "DATABASE_PASSWORD": "a/b@c:d%",
}


def test_an_address_is_put_together_from_what_a_task_is_given() -> None:
    settings = Settings.from_env("things", {**GOOD, **PIECES}, needs=["DATABASE_URL"])
    assert settings.database_url == (
        "postgresql://product_svc:a%2Fb%40c%3Ad%25@db.example:5432/shop?sslmode=verify-full&sslrootcert=certs%2Frds.pem"
    )


def test_another_login_takes_the_same_address() -> None:
    env = {**PIECES, "ADMIN_DATABASE_USER": "boss", "ADMIN_DATABASE_PASSWORD": "x", "DATABASE_URL": "not this one"}
    assert database_url(env, login="ADMIN_DATABASE").startswith("postgresql://boss:x@db.example:5432/shop?")


def test_an_address_that_says_all_of_it_goes_before_its_pieces() -> None:
    env = {**PIECES, "ADMIN_DATABASE_URL": "postgresql://boss@elsewhere/shop"}
    assert database_url(env, login="ADMIN_DATABASE") == "postgresql://boss@elsewhere/shop"
    assert database_url(env).startswith("postgresql://product_svc:")


@pytest.mark.parametrize("key", [key for key in PIECES if key != "DATABASE_HOST"])
def test_a_missing_piece_is_named(key: str) -> None:
    with pytest.raises(SettingsError, match=f"{key} is missing"):
        database_url({name: value for name, value in PIECES.items() if name != key})
