"""Metrics that can be asked what was counted."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Metrics:
    """`counted` sums by name; dimensions become part of it: `Moved service=product`."""

    counted: Counter[str] = field(default_factory=Counter)

    def __call__(self, name: str, value: float = 1, **dimensions: str) -> None:
        key = " ".join([name, *(f"{key}={text}" for key, text in sorted(dimensions.items()))])
        self.counted[key] += int(value)
