"""Which requests are traced: decided at their head, by rules like those of X-Ray, before anything is made for a trace.

The decision has to be taken before anybody knows how the request will end, since the services behind it are told with
the first call. So an error is as likely to be traced as its path is, and not more.
"""

import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Clock = Callable[[], float]  # seconds
Chance = Callable[[], float]  # from 0 to 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`path` and `method` are patterns in which `*` stands for any text and `?` for any character.

    Of what fits, each process keeps `reservoir` requests a second (0.1: one in ten seconds), and of the rest the share
    `rate`.
    """

    path: str = "*"
    method: str = "*"
    reservoir: float = 0
    rate: float = 1.0


EVERYTHING = (Rule(),)


def read_rules(text: str) -> tuple[Rule, ...]:
    """The rules in a JSON list. Raises ValueError or TypeError."""
    rules = tuple(Rule(**entry) for entry in json.loads(text))
    for rule in rules:
        if not 0 <= rule.rate <= 1 or rule.reservoir < 0 or not isinstance(rule.path + rule.method, str):
            raise ValueError("a rule has a path, a method, a reservoir of 0 or more and a rate from 0 to 1")
    return rules


class Sampler:
    """The first rule that fits decides; what none fits is not kept."""

    def __init__(self, rules: Sequence[Rule], *, clock: Clock = time.monotonic, chance: Chance = random.random) -> None:
        self._rules = [
            (_pattern(rule.path), _pattern(rule.method), Reservoir(rule.reservoir, clock=clock), rule.rate)
            for rule in rules
        ]
        self._chance = chance

    def keeps(self, method: str, path: str) -> bool:
        for paths, methods, reservoir, rate in self._rules:
            if paths(path) and methods(method):
                return reservoir.take() or self._chance() < rate
        return False


@dataclass(slots=True)
class Reservoir:
    """So many a second, or one in so many seconds, and none saved for later."""

    size: float
    clock: Clock = field(default=time.monotonic, kw_only=True)
    _turn: int = -1
    _taken: int = 0

    def take(self) -> bool:
        if not self.size:
            return False
        turn = int(self.clock() * min(self.size, 1))
        if turn != self._turn:
            self._turn, self._taken = turn, 0
        if self._taken >= self.size:
            return False
        self._taken += 1
        return True


def _pattern(text: str) -> Callable[[str], object]:
    if text == "*":
        return lambda _: True
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL).fullmatch
