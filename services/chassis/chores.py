"""What an app does besides answering. Beside a server it goes on for ever; on Lambda a schedule asks for one round."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import DomainError
from services.chassis.logs import logger

Step = Callable[[], Awaitable[Any]]

log = logger("background")


@dataclass(frozen=True, slots=True)
class Repeated:
    """Work to be done every so many seconds, beside the requests."""

    step: Step
    every: float

    async def loop(self, name: str) -> None:
        """Do it for ever; a failure is logged and not the last word."""
        while True:
            await asyncio.sleep(self.every * random.uniform(0.8, 1.2))  # so that tasks started together drift apart
            await self.once(name)

    async def once(self, name: str) -> bool:
        """Do it, and say whether it succeeded; why it did not is in the log."""
        try:
            await self.step()
        except DomainError as error:
            log.warning("background step failed", step=name, error=str(error))
        except Exception:
            log.error("background step failed", step=name, exc_info=True)
        else:
            return True
        return False


@dataclass(frozen=True, slots=True)
class Chores:
    """What an app does besides answering: background steps by name, and what closes it."""

    background: Mapping[str, Repeated]
    close: Sequence[Step]

    async def run(self) -> dict[str, bool]:
        """Every background step once, one after the other; which of them succeeded."""
        return {name: await repeated.once(name) for name, repeated in self.background.items()}
