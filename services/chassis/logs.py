"""One JSON object a line on stdout, with the ids of the request and its trace on every line.

The logging library of the standard distribution does the work; a formatter and a context variable are all that is ours.
JSON escapes CR and LF, so a value cannot forge a line.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from services.chassis.tracing import current_trace_id

request_id: ContextVar[str] = ContextVar("request_id", default="")


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
        return json.dumps(line, default=str)


class Logger(logging.LoggerAdapter[logging.Logger]):
    """`log.info("order confirmed", order_id=…)`: keywords become members of the line."""

    _CONTROLS = ("exc_info", "stack_info", "stacklevel")

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        fields = {key: kwargs.pop(key) for key in list(kwargs) if key not in self._CONTROLS}
        kwargs["extra"] = {"fields": fields}
        return msg, kwargs


def logger(name: str) -> Logger:
    """A logger for one module; it says nothing until `configure` has been called."""
    return Logger(logging.getLogger(name), {})


def configure(service: str, *, level: int = logging.INFO) -> None:
    """Send every log of this process to stdout as JSON. Called once, by the program that serves."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JSONFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
