"""What the operations app works with in a test: a clock that is set, a list of what was told, metrics to read."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.config import Config
from chalicelib.messages import Message
from chalicelib.operations import Operations, Time

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Stage:
    """`remaining` is what every question for the time that is left gets, or a function that says it."""

    config: Config
    client: Callable[[str], Any]
    now: datetime = NOON
    remaining: Callable[[], float] = lambda: 300.0
    told: list[Message] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    slack: BaseException | None = None

    @property
    def operations(self) -> Operations:
        time = Time(now=lambda: self.now, sleep=_never, remaining=self.remaining)
        return Operations(config=self.config, count=self._count, time=time, client=self.client, announce=self._announce)

    def wait(self, **duration: float) -> None:
        self.now += timedelta(**duration)

    def _announce(self, message: Message) -> None:
        if self.slack:
            raise self.slack
        self.told.append(message)

    def _count(self, name: str, value: float = 1, **dimensions: str) -> None:
        of = ",".join(f"{key}={text}" for key, text in sorted(dimensions.items()))
        self.counted[f"{name}({of})" if of else name] += value  # type: ignore[assignment] # a state is a float


def _never(_: float) -> None:
    raise AssertionError("nobody sleeps")
