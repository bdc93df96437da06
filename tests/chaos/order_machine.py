"""Hypothesis drives the whole order protocol one step at a time: customers, reconcilers and staff stand still, go on
or die at any point, calls get lost on either way, leases and reservations run out, prices and stock change meanwhile.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from services.chassis.database import Database
from services.chassis.errors import DomainError
from services.order import service
from services.order.catalog import HttpCatalog
from services.order.model import InProgress, Intent, KeyReuse, Line, Order, TooManyPending
from services.order.service import Placed
from tests.chaos.actors import Actor, reach
from tests.chaos.loopback import FATES, Loopback
from tests.chaos.product import Product
from tests.chaos.shop_machine import ShopMachine, baskets
from tests.services.order.fakes import WatchedCatalog, WatchedDatabase

# One step each; the picture is in services/order/model.py.
MOVES = {
    "pending": {"rejected", "confirmed"},
    "confirmed": {"shipped", "cancelling", "refunding"},
    "shipped": {"refunding"},
    "cancelling": {"cancelled"},
    "refunding": {"refunded"},
}
UNFINISHED = {"pending", "cancelling", "refunding"}
# What each change may start from, or may have led to before.
CHANGES = {
    "cancel": {"confirmed", "cancelling", "cancelled"},
    "refund": {"confirmed", "shipped", "refunding", "refunded"},
    "ship": {"confirmed", "shipped"},
}
ALWAYS = {f"I{number}" for number in range(1, 9)}  # I9 is about clocks, which this test turns

customers = st.integers(1, 2).map(lambda number: UUID(int=number))
far = st.one_of(st.integers(0, 7), st.just(50))  # points to pass, or all of them
fates = st.sampled_from(["answered", "answered", "answered", *FATES])
some = st.integers(0, 9)  # an actor or an order, counted from the first
expectations = st.sampled_from([None, None, None, None, 2, 4])
changes = st.sampled_from(["cancel", "cancel", "refund", "ship"])
beginnings = st.one_of(
    st.tuples(st.just("place"), customers, st.sampled_from([True, True, True, False]), baskets, expectations),
    st.tuples(st.just("place"), customers, st.just(True), baskets, st.none()),
    st.tuples(st.just("repeat"), some),
    st.tuples(st.just("reconcile")),
    st.tuples(st.just("change"), changes, some),
)


@dataclass(frozen=True, slots=True)
class Row:
    """An order as it is stored."""

    id: UUID
    customer_id: UUID
    key: str
    fingerprint: bytes
    status: str
    code: str | None
    lease_until: datetime


class OrderMachine(ShopMachine):
    """One example: two customers, up to four actors at work at a time."""

    def __init__(
        self, runner: asyncio.Runner, product: Product, admin: Database, orders: WatchedDatabase, line: Loopback
    ) -> None:
        super().__init__(runner, product, admin)
        self._orders = orders
        self._line = line
        line.shelf, line.closed, line.fate = self.shelf, False, "answered"
        self._catalog = WatchedCatalog(HttpCatalog(line), reach)
        self._actors: list[Actor] = []
        self._rows: list[Row] = []
        self._intents: dict[tuple[UUID, str, bytes], Intent] = {}
        self._told: dict[tuple[UUID, str], tuple[str, Any]] = {}  # what a customer has been promised
        self._keys = 0
        self._numbers = itertools.count(1)

    # --- who begins something, and how it goes on -------------------------------------------------------------------

    @precondition(lambda self: len(self._actors) < 4)
    @rule(what=beginnings, steps=far, fate=fates)
    def begin(self, what: tuple[Any, ...], steps: int, fate: str) -> None:
        """`fate` is that of the next call to the product service, whoever makes it."""
        self._line.fate = fate
        kind, *arguments = what
        actor: Actor | None = getattr(self, f"_{kind}")(*arguments)
        if actor is not None:
            self._actors.append(actor)
            self._steps(actor, steps)

    @precondition(lambda self: self._actors)
    @rule(which=some, steps=far, fate=fates, dies=st.sampled_from([False, False, False, True]))
    def go_on(self, which: int, steps: int, fate: str, dies: bool) -> None:
        self._line.fate = fate
        actor = self._actors[which % len(self._actors)]
        self._steps(actor, steps + (not dies))
        if dies and actor in self._actors:
            self._actors.remove(actor)
            self.run(actor.die())

    @precondition(lambda self: self._rows)
    @rule(what=st.sampled_from(["leases", "leases", "minute", "reservation", "breaker"]), which=some)
    def time_runs_out(self, what: str, which: int) -> None:
        if what == "breaker":
            self._line.closed = not self._line.closed
        elif what == "reservation":
            order_id = self._rows[which % len(self._rows)].id
            self.run(self.product.expire(order_id))
            self.shelf.expire(order_id)
        else:
            self.run(self._end_leases(old=what == "minute"))

    def _place(self, customer: UUID, fresh: bool, basket: dict[int, int], expected: int | None) -> Actor:
        """A new wish; under a key that may have been used, unless it is `fresh`."""
        self._keys += fresh
        intent = Intent(
            id=UUID(int=next(self._numbers)),
            customer_id=customer,
            key=str(self._keys),
            lines=tuple(Line(*line) for line in self.wanted(basket)),
            expected_total_cents=expected,
        )
        self._intents.setdefault((customer, intent.key, intent.fingerprint), intent)
        return self._placing(intent)

    def _repeat(self, which: int) -> Actor | None:
        """A customer asks again, because the answer was lost or to see what becomes of it."""
        intents = list(self._intents.values())
        return self._placing(intents[which % len(intents)]) if intents else None

    def _reconcile(self) -> Actor:
        return Actor("reconcile", service.reconcile_once(self._orders, self._catalog))

    def _change(self, kind: str, which: int) -> Actor | None:
        rows = [row for row in self._rows if row.status != "rejected"] or self._rows
        if not rows:
            return None
        row = rows[which % len(rows)]
        return Actor(kind, self._changing(kind, row), order_id=row.id)

    def _placing(self, intent: Intent) -> Actor:
        work = service.place_order(self._orders, self._catalog, intent)
        return Actor("place", work, intent=intent, breaker=self._line.closed)

    def _changing(self, kind: str, row: Row) -> Coroutine[Any, Any, Order]:
        if kind == "cancel":
            return service.cancel_order(self._orders, self._catalog, row.id, owner=row.customer_id, actor="customer")
        if kind == "refund":
            return service.refund_order(self._orders, self._catalog, row.id, actor="admin:a")
        return service.ship_order(self._orders, row.id, tracking=None, actor="admin:a")

    # --- what must hold after every step --------------------------------------------------------------------------

    @invariant()
    def everything_is_as_it_must_be(self) -> None:
        known = {row.id: row.status for row in self._rows}
        self._rows = self.run(self._read())
        for row in self._rows:
            assert row.status in _reachable(known.get(row.id, "pending")), f"{known.get(row.id)} became {row.status}"
        assert len(known.keys() - {row.id for row in self._rows}) == 0
        assert self.run(self.product.state()) == self.shelf.state()
        assert self.run(self.broken(ALWAYS)) == []

    def teardown(self) -> None:
        """Everybody dies, and whoever comes after them finishes everything; then what was promised must be true."""
        for actor in self._actors:
            self.run(actor.die())
        if sys.exception() is not None:  # the example failed, or was given up
            return
        self._line.closed, self._line.fate = False, "answered"
        self.run(self._heal())
        self.everything_is_as_it_must_be()
        assert {row.status for row in self._rows} & UNFINISHED == set()
        assert "held" not in {stored.state for stored in self.shelf.reservations.values()}
        assert self.run(self.broken({"I4", "I9"})) == []
        for intent in self._intents.values():
            self._steps(self._placing(intent), 50)

    async def _heal(self) -> None:
        rounds = 0
        while any(row.status in UNFINISHED for row in await self._read()):
            rounds += 1
            assert rounds < 4, "the reconciler does not finish"
            await self._end_leases(old=False)
            await service.reconcile_once(self._orders, self._catalog)

    # --- actors and their answers ---------------------------------------------------------------------------------

    def _steps(self, actor: Actor, steps: int) -> None:
        """To the first point and `steps` further, or to the end, where its answer is checked."""
        for _ in range(steps + (not actor.point)):
            self._note(actor)
            self.run(actor.go())
            if actor.done:
                self._check(actor)
                if actor in self._actors:
                    self._actors.remove(actor)
                return

    def _note(self, actor: Actor) -> None:
        """What the statement will find that an actor is about to send."""
        if actor.point == "before-T1":
            customer = actor.facts["intent"].customer_id
            rows = self.run(self._read())
            actor.facts["pending"] = sum(row.customer_id == customer and row.status == "pending" for row in rows)
        if actor.point == "before-move" and actor.kind in CHANGES:
            actor.facts.setdefault("was", self._row(actor.facts["order_id"]).status)

    def _check(self, actor: Actor) -> None:
        outcome = actor.outcome()
        if actor.kind == "place":
            self._check_placed(actor.facts, outcome)
        elif actor.kind in CHANGES:
            allowed = actor.facts["was"] in CHANGES[actor.kind]
            assert isinstance(outcome, Order if allowed else DomainError), (actor.kind, actor.facts["was"], outcome)
            if allowed:
                assert outcome.status == self._row(actor.facts["order_id"]).status
        else:
            assert isinstance(outcome, int), outcome

    def _check_placed(self, facts: Mapping[str, Any], outcome: object) -> None:
        intent: Intent = facts["intent"]
        row = self._under(intent.customer_id, intent.key)
        if isinstance(outcome, Placed):
            assert row is not None
            assert (row.id, row.fingerprint) == (outcome.order.id, intent.fingerprint)
            self._check_promise(row, outcome.order)
        elif isinstance(outcome, KeyReuse):
            assert row is not None
            assert row.fingerprint != intent.fingerprint
        elif isinstance(outcome, InProgress):
            assert row is not None
            assert (row.status, row.fingerprint) == ("pending", intent.fingerprint)
            assert facts["breaker"] or row.lease_until > datetime.now(UTC), "nobody drives it and nobody may"
        elif isinstance(outcome, TooManyPending):
            assert row is None
            assert facts["pending"] == 3
        else:
            assert isinstance(outcome, DomainError), outcome
            assert (outcome.code, row) == ("unavailable", None)
            assert facts["breaker"]

    def _check_promise(self, row: Row, order: Order) -> None:
        if order.status == "pending":
            assert row.status == "pending"
            return
        if order.reject_code is not None:
            promise: tuple[str, Any] = ("rejected", order.reject_code)
            assert (row.status, row.code) == promise
        else:
            document = json.loads(order.body)
            del document["created_at"]  # which running out of time changes
            promise = ("confirmed", document)
            assert document["status"] == "confirmed"
            assert row.status not in {"pending", "rejected"}
        assert self._told.setdefault((row.customer_id, row.key), promise) == promise

    # --- what is stored -------------------------------------------------------------------------------------------

    def _row(self, order_id: UUID) -> Row:
        return next(row for row in self.run(self._read()) if row.id == order_id)

    def _under(self, customer_id: UUID, key: str) -> Row | None:
        rows = self.run(self._read())
        return next((row for row in rows if (row.customer_id, row.key) == (customer_id, key)), None)

    async def _read(self) -> list[Row]:
        async with self.admin.connection() as connection:
            rows = await connection.fetch(
                "SELECT id, customer_id, idem_key, fingerprint, status, reject_code, lease_until"
                "  FROM ordering.orders ORDER BY id"
            )
        return [Row(*row) for row in rows]

    async def _end_leases(self, *, old: bool) -> None:
        """With `old`, the minute in which an order is driven forward is over, too."""
        async with self.admin.connection() as connection:
            await connection.execute(
                "UPDATE ordering.orders SET lease_until = now() - interval '1 ms', created_at ="
                " CASE WHEN $1::boolean THEN least(created_at, now() - interval '61 s') ELSE created_at END",
                old,
            )


def _reachable(status: str) -> set[str]:
    return {status}.union(*(_reachable(following) for following in MOVES.get(status, ())))
