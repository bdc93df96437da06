"""What an app does besides answering. Beside a server it goes on for ever; on Lambda a schedule asks for one round."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import DomainError
from services.chassis.logs import logger
from services.chassis.metrics import BACKGROUND_FAILURES, Observe, unheard

Step = Callable[[], Awaitable[Any]]

log = logger("background")


@dataclass(frozen=True, slots=True)
class Repeated:
    """Work to be done every so many seconds, beside the requests."""

    step: Step
    every: float

    async def loop(self, name: str, observe: Observe = unheard) -> None:
        """Do it for ever; a failure is logged and not the last word."""
        while True:
            await asyncio.sleep(self.every * random.uniform(0.8, 1.2))  # so that tasks started together drift apart
            await self.once(name, observe)

    async def once(self, name: str, observe: Observe = unheard) -> bool:
        """Do it, and say whether it succeeded; why it did not is in the log, that it did not in the metrics."""
        try:
            await self.step()
        except DomainError as error:
            log.warning("background step failed", step=name, error=str(error))
        except Exception:
            log.error("background step failed", step=name, exc_info=True)
        else:
            return True
        observe(BACKGROUND_FAILURES, 1, name)
        return False


@dataclass(frozen=True, slots=True)
class Chores:
    """What an app does besides answering: background steps by name, and what closes it."""

    background: Mapping[str, Repeated]
    close: Sequence[Step]
    observe: Observe = unheard

    async def run(self) -> dict[str, bool]:
        """Every background step once, one after the other; which of them succeeded."""
        return {name: await repeated.once(name, self.observe) for name, repeated in self.background.items()}
