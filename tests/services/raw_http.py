"""HTTP as bytes on a socket: for requests that no client would send, and for counting what comes back."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

HOST = "Host: shop\r\n"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of a problem document, "" of anything else."""
        if self.headers.get("content-type") != "application/problem+json":
            return ""
        kind: str = self.json()["type"]
        return kind.removeprefix("/problems/")


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """A request with these header lines; the length of a body is said unless the lines say something about it."""
    lines = list(headers)
    if body and not any(line.lower().startswith(("content-length:", "transfer-encoding:")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    head = f"{method} {target} HTTP/1.1\r\n{HOST}" + "".join(f"{line}\r\n" for line in lines)
    return head.encode("latin-1") + b"\r\n" + body


async def talk(base_url: str, raw: bytes, *, most: int = 9) -> list[Reply]:
    """Send bytes as they are on one connection, and read answers until the server closes or falls silent."""
    host, port = base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    replies: list[Reply] = []
    try:
        while len(replies) < most and (reply := await _read_reply(reader, 0.3 if replies else 10.0)):
            replies.append(reply)
    finally:
        writer.close()
    return replies


async def _read_reply(reader: asyncio.StreamReader, patience: float) -> Reply | None:
    try:
        async with asyncio.timeout(patience):
            head = await reader.readuntil(b"\r\n\r\n")
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return None
    status_line, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Reply(int(status_line.split()[1]), headers, body, headers.get("connection") == "close")
