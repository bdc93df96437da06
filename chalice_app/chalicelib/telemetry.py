"""Logs and metrics of an invocation, by Powertools. Other modules log to children of `operations`, and need none of it.

Nothing leaves in a log line, or in an error that Lambda writes down, before it has been redacted.
"""

import functools
import logging
import os
from collections.abc import Callable
from typing import Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import MetricUnit

from chalicelib.again import TryAgain
from chalicelib.redaction import redact

Handler = Callable[[Any, Any], Any]

NAMESPACE = "Tandem/Operations"
SERVICE = "operations"  # not the name of the Chalice app, whose logger would say every line again

log = logging.getLogger(f"{SERVICE}.telemetry")


class HandlerFailed(Exception):
    """A handler ended with an error; the message is its redacted text, and Lambda tries the event again."""


class Formatter(LambdaPowertoolsFormatter):
    """One JSON object a line, without secrets."""

    def serialize(self, log: Any) -> str:
        """Twice: each text for itself, so that no pattern runs over its end, and the line for what its keys say."""
        return redact(super().serialize(_clean(log)))


def _clean(value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, dict):
        return {key: _clean(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(entry) for entry in value]
    return redact(str(value))


logger = Logger(service=SERVICE, logger_formatter=Formatter(utc=True, use_rfc3339=True, serialize_stacktrace=False))
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)


def count(name: str, value: float = 1, **dimensions: str) -> None:
    """Without dimensions the invocation's own metrics, which leave together; with dimensions a line at once."""
    if not dimensions:
        metrics.add_metric(name=name, unit="Count", value=value)
        return
    with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace=NAMESPACE) as metric:
        for key, text in ({"environment": os.environ.get("ENVIRONMENT", "local")} | dimensions).items():
            metric.add_dimension(name=key, value=text)


def logged(handler: Handler) -> Handler:
    """Every line says which function and which invocation."""
    return logger.inject_lambda_context(handler)


def measured(handler: Handler) -> Handler:
    """What was counted leaves as one line in the embedded metric format, whatever becomes of the invocation."""

    @functools.wraps(handler)
    def counted(event: Any, context: Any) -> Any:
        metrics.add_dimension(name="environment", value=os.environ.get("ENVIRONMENT", "local"))
        count("Invocations")
        return handler(event, context)

    measured_handler: Handler = metrics.log_metrics(counted)
    return measured_handler


def _failed(error: Exception) -> HandlerFailed:
    return HandlerFailed(redact(f"{type(error).__name__}: {error}"))


def sealed(handler: Handler) -> Handler:
    """An error keeps its traceback in our log; what Lambda writes and returns about it holds no secret."""

    @functools.wraps(handler)
    def raising(event: Any, context: Any) -> Any:
        try:
            return handler(event, context)
        except TryAgain as error:
            log.warning("the event will come again", extra={"said": str(error)})
            raise _failed(error) from None
        except Exception as error:
            log.exception("the handler failed")
            raise _failed(error) from None

    return raising
