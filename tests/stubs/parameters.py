"""Powertools' provider of secrets, out of a dictionary that a test can change or take away."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Secrets:
    """`values` by name. With `reachable` off every question fails; `asked` counts those that skipped the cache."""

    values: dict[str, str] = field(default_factory=dict)
    reachable: bool = True
    asked: int = 0
    _cached: dict[str, str] = field(default_factory=dict)

    def get(self, name: str, *, max_age: int, force_fetch: bool) -> str:
        assert max_age > 0
        if name in self._cached and not force_fetch:
            return self._cached[name]
        self.asked += 1
        if not self.reachable:
            raise ConnectionError("the store cannot be reached")
        self._cached[name] = self.values[name]
        return self._cached[name]

    def expire(self) -> None:
        self._cached.clear()
