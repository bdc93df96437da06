"""Hypothesis drives the product service and a model of it side by side, one use case at a time and several at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations, permutations
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.chaos.interleaving import Act, explained
from tests.chaos.product import Product
from tests.chaos.shelf import Answer, Shelf, Steps
from tests.chaos.shop_machine import ShopMachine, baskets, deltas, keys, places

UNKNOWN = 999_999_999

ids = st.integers(1, 5).map(lambda number: UUID(int=number))  # few, so that most are met again
releases = st.sampled_from(["timed-out", "price-changed", "cancelled"])
returns = st.sampled_from(["cancel", "refund"])

MOST_STEPS = {"reserve": 2, "confirm": 2, "release": 3, "give_back": 2, "change_stock": 2, "archive": 1}
calls = st.one_of(
    st.tuples(st.just("reserve"), ids, baskets),
    st.tuples(st.just("confirm"), ids),
    st.tuples(st.just("release"), ids, releases),
    st.tuples(st.just("give_back"), ids, returns),
    st.tuples(st.just("change_stock"), places, keys, deltas, st.just("count")),
    st.tuples(st.just("archive"), places),
)


@dataclass(frozen=True, slots=True)
class Call:
    """A use case with its arguments: to be run, and to be modelled."""

    name: str
    arguments: tuple[Any, ...]

    def real(self, product: Product) -> Awaitable[Answer]:
        method: Callable[..., Awaitable[Answer]] = getattr(product, self.name)
        return method(*self.arguments)

    def modelled(self, shelf: Shelf) -> Steps:
        method: Callable[..., Steps] = getattr(shelf, self.name)
        return method(*self.arguments)


class ProductMachine(ShopMachine):
    """Five reservation ids, so that everything happens to each of them."""

    @rule(call=calls)
    def one(self, call: tuple[Any, ...]) -> None:
        chosen = self._call(*call)
        self.both(chosen.name, *chosen.arguments)

    @rule(id_=ids, basket=baskets)
    def reserve(self, id_: UUID, basket: dict[int, int]) -> None:
        self.both("reserve", id_, self.wanted(basket))

    @rule(id_=ids)
    def time_runs_out(self, id_: UUID) -> None:
        self.run(self.product.expire(id_))
        self.shelf.expire(id_)

    @rule(id_=ids, basket=baskets)
    def use_what_does_not_exist(self, id_: UUID, basket: dict[int, int]) -> None:
        self.both("reserve", id_, (*self.wanted(basket), (UNKNOWN, 1)))
        self.both("confirm", UUID(int=0))
        self.both("give_back", UUID(int=0), "cancel")
        self.both("archive", UNKNOWN)
        self.both("edit", UNKNOWN, True)
        self.both("change_stock", UNKNOWN, "a", 1, "count")

    @rule(wanted=st.lists(calls, min_size=2, max_size=3), sweeping=st.booleans())
    def at_once(self, wanted: list[tuple[Any, ...]], sweeping: bool) -> None:
        """In PostgreSQL they run truly side by side, on connections of their own."""
        started = [self._call(*call) for call in wanted[: 2 if sweeping else 3]]
        answers = self.run(self._gathered(started, sweeping=sweeping))
        after = self.run(self.product.state())
        acts = [Act(call.modelled, MOST_STEPS[call.name]) for call in started]
        for sweeper in self._sweepers() if sweeping else [()]:
            if shelf := explained(self.shelf, [*acts, *sweeper], answers, after):
                self.shelf = shelf
                return
        raise AssertionError(f"no order of their steps explains {answers} and {after}")

    async def _gathered(self, started: list[Call], *, sweeping: bool) -> list[Answer]:
        works = [call.real(self.product) for call in started]
        return await asyncio.gather(*works, *([self.product.sweep()] if sweeping else []))

    def _sweepers(self) -> Iterator[tuple[Act, ...]]:
        """A sweeper passes by what others have locked: it may find any part of what is overdue."""
        overdue = self.shelf.overdue()
        for size in range(len(overdue), -1, -1):
            for found in chain.from_iterable(permutations(part) for part in combinations(overdue, size)):
                yield (Act(lambda shelf, found=found: shelf.sweep(found), size + 1),)  # type: ignore[misc]

    @invariant()
    def the_shop_is_as_the_model_says(self) -> None:
        assert self.run(self.product.state()) == self.shelf.state()
        assert self.run(self.broken({"I1", "I2", "I3"})) == []

    def _call(self, name: str, *arguments: Any) -> Call:
        """A call in terms of products and lines from one in terms of places and baskets."""
        if name in {"change_stock", "archive"}:
            arguments = (self.products[arguments[0]], *arguments[1:])
        return Call(name, tuple(self.wanted(part) if isinstance(part, dict) else part for part in arguments))
