"""What arrives: segments from the services, a datagram each, and from the load balancer the requests that have ended.

Reading a segment takes as long as passing on a request. So all of it waits as it came until somebody looks, and where
nobody ever does the oldest makes room.
"""

import asyncio
from collections import deque
from typing import Any

from scripts.twin.load_balancer.journal import Entry
from scripts.twin.traces.documents import BadDocument, parsed
from scripts.twin.traces.hops import hop
from scripts.twin.traces.store import Traces
from services.chassis import logs

WAITING = 5000
WAITING_BYTES = 8 * 1024 * 1024
BREATH = 100  # so many are read before others have their turn

log = logs.logger("traces")


class Inbox(asyncio.DatagramProtocol):
    """In the order of arrival, since the oldest traces are forgotten first."""

    def __init__(self, traces: Traces, *, waiting: int = WAITING, size: int = WAITING_BYTES) -> None:
        self._traces = traces
        self._limits = (waiting, size)
        self._waiting: deque[bytes | Entry] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def ended(self, entry: Entry) -> None:
        self._wait(entry, 0)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # noqa: ARG002 - all from here
        self._wait(data, len(data))

    async def read(self) -> Traces:
        """With everything that has arrived until now."""
        for count in range(len(self)):
            if count % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            if self._waiting:  # somebody else may be reading, too
                self._keep(self._take())
        return self._traces

    def _wait(self, what: bytes | Entry, size: int) -> None:
        self._waiting.append(what)
        self._size += size
        while len(self._waiting) > self._limits[0] or self._size > self._limits[1]:
            self._take()

    def _take(self) -> bytes | Entry:
        taken = self._waiting.popleft()
        self._size -= len(taken) if isinstance(taken, bytes) else 0
        return taken

    def _keep(self, what: bytes | Entry) -> None:
        if isinstance(what, Entry):
            if what.trace_id:
                self._traces.add(what.trace_id, [hop(what)])
            return
        try:
            document = parsed(what)
        except BadDocument as why:
            self._traces.ignored += 1
            if self._traces.ignored == 1:
                log.warning("a datagram for the traces is no segment", why=str(why))
            return
        self._traces.documents += 1
        self._traces.add(document.trace, document.spans)


async def receive(inbox: Inbox, port: int) -> asyncio.DatagramTransport | None:
    """Until the transport is closed. The shop does without where the port cannot be had."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: inbox, ("127.0.0.1", port))
    except OSError as error:
        log.warning("no traces are received", port=port, why=error.strerror)
        return None
    return transport
