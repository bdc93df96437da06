"""The address to which the services send their segments, a datagram each."""

import asyncio
from typing import Any

from scripts.twin.traces.documents import BadDocument, parsed
from scripts.twin.traces.store import Traces
from services.chassis import logs

log = logs.logger("traces")


class Receiver(asyncio.DatagramProtocol):
    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:  # noqa: ARG002 - all from here
        try:
            document = parsed(data)
        except BadDocument as why:
            self._traces.ignored += 1
            if self._traces.ignored == 1:
                log.warning("a datagram for the traces is no segment", why=str(why))
            return
        self._traces.documents += 1
        self._traces.add(document.trace, document.spans)


async def receive(traces: Traces, port: int) -> asyncio.DatagramTransport | None:
    """Until the transport is closed. The shop does without where the port cannot be had."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(lambda: Receiver(traces), ("127.0.0.1", port))
    except OSError as error:
        log.warning("no traces are received", port=port, why=error.strerror)
        return None
    return transport
