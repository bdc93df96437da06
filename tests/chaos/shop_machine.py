"""What both machines have: a shop of four products beside its model, and people who count, edit and archive."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from scripts.invariants import INVARIANTS
from services.chassis.database import Database
from tests.chaos.product import Product
from tests.chaos.shelf import Answer, Shelf, Steps, Wanted, alone

places = st.integers(0, 3)  # in `ShopMachine.products`
keys = st.sampled_from("ab")
deltas = st.sampled_from([-5, -2, -1, 1, 2, 5, 20])
stocks = st.sampled_from([0, 3, 6, 9, 30])
baskets = st.dictionaries(places, st.integers(1, 4), min_size=1, max_size=2)  # place: quantity
# Few rules, so that the ones that matter most are not lost among them.
doings = st.one_of(
    st.tuples(st.just("change_stock"), places, keys, deltas, st.sampled_from(["count", "delivery"])),
    st.tuples(st.just("edit"), places, st.integers(0, 3)),
    st.tuples(st.sampled_from(["archive", "edit"]), places),
    st.tuples(st.just("sweep")),
)


class ShopMachine(RuleBasedStateMachine):
    """One example."""

    def __init__(self, runner: asyncio.Runner, product: Product, admin: Database) -> None:
        super().__init__()
        self.run = runner.run
        self.product = product
        self.admin = admin
        self.shelf = Shelf()
        self.products: list[int] = []

    @initialize(stocks=st.tuples(*[stocks] * 4))
    def open(self, stocks: Sequence[int]) -> None:
        self.run(self.product.empty())
        for price, stock in enumerate(stocks, 1):
            product_id = self.run(self.product.add(stock, price))
            self.products.append(product_id)
            self.shelf.add(product_id, stock, price)

    @rule(doing=doings)
    def manage(self, doing: tuple[Any, ...]) -> None:
        """Staff count what is there, edit, archive and put back; and the sweeper comes by."""
        match doing:
            case ("change_stock", place, *change):
                self.both("change_stock", self.products[place], *change)
            case ("archive", place):
                self.both("archive", self.products[place])
            case ("edit", place, *price):
                self.both("edit", self.products[place], True, *price)
            case _:
                assert self.answer(self.product.sweep()) == alone(self.shelf.sweep(self.shelf.overdue()))

    def both(self, name: str, *arguments: Any) -> None:
        """A use case and its model, which must answer the same."""
        real: Callable[..., Awaitable[Answer]] = getattr(self.product, name)
        modelled: Callable[..., Steps] = getattr(self.shelf, name)
        assert self.answer(real(*arguments)) == alone(modelled(*arguments)), (name, *arguments)

    def answer(self, work: Awaitable[Answer]) -> Answer:
        async def answered() -> Answer:
            return await work

        return self.run(answered())

    def wanted(self, basket: dict[int, int]) -> Wanted:
        return tuple(sorted((self.products[place], qty) for place, qty in basket.items()))

    async def broken(self, names: set[str]) -> list[str]:
        """The rows that break an invariant."""
        queries = [invariant.sql for invariant in INVARIANTS if invariant.name in names]
        async with self.admin.connection() as connection:
            found = await asyncio.gather(*(connection.fetch(sql) for sql in queries))
        return [row for rows in found for (row,) in rows]
