"""The weights of a load balancer that tells them: the one of a developer's machine. On AWS nothing asks."""

from collections.abc import Mapping
from typing import Protocol

from services.chassis.errors import Unavailable
from services.chassis.upstream import Upstream

Shares = Mapping[str, Mapping[str, int]]
"""By service and runtime."""

SECONDS = 1.0


class Weights(Protocol):
    async def read(self) -> Shares | None:
        """None when they cannot be had. Raises nothing."""


class HttpWeights:
    def __init__(self, control: Upstream) -> None:
        self._control = control

    async def read(self) -> Shares | None:
        try:
            answer = await self._control.request(
                "GET", "/status", headers={"Accept": "application/json"}, timeout=SECONDS
            )
            if answer.status != 200:
                return None
            return {
                str(service): {str(runtime): int(weight) for runtime, weight in shares.items()}
                for service, shares in answer.json()["weights"].items()
            }
        except (Unavailable, ValueError, KeyError, TypeError, AttributeError):
            return None
