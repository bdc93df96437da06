"""The product service in plain Python: what each use case must answer, and what it must leave behind.

A use case is written as the steps that PostgreSQL carries out one at a time, with a `yield` between them, so that the
same lines say what may happen alone and what may happen when several run at once.
"""

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

Answer = tuple[Any, ...]
Steps = Generator[None, None, Answer]
Wanted = tuple[tuple[int, int], ...]  # (product, quantity), ascending
MOST = 1_000_000_000


@dataclass(slots=True)
class Item:
    stock: int
    price: int
    active: bool = True


@dataclass(slots=True)
class Stored:
    """A reservation. A tombstone has no `wanted`, a refused one has no lines."""

    state: str
    wanted: Wanted | None = None
    lines: tuple[tuple[int, int, int], ...] = ()  # product, quantity, unit price
    reason: str | None = None
    product_ids: tuple[int, ...] | None = None
    overdue: bool = False

    def standing(self) -> Answer:
        if self.state == "released":
            return ("refused", self.reason, self.product_ids)
        if self.state == "returned":
            return ("refused", "returned", None)
        return (self.state, self.lines, sum(qty * price for _, qty, price in self.lines))


@dataclass(slots=True)
class Shelf:
    items: dict[int, Item] = field(default_factory=dict)
    reservations: dict[UUID, Stored] = field(default_factory=dict)
    changes: dict[tuple[int, str], tuple[int, str, int | None]] = field(default_factory=dict)
    ledger: Counter[tuple[int, int, str]] = field(default_factory=Counter)  # product, delta, reason

    def add(self, product_id: int, stock: int, price: int) -> None:
        self.items[product_id] = Item(stock, price)
        if stock:
            self.ledger[product_id, stock, "initial"] += 1

    # --- reservations ---------------------------------------------------------------------------------------------

    def reserve(self, reservation_id: UUID, wanted: Wanted) -> Steps:
        if reservation_id not in self.reservations:
            stored = self.reservations[reservation_id] = self._attempt(wanted)
            return ("made", *stored.standing()) if stored.state == "held" else stored.standing()
        yield
        stored = self.reservations[reservation_id]
        if stored.wanted is not None and stored.wanted != wanted:
            return ("refused", "key-reuse", None)
        answer = stored.standing()
        return answer if answer[0] == "refused" else ("known", *answer)

    def confirm(self, reservation_id: UUID) -> Steps:
        stored = self.reservations.get(reservation_id)
        if stored is not None and stored.state == "held":
            stored.state = "committed"
        yield
        stored = self.reservations.get(reservation_id)
        return stored.standing() if stored else ("refused", "not-found", None)

    def release(self, reservation_id: UUID, reason: str) -> Steps:
        self.reservations.setdefault(reservation_id, Stored("released", reason=reason))
        yield
        self._close(reservation_id, "held", "released", reason)
        yield
        return (self.reservations[reservation_id].state,)

    def give_back(self, reservation_id: UUID, reason: str) -> Steps:
        self._close(reservation_id, "committed", "returned", reason)
        yield
        stored = self.reservations.get(reservation_id)
        if stored is None:
            return ("refused", "not-found", None)
        return ("returned",) if stored.state == "returned" else ("refused", "not-committed", None)

    def expire(self, reservation_id: UUID) -> None:
        stored = self.reservations.get(reservation_id)
        if stored is not None and stored.state == "held":
            stored.overdue = True

    def overdue(self) -> list[UUID]:
        return [id_ for id_, stored in self.reservations.items() if stored.overdue and stored.state == "held"]

    def sweep(self, found: Sequence[UUID]) -> Steps:
        """`found` are the overdue ones that nobody else was busy with."""
        swept = 0
        for reservation_id in found:
            if self.reservations[reservation_id].state == "held":
                self._close(reservation_id, "held", "released", "reservation-expired")
                swept += 1
            yield
        return (swept,)

    # --- catalogue and stock --------------------------------------------------------------------------------------

    def change_stock(self, product_id: int, key: str, delta: int, reason: str) -> Steps:
        item = self.items.get(product_id)
        replayed = (product_id, key) in self.changes
        if item is not None and not replayed:
            left = item.stock + delta
            allowed = 0 <= left <= MOST
            self.changes[product_id, key] = (delta, reason, left if allowed else None)
            if allowed:
                self._move(product_id, delta, "change")
        yield
        recorded = self.changes.get((product_id, key))
        if recorded is None:
            return ("refused", "not-found", None)
        if recorded[:2] != (delta, reason):
            return ("refused", "key-reuse", None)
        if recorded[2] is None:
            return ("refused", "insufficient-stock" if delta < 0 else "stock-limit", None)
        return (recorded[2], replayed)

    def archive(self, product_id: int) -> Steps:
        yield from ()
        item = self.items.get(product_id)
        if item is None or not item.active:
            return ("refused", "not-found", None)
        item.active = False
        return ("done",)

    def edit(self, product_id: int, active: bool, price: int | None = None) -> Steps:
        item = self.items.get(product_id)
        if item is not None:
            item.active = active
            item.price = item.price if price is None else price
        yield
        item = self.items.get(product_id)
        return (item.stock, item.price, item.active) if item else ("refused", "not-found", None)

    # --- the state, comparable --------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        return {
            "products": {id_: (item.stock, item.price, item.active) for id_, item in self.items.items()},
            "reservations": {
                id_: (stored.state, stored.reason, stored.product_ids, stored.lines)
                for id_, stored in self.reservations.items()
            },
            "ledger": +self.ledger,
        }

    def _attempt(self, wanted: Wanted) -> Stored:
        items = [(self.items.get(product_id), product_id, qty) for product_id, qty in wanted]
        unknown = tuple(id_ for item, id_, _ in items if item is None or not item.active)
        short = tuple(id_ for item, id_, qty in items if item and item.active and item.stock < qty)
        if unknown or short:
            reason = "unknown-product" if unknown else "insufficient-stock"
            return Stored("released", wanted, (), reason, unknown or short)
        for _, product_id, qty in items:
            self._move(product_id, -qty, "reserve")
        return Stored("held", wanted, tuple((id_, qty, item.price) for item, id_, qty in items if item))

    def _close(self, reservation_id: UUID, was: str, state: str, reason: str) -> None:
        stored = self.reservations.get(reservation_id)
        if stored is None or stored.state != was:
            return
        stored.state, stored.reason = state, reason
        for product_id, qty, _ in stored.lines:
            self._move(product_id, qty, {"released": "release", "returned": "return"}[state])

    def _move(self, product_id: int, delta: int, reason: str) -> None:
        self.items[product_id].stock += delta
        if delta:
            self.ledger[product_id, delta, reason] += 1


def alone(steps: Steps) -> Answer:
    """The answer of a use case that nobody disturbs."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer
