"""Saying no early and cheaply: so many requests per minute for each key, so many at once for the process.

Both live in the memory of one process. They keep a process well; they are not a quota across all of them.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from services.chassis.errors import TooManyRequests, Unavailable


class TokenBuckets:
    """A bucket of `burst` tokens for each key, refilled at `rate` a second; at most `keys` of them are remembered.

    A bucket is kept as the moment when it will be full again, the generic cell rate algorithm:
    https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
    """

    def __init__(
        self, *, rate: float, burst: int, clock: Callable[[], float] = time.monotonic, keys: int = 10_000
    ) -> None:
        self._interval = 1 / rate
        self._tolerance = (burst - 1) / rate + 1e-6  # sums of intervals round either way
        self._clock = clock
        self._keys = keys
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: Hashable) -> None:
        """Take a token. Raises TooManyRequests, which costs none, with the seconds until there is one."""
        now = self._clock()
        full_at = max(now, self._full_at.get(key, now))
        if full_at - now > self._tolerance:
            raise TooManyRequests(retry_after=max(1, math.ceil(full_at - now - self._tolerance)))
        self._full_at[key] = full_at + self._interval
        self._full_at.move_to_end(key)
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._full_at:
            key, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= self._keys:
                return
            del self._full_at[key]


class InFlight:
    """How many requests are being worked on; above the cap the answer is 503 at once."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._count = 0

    @contextmanager
    def slot(self, *, spare: int = 0) -> Iterator[None]:
        """A place for one request. What matters less leaves `spare` places to what matters more.

        Where there are no more places than that (a function has one connection and one request at a time), one of them
        is for everything.
        """
        if self._count >= max(self._cap - spare, 1):
            raise Unavailable("Too much is being done already", retry_after=1)
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
