"""What a checkout page offers: these things, for this customer, at this total. It comes back signed when they agree.

So the order that is placed is the one that was shown, whatever another tab has done to the cart meanwhile, and its key
follows from it: the same cart at the same total is the same purchase, however often it is sent.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from services.frontend.model.cart import Cart


@dataclass(frozen=True, slots=True)
class Offer:
    cart_id: str
    customer_id: UUID
    lines: tuple[tuple[int, int], ...]  # product and quantity
    total_cents: int

    @classmethod
    def of(cls, cart: Cart, customer_id: UUID, total_cents: int) -> Self:
        return cls(cart.id, customer_id, tuple((line.product_id, line.qty) for line in cart.lines), total_cents)

    @property
    def key(self) -> str:
        """The Idempotency-Key of the order."""
        meaning = [self.cart_id, sorted(self.lines), self.total_cents]
        return f"web-{hashlib.sha256(json.dumps(meaning).encode()).hexdigest()[:40]}"

    @property
    def product_ids(self) -> Iterable[int]:
        return [product_id for product_id, _ in self.lines]

    def text(self) -> str:
        return json.dumps([self.cart_id, self.customer_id.hex, self.lines, self.total_cents], separators=(",", ":"))

    @classmethod
    def of_text(cls, text: str) -> Self | None:
        try:
            cart_id, customer, lines, total = json.loads(text)
            return cls(str(cart_id), UUID(hex=customer), tuple((int(p), int(q)) for p, q in lines), int(total))
        except (ValueError, TypeError, AttributeError):
            return None
