"""One PostgreSQL connection on the event loop: pg8000's session and converters, our own reading and writing.

pg8000 connects and authenticates in a thread; from then on this module owns the socket and speaks the extended
query protocol. Two faults of a blocking driver cannot happen here: every parameter is encoded before a byte is
sent, so a value that cannot be encoded leaves nothing half said; and answers are matched to calls in order, so a
caller that goes away leaves its slot, and the next one is never handed the wrong row. Calls made in one turn of
the loop leave in one packet: that is one round trip.

Protocol: https://www.postgresql.org/docs/current/protocol-flow.html (extended query, pipelining).
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from struct import Struct
from typing import Any, Self

from services.chassis.session import ConnectionLost, Parameter, Session, open_session, refusal

_HEADER = Struct("!ci")
_INT = Struct("!i")
_SHORT = Struct("!h")
_SYNC = b"S\x00\x00\x00\x04"
_EXECUTE = b"E\x00\x00\x00\x09\x00\x00\x00\x00\x00"
_STATEMENTS = 256  # prepared per connection; a query beyond that is parsed each time

ANSWER_TIMEOUT = 6.0  # seconds of silence while an answer is due; longer than the server's statement_timeout


@dataclass(slots=True)
class Traffic:
    """Counts what a database is asked: packets that wait for an answer."""

    round_trips: int = 0


@dataclass(slots=True)
class Result:
    """`json` is the first column of the first row as it came; `count` is the number of rows affected."""

    rows: list[list[Any]] = field(default_factory=list)
    json: bytes | None = None
    count: int = 0


@dataclass(slots=True)
class _Prepared:
    name: bytes
    columns: Any = None
    converters: list[Callable[[str], Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Call:
    sql: str
    future: asyncio.Future[Result]
    context: Any
    prepared: _Prepared | None = None
    parsing: bool = False
    raw: bool = False
    json: bytes | None = None


class Wire:
    """A connection that is open from construction until `close`, or until anything unexpected closes it."""

    def __init__(self, session: Session, traffic: Traffic) -> None:
        self._loop = asyncio.get_running_loop()
        self._session = session
        self._socket = session.socket
        self._traffic = traffic
        self._statements: dict[str, _Prepared] = {}
        self._numbers = count()
        self._calls: deque[_Call] = deque()
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._flushing = False
        self._writing = False
        self._watchdog: asyncio.TimerHandle | None = None
        self.closed = False
        self.refused = ""  # the last SQLSTATE; whoever lends the connection out clears it
        self.opened_at = self.used_at = self._loop.time()
        self._socket.setblocking(False)
        self._loop.add_reader(self._socket.fileno(), self._readable)

    @classmethod
    async def connect(cls, url: str, traffic: Traffic) -> Self:
        """Open, negotiate TLS as `sslmode` says, authenticate. Raises ConnectionLost or ServerError."""
        opening = asyncio.get_running_loop().run_in_executor(None, open_session, url)
        try:
            return cls(await asyncio.shield(opening), traffic)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unclaimed)  # a thread cannot be cancelled
            raise

    @property
    def idle(self) -> bool:
        """No answer is due and no transaction is open: only then may somebody else have this connection."""
        return not self.closed and not self._calls and not self._session.in_transaction

    @property
    def load(self) -> int:
        return len(self._calls)

    def call(self, sql: str, parameters: Iterable[Parameter] = (), *, raw: bool = False) -> asyncio.Future[Result]:
        """Queue one statement; the future holds its result.

        Raises TypeError, UnicodeEncodeError or ConnectionLost at once, with nothing sent.
        """
        values = [self._session.encode(value) for value in parameters]
        prepared = self._statements.get(sql)
        parsing = prepared is None
        if prepared is None:
            named = len(self._statements) < _STATEMENTS
            prepared = _Prepared(b"s%d" % next(self._numbers) if named else b"")
        packet = bytearray()
        if parsing:
            packet += _message(b"P", prepared.name + b"\0" + sql.encode() + b"\0\0\0")
            packet += _message(b"D", b"S" + prepared.name + b"\0")
        packet += _message(b"B", _bind(prepared.name, values)) + _EXECUTE + _SYNC
        call = _Call(sql, self._loop.create_future(), self._session.context(sql), prepared, parsing, raw)
        self._send(packet, call)
        if parsing and prepared.name:
            self._statements[sql] = prepared
        return call.future

    def script(self, sql: str) -> asyncio.Future[Result]:
        """Queue SQL text without parameters as a simple query: transaction control, migrations."""
        call = _Call(sql, self._loop.create_future(), self._session.context(sql))
        self._send(_message(b"Q", sql.encode() + b"\0"), call)
        return call.future

    def close(self, reason: str = "closed") -> None:
        """Close the socket and fail every call that still waits. Never raises."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        if self._watchdog:
            self._watchdog.cancel()
        self._session.close()
        while self._calls:
            _settle(self._calls.popleft().future, error=ConnectionLost(reason))

    def _send(self, packet: bytes | bytearray, call: _Call) -> None:
        if self.closed:
            raise ConnectionLost("the connection is closed")
        self._outgoing += packet
        self._calls.append(call)
        self.used_at = self._loop.time()
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)
        if self._watchdog is None:
            self._watchdog = self._loop.call_later(ANSWER_TIMEOUT, self._watch)

    def _flush(self) -> None:
        self._flushing = False
        if not self.closed:
            self._traffic.round_trips += 1
            self._writable()

    def _writable(self) -> None:
        try:
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing)]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            if not self._writing:
                self._writing = True
                self._loop.add_writer(self._socket.fileno(), self._writable)
            return
        except OSError as error:
            self.close(f"cannot write: {type(error).__name__}")
            return
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        try:
            while True:
                # An SSL socket may hold more than the descriptor shows, so read until it says there is no more.
                block = self._socket.recv(65536)
                if not block:
                    self.close("closed by the server")
                    return
                self._incoming += block
                if len(block) < 65536 and not isinstance(self._socket, ssl.SSLSocket):
                    break
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self.close(f"cannot read: {type(error).__name__}")
            return
        self.used_at = self._loop.time()
        try:
            self._take_messages()
        except Exception as error:  # noqa: BLE001 - whatever a converter or handler raises, this stream is lost
            self.close(f"protocol surprise: {type(error).__name__}")

    def _take_messages(self) -> None:
        buffer, start = self._incoming, 0
        while len(buffer) - start >= 5:
            code, length = _HEADER.unpack_from(buffer, start)
            end = start + 1 + length
            if len(buffer) < end:
                break
            self._take(code, bytes(buffer[start + 5 : end]))
            start = end
            if self.closed:
                return
        del buffer[:start]

    def _take(self, code: bytes, data: bytes) -> None:
        call = self._calls[0] if self._calls else None
        if call is None:
            # Unasked: notices, notifications and changed parameters belong to no call; an error ends the session.
            if code not in (b"N", b"S", b"A"):
                raise ConnectionLost("unasked")
            self._session.handle(code, data, self._session.context(None))
        elif code == b"D":
            self._take_row(call, data)
        else:
            self._session.handle(code, data, call.context)
            if code == b"1":
                call.parsing = False
            elif code == b"T" and call.prepared:
                call.prepared.columns = call.context.columns
                call.prepared.converters = call.context.input_funcs
            elif code == b"Z":
                self._finish(self._calls.popleft())

    def _take_row(self, call: _Call, data: bytes) -> None:
        if call.raw:
            size = _INT.unpack_from(data, 2)[0]
            if size >= 0 and call.json is None:
                call.json = data[6 : 6 + size]
            return
        if call.prepared:
            call.context.input_funcs = call.prepared.converters
        self._session.handle(code=b"D", data=data, context=call.context)

    def _finish(self, call: _Call) -> None:
        if not self._calls and self._watchdog:
            self._watchdog.cancel()
            self._watchdog = None
        error = call.context.error
        if error is None:
            context = call.context
            _settle(call.future, Result(context.rows or [], call.json, max(context.row_count, 0)))
            return
        if call.parsing and call.prepared:
            self._statements.pop(call.sql, None)
        refused = refusal(error)
        self.refused = refused.sqlstate
        _settle(call.future, error=refused)

    def _watch(self) -> None:
        silence = self._loop.time() - self.used_at
        if silence >= ANSWER_TIMEOUT:
            self.close("no answer in time")
        else:
            self._watchdog = self._loop.call_later(ANSWER_TIMEOUT - silence, self._watch)


def _bind(name: bytes, values: list[bytes | None]) -> bytes:
    parts = [b"\0", name, b"\0\0\0", _SHORT.pack(len(values))]
    for value in values:
        parts += [_INT.pack(-1)] if value is None else [_INT.pack(len(value)), value]
    parts.append(b"\0\0")
    return b"".join(parts)


def _message(code: bytes, data: bytes) -> bytes:
    return code + _INT.pack(len(data) + 4) + data


def _settle(future: asyncio.Future[Result], result: Result | None = None, error: Exception | None = None) -> None:
    if future.done():  # its caller was cancelled: the answer is read and dropped
        return
    if error is not None:
        future.set_exception(error)
        future.exception()  # BEGIN and ROLLBACK are queued and not awaited; their failure shows on the next call
    else:
        future.set_result(result or Result())


def _close_unclaimed(opening: asyncio.Future[Session]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
