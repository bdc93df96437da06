"""How long answers took lately, so that the status page can say what visitors feel."""

import time
from collections import deque
from collections.abc import Callable

MINUTES = 5
KEPT = 2000  # of a busy shop these are the last seconds, which is what counts there


class Latency:
    """The last 2,000 answers of the last five minutes."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def add(self, seconds: float) -> None:
        self._taken.append((self._clock(), seconds))

    @property
    def p95_ms(self) -> float | None:
        """Milliseconds within which 95 of 100 answers came; None when nothing was asked."""
        since = self._clock() - MINUTES * 60
        taken = sorted(seconds for at, seconds in self._taken if at >= since)
        return round(taken[-(-95 * len(taken) // 100) - 1] * 1000, 1) if taken else None
