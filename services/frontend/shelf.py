"""Copies of what was read lately, for moments when it cannot be read. Never used while the source gives an answer."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT_SECONDS = 30.0
ENTRIES = 256
ENTRY_BYTES = 128 * 1024


class Shelf(Generic[T]):
    """At most 256 copies of at most 128 KiB, the oldest goes first; each serves for thirty seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[T, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, key: str, value: T, *, size: int) -> None:
        self.drop(key)
        if size > ENTRY_BYTES:
            return
        self._kept[key] = (value, self._clock())
        if len(self._kept) > ENTRIES:
            self._kept.popitem(last=False)

    def find(self, key: str) -> tuple[T, int] | None:
        """A copy and its age in whole seconds."""
        if key not in self._kept:
            return None
        value, put_at = self._kept[key]
        age = self._clock() - put_at
        if age > KEPT_SECONDS:
            self.drop(key)
            return None
        return value, int(age)

    def drop(self, key: str) -> None:
        self._kept.pop(key, None)
