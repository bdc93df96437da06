"""One JSON object a line on stdout, with the ids of the request and its trace on every line.

The logging library of the standard distribution does the work; a handler, a formatter and a context variable are all
that is ours. JSON escapes whatever could end a line or move a cursor, so a value cannot forge a line; what looks like a
secret is taken out (`redaction`), and what is too long is cut where one sees it.
"""

import json
import logging
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from services.chassis.redaction import redact, suspicious
from services.chassis.tracing import current_trace_id

LONGEST_TEXT = 16_000  # characters of one value; both ends of a longer one are kept
LONGEST_LINE = 200_000  # characters; CloudWatch refuses events above 256 KiB: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
_WORTH_READING = 64_000  # characters of a text that are searched for secrets; the middle of a longer one is dropped

request_id: ContextVar[str] = ContextVar("request_id", default="")
_writing = threading.RLock()  # a destructor may log while its thread writes


def write(line: str) -> None:
    """A whole line on stdout, in one piece. Never raises: whoever writes has something better to do."""
    with _writing, suppress(OSError, ValueError):  # ValueError: it is closed
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - arguments that do not fit, a value that cannot be shown
            line = json.dumps(
                {"level": "error", "message": "a line could not be made", "logger": record.name, "line": record.lineno}
                | {"error": type(error).__name__}
            )
        write(line)


class _JSONFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if identifier := request_id.get():
            line["request_id"] = identifier
        if trace_id := current_trace_id():
            line["trace_id"] = trace_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps(line, default=str)
        if getattr(record, "ours", False) or (len(text) <= LONGEST_TEXT and not suspicious(text)):
            return text
        text = json.dumps(_clean(line))
        if len(text) <= LONGEST_LINE:
            return text
        return json.dumps({**{key: _clean(line[key]) for key in tuple(line)[:5]}, "cut": f"{len(text)} characters"})


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, dict):
        return {_text(key): _clean(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(member) for member in value]
    return _text(value)


def _text(value: Any) -> str:
    """Redacted first and cut then, far from where the reading ended: half a secret has no form to be known by."""
    text = str(value)
    if len(text) <= LONGEST_TEXT:
        return redact(text)
    head, tail = (redact(end) for end in _ends(text, _WORTH_READING))
    half = LONGEST_TEXT // 2
    return f"{head[:half]} … [{len(text) - LONGEST_TEXT} characters cut] … {tail[-half:]}"


def _ends(text: str, length: int) -> tuple[str, str]:
    """The beginning and the end of a text, as whole words."""
    if len(text) <= length:
        return text, text
    return text[: length // 2].rpartition(" ")[0], text[-length // 2 :].partition(" ")[2]


class Logger(logging.LoggerAdapter[logging.Logger]):
    """`log.info("order confirmed", order_id=…)`: keywords become members of the line.

    `ours=True` says that no member is longer than it should be or can hold a secret: such a line is not searched, which
    is half of what it costs.
    """

    _CONTROLS = ("exc_info", "stack_info", "stacklevel")

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        fields = {key: kwargs.pop(key) for key in list(kwargs) if key not in self._CONTROLS}
        kwargs["extra"] = {"ours": fields.pop("ours", False), "fields": fields}
        return msg, kwargs


def logger(name: str) -> Logger:
    """A logger for one module; it says nothing until `configure` has been called."""
    return Logger(logging.getLogger(name), {})


def configure(service: str, *, level: int = logging.INFO) -> None:
    """Send every log of this process to stdout as JSON: warnings and what nobody caught, too. Called once, by the
    program that serves.
    """
    handler = _Handler()
    handler.setFormatter(_JSONFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("python").error("uncaught", exc_info=(kind, error or kind(), trace))
