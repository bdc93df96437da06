"""A cart: what a visitor means to buy, and what they were shown when they decided to.

It lives with the visitor, in a signed cookie, so it is small and holds nothing that decides anything: prices here are
those that were seen, for saying what changed. What is charged is the order service's own answer.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import uuid4

from services.chassis.errors import Invalid

MAX_LINES = 50  # as many as an order takes
MAX_QTY = 1000
NAME_LENGTH = 40
ROOM = 2600  # bytes of text: as a signed cookie it stays below the 4096 that browsers keep


class CartFull(Invalid):
    code = "cart-full"
    title = "A cart holds up to fifty different things"


@dataclass(frozen=True, slots=True)
class Line:
    """`seen_cents` and `name` are what the visitor was shown; the name may be cut, or empty for want of room."""

    product_id: int
    qty: int
    seen_cents: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Cart:
    """`id` names the purchase that this cart will become: it is new after each one, so that none is made twice."""

    id: str
    lines: tuple[Line, ...] = ()

    @classmethod
    def empty(cls) -> Self:
        return cls(uuid4().hex)

    @property
    def count(self) -> int:
        return sum(line.qty for line in self.lines)

    def quantity(self, product_id: int) -> int:
        return next((line.qty for line in self.lines if line.product_id == product_id), 0)

    def put(self, line: Line) -> Self:
        """With so many of a product and no other number, in the place where it stood. Raises CartFull."""
        if line.qty < 1:
            return self.without([line.product_id])
        line = replace(line, qty=min(line.qty, MAX_QTY), name=line.name[:NAME_LENGTH])
        if not self.quantity(line.product_id):
            if len(self.lines) == MAX_LINES:
                raise CartFull
            return replace(self, lines=(*self.lines, line))
        return replace(self, lines=tuple(line if old.product_id == line.product_id else old for old in self.lines))

    def without(self, product_ids: Iterable[int]) -> Self:
        gone = set(product_ids)
        return replace(self, lines=tuple(line for line in self.lines if line.product_id not in gone))

    def renewed(self) -> Self:
        """The same things, meant for another purchase."""
        return replace(self, id=uuid4().hex)

    def merged(self, other: Self) -> Self:
        """Both carts, the greater number where both have a product; what does not fit is left out."""
        both = self
        for line in other.lines:
            if line.qty > both.quantity(line.product_id) and (both.quantity(line.product_id) or len(both) < MAX_LINES):
                both = both.put(line)
        return both

    def __len__(self) -> int:
        return len(self.lines)

    def text(self) -> str:
        """What `of_text` reads. Names are left out from the end when there is no room for them."""
        lines: list[list[Any]] = [[line.product_id, line.qty, line.seen_cents, line.name] for line in self.lines]
        for line in reversed(lines):
            if len(_json([self.id, lines]).encode()) <= ROOM:
                break
            line[3] = ""
        return _json([self.id, lines])

    @classmethod
    def of_text(cls, text: str) -> Self:
        """The cart that was written; a text of another time, whose shape is not ours, is an empty one."""
        try:
            identifier, lines = json.loads(text)
            return cls(str(identifier), tuple(Line(int(p), int(q), int(c), str(n)) for p, q, c, n in lines))
        except (ValueError, TypeError):
            return cls.empty()


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
