"""What an app does besides answering. Beside a server it goes on for ever; on Lambda a schedule asks for one round."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import DomainError
from services.chassis.logs import logger
from services.chassis.metrics import BACKGROUND_FAILURES, Observe, unheard
from services.chassis.tracing import Tracing

Step = Callable[[], Awaitable[Any]]

log = logger("background")


@dataclass(frozen=True, slots=True)
class Repeated:
    """Work to be done every so many seconds, beside the requests. What the step returns is true when there was any."""

    step: Step
    every: float

    async def loop(self, name: str, tracing: Tracing, observe: Observe = unheard) -> None:
        """Do it for ever; a failure is logged and not the last word."""
        while True:
            await asyncio.sleep(self.every * random.uniform(0.8, 1.2))  # so that tasks started together drift apart
            await self.once(name, tracing, observe)

    async def once(self, name: str, tracing: Tracing, observe: Observe = unheard) -> bool:
        """Do it, and say whether it succeeded; why it did not is in the log, that it did not in the metrics."""
        with tracing.start_work(name) as work:
            try:
                work.worthwhile |= bool(await self.step())
            except DomainError as error:
                work.failed(error)
                log.warning("background step failed", step=name, error=str(error))
            except Exception as error:
                work.failed(error)
                log.error("background step failed", step=name, exc_info=True)
            else:
                return True
        observe(BACKGROUND_FAILURES, 1, name)
        return False


@dataclass(frozen=True, slots=True)
class Chores:
    """What an app does besides answering: background steps by name, each a trace of its own, and what closes it."""

    background: Mapping[str, Repeated]
    close: Sequence[Step]
    tracing: Tracing
    observe: Observe = unheard

    def loops(self) -> list[Coroutine[Any, Any, None]]:
        """Every background step again and again, to be started side by side."""
        return [repeated.loop(name, self.tracing, self.observe) for name, repeated in self.background.items()]

    async def run(self) -> dict[str, bool]:
        """Every background step once, one after the other; which of them succeeded."""
        return {
            name: await repeated.once(name, self.tracing, self.observe) for name, repeated in self.background.items()
        }
