"""Slack on a local port: answers as it is told to, one behaviour a request, and keeps what it got."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Behaviour:
    """`status` 0 resets the connection. `pause` is in seconds, before the answer."""

    status: int = 200
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    pause: float = 0.0


RESET = Behaviour(status=0)


@dataclass(slots=True)
class Got:
    path: str
    authorization: str
    body: dict[str, Any]


@dataclass(slots=True)
class SlackServer:
    """`behaviours` are used up in order; afterwards every request is taken."""

    port: int = 0
    behaviours: list[Behaviour] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def webhook(self) -> str:
        return f"{self.url}/services/T0/B0/secret"

    def answer(self, got: Got) -> Behaviour:
        self.got.append(got)
        if self.behaviours:
            return self.behaviours.pop(0)
        if not got.authorization:
            return Behaviour(body="ok")
        ts = got.body.get("ts") or f"17638476{len(self.got):02}.000100"
        self.messages[ts] = got.body
        return Behaviour(body=json.dumps({"ok": True, "channel": "C024BE91L", "ts": ts}))


class _Handler(BaseHTTPRequestHandler):
    slack: SlackServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        behaviour = self.slack.answer(Got(self.path, self.headers.get("Authorization", ""), json.loads(body)))
        if behaviour.pause:
            self.slack.released.wait(behaviour.pause)
        if behaviour.status == 0:
            # with nothing to linger for, closing sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            return
        self.send_response(behaviour.status)
        for name, value in behaviour.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(behaviour.body)))
        self.end_headers()
        self.wfile.write(behaviour.body.encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the name is the library's
        """Nothing: pytest shows what failed."""

    def finish(self) -> None:
        with suppress(OSError):  # reset on purpose, or the client has gone
            super().finish()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is what some tests are about."""


@contextmanager
def serving() -> Iterator[SlackServer]:
    slack = SlackServer()
    handler = type("Handler", (_Handler,), {"slack": slack})
    server = _Server(("127.0.0.1", 0), handler)
    slack.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield slack
    finally:
        slack.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
