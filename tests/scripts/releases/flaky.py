"""AWS on a bad day: a proxy that throttles, fails, and drops connections before and after a request was carried out."""

import contextlib
import http.client
import random
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

THROTTLED = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
FAILED = b"<ErrorResponse><Error><Code>InternalFailure</Code><Message>Again</Message></Error></ErrorResponse>"
KINDS = ("throttled", "failed", "dropped before", "dropped after")
OWN = {"content-length", "transfer-encoding", "connection", "date", "server"}  # headers that the proxy writes itself


class Flaky(ThreadingHTTPServer):
    """`share` of the requests get one of the faults; `faults` is how many have."""

    daemon_threads = True

    def __init__(self, behind: str, seed: int, share: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = urlsplit(behind).netloc
        self.faults = 0
        self._random, self._share, self._lock = random.Random(seed), share, threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def fault(self) -> str:
        with self._lock:
            if self._random.random() >= self._share:
                return ""
            self.faults += 1
            return self._random.choice(KINDS)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Flaky

    def log_message(self, *_: object) -> None:
        pass

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault()
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
        with contextlib.closing(http.client.HTTPConnection(self.server.behind, timeout=60)) as connection:
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
        if dropped:
            self.drop()
        else:
            self.answer(answer.status, dict(answer.getheaders()), content)

    def answer(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def drop(self) -> None:
        """With a reset, as when a load balancer forgets a connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


@contextlib.contextmanager
def flaky(behind: str, seed: int, share: float = 0.2) -> Iterator[Flaky]:
    with Flaky(behind, seed, share) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
