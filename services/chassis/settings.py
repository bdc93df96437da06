"""The settings of a service, read once from the environment. Secrets have no default; a missing key stops the start."""

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar
from urllib.parse import quote

from services.chassis.sampling import EVERYTHING, Rule, read_rules

T = TypeVar("T")


class SettingsError(Exception):
    """A setting is missing or malformed; the message names its key and never its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminKey:
    """An admin key as it is stored: never the key itself, which has 256 random bits and so needs no slow hash."""

    kid: str
    sha256: bytes
    roles: frozenset[str]
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Key rings map a key id to 32 bytes; the first entry signs, every entry verifies.

    `origin_secret` is what the load balancer wants to see before it lets a request in; empty where it asks nothing.
    `sessions_per_minute` is how many guest sessions one address may begin. `control_url` is where a load balancer tells
    its weights; only that of a developer's machine does. `trace_address` is where an agent takes traces by UDP, empty
    where there is none. `metrics_seconds` is how long a server gathers metrics before they leave.
    """

    service: str
    environment: str = "local"
    served_by: str = "local"
    version: str = "dev"
    port: int = 8000
    database_url: str | None = None
    database_pool: int = 8
    upstream_url: str | None = None
    control_url: str | None = None
    origin_secret: str = ""
    session_keys: Mapping[str, bytes]
    service_keys: Mapping[str, bytes]
    admin_keys: tuple[AdminKey, ...] = ()
    seed_demo: bool = False
    background: bool = True
    sessions_per_minute: int = 5
    metrics_seconds: int = 60
    trace_address: str = ""
    trace_sampling: tuple[Rule, ...] = EVERYTHING

    @classmethod
    def from_env(cls, service: str, env: Mapping[str, str] = os.environ, *, needs: Collection[str] = ()) -> Self:
        """Read and check. `needs` lists the optional keys that this service cannot start without.

        Raises SettingsError.
        """
        env = {**env, "DATABASE_URL": database_url(env)}
        for key in needs:
            if not env.get(key):
                raise SettingsError(f"{key} is missing")
        return cls(
            service=service,
            environment=env.get("ENVIRONMENT", "local"),
            served_by=_read(env, "SERVED_BY", _one_of("local", "fargate", "lambda"), "local"),
            version=env.get("VERSION", "dev"),
            port=_read(env, "PORT", int, "8000"),
            database_url=env.get("DATABASE_URL") or None,
            database_pool=_read(env, "DATABASE_POOL", int, "8"),
            upstream_url=env.get("UPSTREAM_URL") or None,
            control_url=env.get("CONTROL_URL") or None,
            origin_secret=env.get("ORIGIN_SECRET", ""),
            session_keys=_read(env, "SESSION_KEYS", _keyring),
            service_keys=_read(env, "SERVICE_KEYS", _keyring),
            admin_keys=_read(env, "ADMIN_KEYS", _admin_keys, "[]"),
            seed_demo=_read(env, "SEED_DEMO", _boolean, "false"),
            background=_read(env, "BACKGROUND", _boolean, "true"),
            sessions_per_minute=_read(env, "SESSIONS_PER_MINUTE", _positive, "5"),
            metrics_seconds=_read(env, "METRICS_SECONDS", _positive, "60"),
            trace_address=env.get("AWS_XRAY_DAEMON_ADDRESS", ""),
            trace_sampling=_read(env, "TRACE_SAMPLING", read_rules, "[{}]"),
        )


def database_url(env: Mapping[str, str], *, login: str = "DATABASE") -> str:
    """The login's _URL, or one put together from DATABASE_HOST, _PORT, _NAME, _CA and the login's _USER and _PASSWORD.

    A task gets the pieces, because the secret store hands out a user and a password and not an address. Empty when
    there is neither. Raises SettingsError when pieces are missing.
    """
    if whole := env.get(f"{login}_URL"):
        return whole
    if not env.get("DATABASE_HOST"):
        return ""
    keys = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_CA", f"{login}_USER", f"{login}_PASSWORD")
    for key in keys:
        if not env.get(key):
            raise SettingsError(f"{key} is missing")
    host, port, name, authority, user, password = (quote(env[key], safe="") for key in keys)
    return f"postgresql://{user}:{password}@{host}:{port}/{name}?sslmode=verify-full&sslrootcert={authority}"


def _read(env: Mapping[str, str], key: str, cast: Callable[[str], T], default: str | None = None) -> T:
    value = env.get(key, default)
    if value is None:
        raise SettingsError(f"{key} is missing")
    try:
        return cast(value)
    except (ValueError, TypeError, KeyError, AttributeError):
        # The cause is left out on purpose: it quotes the value, which may be a secret.
        raise SettingsError(f"{key} is malformed") from None


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError("a positive number is required")
    return number


def _one_of(*allowed: str) -> Callable[[str], str]:
    def cast(text: str) -> str:
        if text not in allowed:
            raise ValueError(text)
        return text

    return cast


def _keyring(text: str) -> Mapping[str, bytes]:
    ring = {kid: bytes.fromhex(key) for kid, key in json.loads(text).items()}
    if not ring or any(len(key) != 32 or not kid.isalnum() for kid, key in ring.items()):
        raise ValueError("a key ring maps alphanumeric ids to 64 hexadecimal digits")
    return ring


def _admin_keys(text: str) -> tuple[AdminKey, ...]:
    return tuple(_admin_key(entry) for entry in json.loads(text))


def _admin_key(entry: Mapping[str, Any]) -> AdminKey:
    not_after = entry.get("not_after")
    expiry = datetime.fromisoformat(not_after) if not_after else None
    digest = bytes.fromhex(entry["sha256"])
    if len(digest) != 32 or (expiry and expiry.tzinfo is None):
        raise ValueError("an admin key has a SHA-256 and, if any, an expiry with a time zone")
    return AdminKey(kid=entry["kid"], sha256=digest, roles=frozenset(entry["roles"]), not_after=expiry)
