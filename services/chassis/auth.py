"""Who is calling, proved without a framework: guest sessions, admin keys, signatures between services.

One algorithm (HMAC-SHA256), no algorithm field to choose it by, and every comparison in constant time.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from services.chassis.errors import Unauthenticated
from services.chassis.settings import AdminKey

Clock = Callable[[], float]  # seconds since 1970

SESSION_SECONDS = 30 * 24 * 3600
SIGNATURE_WINDOW = 60  # seconds that two clocks may differ
NONCE_SECONDS = 2 * SIGNATURE_WINDOW  # how long a signature could be replayed, and so how long it is remembered
_SESSION_AUDIENCE = "shop"


@dataclass(frozen=True, slots=True)
class Session:
    token: str
    customer_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """`kind` is anonymous, customer, admin or service; `name` is the key's id, never the key."""

    kind: str
    name: str = ""
    customer_id: UUID | None = None
    roles: frozenset[str] = frozenset()


ANONYMOUS = Caller("anonymous")


class Sessions:
    """Guest sessions: a random customer id inside a signed token, `v1.kid.customer.expiry.audience.signature`."""

    def __init__(self, keys: Mapping[str, bytes], *, clock: Clock = time.time) -> None:
        self._keys = keys
        self._clock = clock

    def issue(self, customer_id: UUID | None = None) -> Session:
        """A session, signed with the first key: for somebody new unless it is said for whom."""
        customer_id, expiry = customer_id or uuid4(), int(self._clock()) + SESSION_SECONDS
        kid, key = next(iter(self._keys.items()))
        claims = f"v1.{kid}.{customer_id.hex}.{expiry}.{_SESSION_AUDIENCE}"
        return Session(f"{claims}.{_mac(key, claims)}", customer_id, datetime.fromtimestamp(expiry, UTC))

    def read(self, token: str) -> Caller:
        """The customer of a token. Raises Unauthenticated, without saying which part was wrong."""
        claims, _, signature = token.rpartition(".")
        parts = claims.split(".")
        key = self._keys.get(parts[1]) if len(parts) == 5 else None
        if key is None or not _same(signature, _mac(key, claims)):
            raise Unauthenticated
        version, kid, customer, expiry, audience = parts
        if version != "v1" or audience != _SESSION_AUDIENCE or int(expiry) <= self._clock():
            raise Unauthenticated
        return Caller("customer", kid, UUID(hex=customer))

    def renewed(self, token: str) -> Session | None:
        """A later session of the same customer when half the time of this one is over. Raises Unauthenticated."""
        customer_id = self.read(token).customer_id
        left = int(token.split(".")[3]) - self._clock()
        return self.issue(customer_id) if left < SESSION_SECONDS / 2 else None


class AdminKeys:
    """Keys of people and tools: `adm_<kid>_<secret>`, of which only the SHA-256 is known here."""

    def __init__(self, keys: Iterable[AdminKey], *, clock: Clock = time.time) -> None:
        self._keys = {key.kid: key for key in keys}
        self._clock = clock

    def read(self, token: str) -> Caller:
        """The holder of a key. Raises Unauthenticated."""
        parts = token.split("_", 2)
        key = self._keys.get(parts[1]) if len(parts) == 3 else None
        if key is None or not hmac.compare_digest(key.sha256, hashlib.sha256(token.encode()).digest()):
            raise Unauthenticated
        if key.not_after and key.not_after.timestamp() <= self._clock():
            raise Unauthenticated
        return Caller("admin", key.kid, roles=key.roles)


def new_admin_key(kid: str, roles: Iterable[str], *, lifetime: timedelta | None = None) -> tuple[str, AdminKey]:
    """A new key and what to store of it."""
    token = f"adm_{kid}_{secrets.token_urlsafe(32)}"
    expiry = datetime.now(UTC) + lifetime if lifetime else None
    return token, AdminKey(
        kid=kid, sha256=hashlib.sha256(token.encode()).digest(), roles=frozenset(roles), not_after=expiry
    )


@dataclass(frozen=True, slots=True)
class InternalRequest:
    """What a signature covers. `target` is path and query as sent; `audience` the service that shall accept it."""

    method: str
    target: str
    body: bytes
    audience: str

    def digest(self, stamp: str, nonce: str) -> str:
        body = hashlib.sha256(self.body).hexdigest()
        return f"{self.method}\n{self.target}\n{body}\n{self.audience}\n{stamp}\n{nonce}"


@dataclass(slots=True)
class Signer:
    """Signs calls with the first key: `Authorization: Tandem kid.stamp.nonce.signature`."""

    keys: Mapping[str, bytes]
    clock: Clock = time.time

    def sign(self, request: InternalRequest) -> str:
        kid, key = next(iter(self.keys.items()))
        stamp, nonce = str(int(self.clock())), secrets.token_hex(12)
        return f"Tandem {kid}.{stamp}.{nonce}.{_mac(key, request.digest(stamp, nonce))}"


@dataclass(slots=True)
class Verifier:
    """Checks what Signer signed, once: a replayed release would free somebody's stock, so nonces are remembered.

    The memory is this process's alone. Another process would take a replay, which the operations themselves make
    harmless: each is idempotent under its id.
    """

    keys: Mapping[str, bytes]
    clock: Clock = time.time
    _seen: dict[str, float] = field(default_factory=dict)

    def verify(self, authorization: str, request: InternalRequest) -> Caller:
        """The calling service. Raises Unauthenticated."""
        scheme, _, credential = authorization.partition(" ")
        parts = credential.split(".")
        key = self.keys.get(parts[0]) if scheme == "Tandem" and len(parts) == 4 else None
        if key is None:
            raise Unauthenticated
        kid, stamp, nonce, signature = parts
        if not _same(signature, _mac(key, request.digest(stamp, nonce))):
            raise Unauthenticated
        now = self.clock()
        if abs(now - int(stamp)) > SIGNATURE_WINDOW or nonce in self._seen:
            raise Unauthenticated
        self._remember(nonce, now)
        return Caller("service", kid)

    def _remember(self, nonce: str, now: float) -> None:
        self._seen[nonce] = now + NONCE_SECONDS
        for old, until in list(self._seen.items()):  # insertion order is expiry order
            if until > now:
                break
            del self._seen[old]


def _mac(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
