"""People and processes that a test moves one step at a time: each stands still at every point until told to go on."""

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any

from tests.services.order.fakes import Killed

_actor: ContextVar["Actor | None"] = ContextVar("actor", default=None)


async def reach(point: str) -> None:
    """What `WatchedCatalog` and `WatchedDatabase` call; outside of actors it only passes."""
    actor = _actor.get()
    if actor is not None:
        await actor.stand(point)


class Actor:
    """Somebody at work. Belongs to the loop that `go` runs on."""

    def __init__(self, kind: str, work: Coroutine[Any, Any, Any], **facts: Any) -> None:
        self.kind = kind
        self.facts: dict[str, Any] = facts  # what the test knows about it
        self.point = ""  # where it stands; "" when it has not begun or is done
        self._work = work
        self._task: asyncio.Task[Any] | None = None
        self._standing = asyncio.Event()
        self._may_go = asyncio.Event()
        self._killed = False

    @property
    def done(self) -> bool:
        return self._task is not None and self._task.done()

    async def stand(self, point: str) -> None:
        self.point = point
        self._standing.set()
        await self._may_go.wait()
        self._may_go.clear()
        self.point = ""
        if self._killed:
            raise Killed

    async def go(self) -> None:
        """On to the next point, or to the end."""
        if self._task is None:
            token = _actor.set(self)
            self._task = asyncio.create_task(self._work)
            _actor.reset(token)
        self._standing.clear()
        self._may_go.set() if self.point else None
        standing = asyncio.create_task(self._standing.wait())
        async with asyncio.timeout(10):
            await asyncio.wait({self._task, standing}, return_when=asyncio.FIRST_COMPLETED)
        standing.cancel()

    async def die(self) -> None:
        """As a process dies: where it stands, without another word."""
        self._killed = True
        if self._task is None:
            self._work.close()
            return
        while not self.done:
            await self.go()
        assert isinstance(self._task.exception(), Killed)

    def outcome(self) -> Any:
        """The result of the work, or the exception it ended with."""
        assert self._task is not None
        return self._task.exception() or self._task.result()
