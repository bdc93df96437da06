"""The secrets of this checkout: made once, kept in `.local/secrets.json`, readable by their owner only."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from services.chassis.auth import new_admin_key

ROLES = ("catalog:write", "orders:write", "ops:read")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    session: str
    service: str
    origin: str  # what the load balancer wants to see from CloudFront and from the services
    admin: str
    admin_sha256: str
    passwords: dict[str, str]  # of the database roles, by service
    database: str  # the administrator's password in compose.yaml's database

    def environment(self) -> dict[str, str]:
        """The secrets as the services read them."""
        admin = {"kid": "local", "sha256": self.admin_sha256, "roles": ROLES, "not_after": None}
        return {
            "SESSION_KEYS": json.dumps({"local": self.session}),
            "SERVICE_KEYS": json.dumps({"local": self.service}),
            "ADMIN_KEYS": json.dumps([admin]),
            "ORIGIN_SECRET": self.origin,
        }


def load(root: Path) -> Keys:
    """What an earlier version did not know is added; what is there stays."""
    file = root / "secrets.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    whole = Keys(**{**asdict(new_keys()), **known})
    if asdict(whole) != known:
        save(file, whole)
    return whole


def new_keys() -> Keys:
    token, stored = new_admin_key("local", ROLES)
    return Keys(
        session=secrets.token_hex(32),
        origin=secrets.token_hex(32),
        service=secrets.token_hex(32),
        admin=token,
        admin_sha256=stored.sha256.hex(),
        passwords={service: secrets.token_hex(24) for service in ("product", "order")},
        database=secrets.token_hex(24),
    )


def save(file: Path, keys: Keys) -> None:
    write_private(file, json.dumps(asdict(keys), indent=2))


def write_private(file: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    unfinished.rename(file)
