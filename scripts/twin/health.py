"""Health checks of the load balancer: one task per target, asking as the real one asks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from scripts.twin.routing import Target, TargetGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthChecks:
    interval: float = 1.0
    timeout: float = 1.0
    threshold: int = 2
    first_interval: float = 0.2  # a target that has just been registered is asked more often


Changed = Callable[[TargetGroup, Target], None]


async def watch(
    session: aiohttp.ClientSession, group: TargetGroup, target: Target, checks: HealthChecks, changed: Changed
) -> None:
    """Ask for ever, and keep the target's state; a change is told to whoever listens, except while it starts."""
    starting = True
    while True:
        before = target.healthy
        target.note(passed=await passes(session, group, target, checks.timeout), threshold=checks.threshold)
        starting = starting and not target.healthy
        if target.healthy != before and not starting:
            changed(group, target)
        await asyncio.sleep(checks.first_interval if starting else checks.interval)


async def passes(session: aiohttp.ClientSession, group: TargetGroup, target: Target, timeout: float) -> bool:  # noqa: ASYNC109
    headers = {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"}
    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        async with session.get(
            f"http://{target.address}{group.health_path}", headers=headers, timeout=limit, allow_redirects=False
        ) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
