"""AWS on a bad day: a proxy that throttles, fails, and drops connections before and after a request was carried out."""

import contextlib
import http.client
import random
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

THROTTLED = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
FAILED = b"<ErrorResponse><Error><Code>InternalFailure</Code><Message>Again</Message></Error></ErrorResponse>"
KINDS = ("throttled", "failed", "dropped before", "dropped after")


@dataclass(slots=True)
class Flaky:
    """`share` of the requests get one of the faults."""

    endpoint: str
    behind: str
    random: random.Random
    share: float
    faults: int = 0


@contextlib.contextmanager
def flaky(behind: str, seed: int, share: float = 0.2) -> Iterator[Flaky]:
    proxy = Flaky("", urlsplit(behind).netloc, random.Random(seed), share)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                fault = proxy.random.choice(KINDS) if proxy.random.random() < proxy.share else ""
                proxy.faults += bool(fault)
            if fault == "throttled":
                self.answer(429, {}, THROTTLED)
            elif fault == "failed":
                self.answer(500, {}, FAILED)
            elif fault == "dropped before":
                self.drop()
            else:
                self.pass_on(body, dropped=fault == "dropped after")

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815 - the names are the server's

        def pass_on(self, body: bytes, *, dropped: bool) -> None:
            connection = http.client.HTTPConnection(proxy.behind, timeout=60)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if dropped:
                self.drop()
            else:
                self.answer(answer.status, dict(answer.getheaders()), content)

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                    self.send_header(name, value)
            length = headers.get("content-length", str(len(content))) if self.command == "HEAD" else str(len(content))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content)

        def drop(self) -> None:
            """With a reset, as when a load balancer forgets a connection."""
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    proxy.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
