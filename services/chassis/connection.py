"""A connection as store functions see it, and what PostgreSQL's refusals mean.

Errors are decided by SQLSTATE alone (https://www.postgresql.org/docs/current/errcodes-appendix.html).
"""

import inspect
import sys
from types import TracebackType
from typing import Any, Protocol

from services.chassis.errors import Conflict, Contention, Invalid, Unavailable
from services.chassis.session import ConnectionLost, Parameter, ServerError
from services.chassis.tracing import Span, Within, recording, span
from services.chassis.wire import Result, Wire

__all__ = ["CANCELLED", "READ_ONLY", "Connection", "ConstraintViolation", "InvalidValue", "Parameter", "WireConnection"]

_AGAIN = {"40001", "40P01", "55P03"}
READ_ONLY = "25006"  # this server became a replica
CANCELLED = "57014"  # by statement_timeout
# Also a plan or a prepared statement that no longer fits its table: a fresh connection plans anew.
_UNAVAILABLE = {READ_ONLY, CANCELLED, "0A000", "26000", "3D000"}
_UNAVAILABLE_CLASSES = {"08", "28", "53", "57", "58"}


class ConstraintViolation(Conflict):
    """A row would break `constraint`. Services that expect it catch it and raise their own fact."""

    def __init__(self, sqlstate: str, constraint: str) -> None:
        super().__init__()
        self.sqlstate = sqlstate
        self.constraint = constraint


class InvalidValue(Invalid):
    """PostgreSQL cannot hold a value: a NUL, a number out of range, a text too long."""


class Connection(Protocol):
    """What every store function takes first. Parameters are `$1`, `$2` …

    Calls gathered together (`asyncio.gather`) share one round trip and are carried out in order.
    """

    async def fetch(self, sql: str, *parameters: Parameter) -> list[tuple[Any, ...]]:
        """Every row."""

    async def fetch_row(self, sql: str, *parameters: Parameter) -> tuple[Any, ...] | None:
        """The first row."""

    async def fetch_value(self, sql: str, *parameters: Parameter) -> Any:
        """The first column of the first row; None when there is none."""

    async def fetch_json(self, sql: str, *parameters: Parameter) -> bytes | None:
        """The first column of the first row as PostgreSQL wrote it, not decoded."""

    async def execute(self, sql: str, *parameters: Parameter) -> int:
        """The number of rows affected."""

    async def script(self, sql: str) -> None:
        """Several statements without parameters, as a migration file holds them."""


class WireConnection:
    """A Connection over one wire, with its errors translated. Each statement is a span."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    async def fetch(self, sql: str, *parameters: Parameter) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in (await self._ask(sql, parameters)).rows]

    async def fetch_row(self, sql: str, *parameters: Parameter) -> tuple[Any, ...] | None:
        rows = await self.fetch(sql, *parameters)
        return rows[0] if rows else None

    async def fetch_value(self, sql: str, *parameters: Parameter) -> Any:
        rows = await self.fetch(sql, *parameters)
        return rows[0][0] if rows else None

    async def fetch_json(self, sql: str, *parameters: Parameter) -> bytes | None:
        return (await self._ask(sql, parameters, raw=True)).json

    async def execute(self, sql: str, *parameters: Parameter) -> int:
        return (await self._ask(sql, parameters)).count

    async def script(self, sql: str) -> None:
        with translated, Statement("script"):
            await self.wire.script(sql)

    async def _ask(self, sql: str, parameters: tuple[Parameter, ...], *, raw: bool = False) -> Result:
        if not recording():
            with translated:
                return await self.wire.call(sql, parameters, raw=raw)
        with translated, Statement(_asking()) as made:
            result = await self.wire.call(sql, parameters, raw=raw)
            made.annotate(rows=result.count)
        return result


def _asking() -> str:
    """The function that asks, which is what a statement is called: of the callers the first that is not in here."""
    frame = sys._getframe(1)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    # A task of its own has the event loop for its caller.
    return frame.f_code.co_name if frame.f_code.co_flags & inspect.CO_COROUTINE else "statement"


class Statement:
    """The span of something that PostgreSQL is asked to do."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._within: Within = span("PostgreSQL", remote=True)
        self._made: Span

    def __enter__(self) -> Span:
        self._made = self._within.__enter__()
        self._made.statement(self._name)
        return self._made

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ServerError):
            self._made.annotate(sqlstate=error.sqlstate)
        self._within.__exit__(kind, error, trace)


class Translation:
    """Turns what `session` and `wire` raise into the family of `errors`; a class because every statement passes it."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ConnectionLost):
            raise Unavailable("The database did not answer") from error
        if isinstance(error, UnicodeEncodeError):
            raise InvalidValue("A text holds half of a surrogate pair") from error
        if isinstance(error, ServerError):
            raise _meaning(error) from error


translated = Translation()


def _meaning(error: ServerError) -> Exception:
    state = error.sqlstate
    if state in _AGAIN:
        return Contention()
    if state in _UNAVAILABLE or state[:2] in _UNAVAILABLE_CLASSES:
        return Unavailable("The database cannot take it now")
    if state[:2] in {"22", "54"} or state == "23502":
        return InvalidValue()
    if state[:2] == "23":
        return ConstraintViolation(state, error.constraint)
    return error  # a mistake of ours
