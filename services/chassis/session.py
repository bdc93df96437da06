"""What we use of pg8000: its session (connect, TLS, authenticate), its message handlers and its converters.

Connecting blocks, so `open_session` belongs in a thread. pg8000 raises two of its own classes and lets several
operating system errors through; the two exceptions here are all that leaves this module and `wire`.
"""

import contextlib
import socket
import ssl
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

from pg8000.converters import make_param
from pg8000.core import Context
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.native import Connection

Parameter = None | bool | int | float | str | bytes | Decimal | date | datetime | UUID | list[Any]
_SCALARS = (bool, int, float, str, bytes, Decimal, date, UUID, type(None))  # datetime is a date

CONNECT_TIMEOUT = 2.0  # seconds, for each step of connecting
SERVER_LIMITS = {
    "statement_timeout": "3000",
    "lock_timeout": "1500",
    "idle_in_transaction_session_timeout": "5000",
}
# Seconds, seconds, probes, milliseconds: a peer that vanished is noticed in 10 s, not in the kernel's two hours.
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}


class ConnectionLost(Exception):
    """No answer will come on this connection. What was sent may or may not have been carried out."""


class ServerError(Exception):
    """PostgreSQL refused. `sqlstate` is its five-character code, `constraint` the constraint's name or ""."""

    def __init__(self, sqlstate: str, message: str, constraint: str = "") -> None:
        super().__init__(f"{sqlstate} {message}")
        self.sqlstate = sqlstate
        self.constraint = constraint


class Session:
    """An authenticated pg8000 connection whose socket somebody else reads and writes."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.socket: socket.socket = connection._usock

    @property
    def in_transaction(self) -> bool:
        return self._connection._transaction_status not in (None, b"I")

    def context(self, sql: str | None) -> Any:
        """The accumulator that pg8000's handlers fill: rows, row_count, columns, input_funcs, error."""
        return Context(sql, columns=())

    def handle(self, code: bytes, data: bytes, context: Any) -> None:
        """Let pg8000 take one message of the server; an unknown code raises KeyError."""
        self._connection.message_types[code](data, context)

    def encode(self, value: Parameter) -> bytes | None:
        """The text form of a parameter. Raises TypeError or UnicodeEncodeError."""
        if value is None:
            return None
        _check(value)
        return str(make_param(self._connection.py_types, value)).encode()

    def close(self) -> None:
        """Say goodbye if the socket still takes it, and close. Never raises."""
        with contextlib.suppress(OSError, ValueError):
            self.socket.send(b"X\x00\x00\x00\x04")
        with contextlib.suppress(OSError, ValueError):
            self._connection._sock.close()  # the file pg8000 read through; the descriptor lives while it is open
        with contextlib.suppress(OSError):
            self.socket.close()


def open_session(url: str) -> Session:
    """Connect to `postgresql://role:password@host:port/database?sslmode=…&sslrootcert=…`.

    Raises ConnectionLost when nobody (or a stranger) answers, ServerError when PostgreSQL refuses.
    """
    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    host, port = parts.hostname or "localhost", parts.port or 5432
    try:
        context = tls(query.get("sslmode", "verify-full"), query.get("sslrootcert"))
        peer = _open_socket(host, port)
        try:
            connection = Connection(
                unquote(parts.username or ""),
                host=host,
                database=parts.path.lstrip("/"),
                password=unquote(parts.password or ""),
                sock=peer,
                ssl_context=context,
                startup_params=dict(SERVER_LIMITS),
                application_name=query.get("application_name", "tandem"),
            )
        except BaseException:
            peer.close()
            raise
    except DatabaseError as error:
        raise refusal(error) from error
    except (InterfaceError, OSError) as error:
        raise ConnectionLost(f"cannot connect: {type(error).__name__}") from error
    return Session(connection)


def tls(sslmode: str, root: str | None) -> ssl.SSLContext | bool:
    """`disable` is plain text; `verify-full` checks the certificate and the host name.

    libpq's modes between the two encrypt without knowing to whom; they look safe and are not, so: ValueError.
    """
    if sslmode == "disable":
        return False
    if sslmode != "verify-full":
        raise ValueError("sslmode is disable or verify-full")
    return ssl.create_default_context(cafile=root)


def refusal(error: Exception) -> ServerError:
    """The ServerError for what pg8000 put into a context or raised."""
    if isinstance(error, DatabaseError):
        fields = error.args[0]
        state = fields.get("C", "")
        # Messages of class 22 (data exception) quote the value that was sent; all others name what is ours.
        return ServerError(state, "" if state.startswith("22") else fields.get("M", ""), fields.get("n", ""))
    # The one InterfaceError a handler makes: a COMMIT that the server answered with ROLLBACK.
    return ServerError("25P02", str(error))


def _open_socket(host: str, port: int) -> socket.socket:
    peer = socket.create_connection((host, port), CONNECT_TIMEOUT)
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        if hasattr(socket, option):  # macOS lacks some of them
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return peer


def _check(value: Any) -> None:
    """pg8000 stores what it does not know as its str(); here that is a mistake."""
    if isinstance(value, list):
        for item in value:
            _check(item)
    elif not isinstance(value, _SCALARS):
        raise TypeError(f"{type(value).__name__} cannot be a parameter")
