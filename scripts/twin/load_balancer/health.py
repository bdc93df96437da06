"""Health checks: one task per target, asking as the load balancer asks, only more often."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp

from scripts.twin.deployment.values import HealthCheck
from scripts.twin.load_balancer.targets import Group, Target

HURRY = 5.0
"""Health checks run so many times as often as the template says: a developer should not wait for what costs nothing."""

FIRST = 0.2  # seconds between checks of a target that has not been healthy yet
HEADERS = {"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"}

Changed = Callable[[Group, Target], None]
Check = Callable[[Group, Target], Awaitable[str]]


async def watch(group: Group, target: Target, check: Check, hurry: float, changed: Changed) -> None:
    """Ask for ever, and keep the target's state; a change is told to whoever listens, except while it starts."""
    starting = True
    pause = group.value.health.interval / hurry
    while True:
        before = target.healthy
        target.note(await check(group, target), group.value.health)
        starting = starting and not target.healthy
        if target.healthy != before and not starting:
            changed(group, target)
        await asyncio.sleep(min(FIRST, pause) if starting else pause)


async def ask(session: aiohttp.ClientSession, address: str, health: HealthCheck) -> str:
    """Empty when the answer is a good one, else the reason code of DescribeTargetHealth."""
    limit = aiohttp.ClientTimeout(total=health.timeout)
    try:
        async with session.get(
            f"http://{address}{health.path}", headers=HEADERS, timeout=limit, allow_redirects=False
        ) as answer:
            return "" if fits(answer.status, health.codes) else "Target.ResponseCodeMismatch"
    except TimeoutError:
        return "Target.Timeout"
    except (aiohttp.ClientError, OSError):
        return "Target.FailedHealthChecks"


def fits(status: int, codes: str) -> bool:
    """Whether the matcher, such as `200,202` or `200-299`, takes the status."""
    for code in codes.split(","):
        first, _, last = code.partition("-")
        if int(first) <= status <= int(last or first):
            return True
    return False
