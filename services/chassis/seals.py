"""Texts that go out and come back unchanged: signed, expiring, and good for one purpose alone.

What is sealed can be read by whoever holds it. The keys are those of the sessions; the purpose is part of what is
signed, so that a seal of one kind is never taken for another, nor for a session.
"""

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass

from services.chassis.auth import Clock


@dataclass(frozen=True, slots=True)
class Seals:
    """Seals of one purpose: `kid.expiry.text.signature`. The first key signs, every key verifies."""

    keys: Mapping[str, bytes]
    purpose: str
    seconds: int
    clock: Clock = time.time

    def seal(self, text: str) -> str:
        kid = next(iter(self.keys))
        payload = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        signed = f"{kid}.{int(self.clock()) + self.seconds}.{payload}"
        return f"{signed}.{self._mac(kid, signed)}"

    def opened(self, sealed: str) -> str | None:
        """The text; None when it is not ours, for something else, or over."""
        signed, _, signature = sealed.rpartition(".")
        parts = signed.split(".")
        if len(parts) != 3 or parts[0] not in self.keys:
            return None
        kid, expiry, payload = parts
        if not hmac.compare_digest(signature.encode(), self._mac(kid, signed).encode()):
            return None
        if int(expiry) <= self.clock():
            return None
        try:
            return base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
        except (binascii.Error, ValueError):
            return None

    def _mac(self, kid: str, signed: str) -> str:
        digest = hmac.digest(self.keys[kid], f"{self.purpose}\n{signed}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
