"""Problem documents (RFC 9457): what every error looks like on the wire, and how a route declares them."""

import json
from collections.abc import Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Scope

from services.chassis.errors import DomainError
from services.chassis.logs import logger, request_id

log = logger("problems")

Refuse = Callable[[Scope, DomainError], Response]  # how an app says no

MEDIA_TYPE = "application/problem+json"
PROBLEMS = "/problems/"  # `type` is relative: /problems/<code>

_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "request_id": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_ALWAYS = (400, 408, 413, 414, 422, 431, 500, 503)  # what the guard and the framework can answer on any path
_MEANING = {
    400: "The request could not be read",
    401: "No valid credential",
    403: "The credential does not allow it",
    404: "Absent, or somebody else's",
    408: "The body stopped coming",
    409: "Refused by the present state",
    412: "Changed since it was read",
    413: "The body is too large",
    414: "The address is too long",
    415: "The body is not of a type this path takes",
    422: "Well-formed and impossible",
    428: "If-Match is required",
    429: "Too many requests",
    431: "The headers are too large",
    500: "A mistake of ours",
    503: "Not available at this moment; ask again",
}


def as_problem(_: Scope, error: DomainError) -> Response:
    """How every app says no that has no pages."""
    return problem(error)


def note(error: DomainError) -> None:
    """What is our side's doing is logged with its cause, which the client does not see."""
    if error.status >= 500:
        log.warning("refused", code=error.code, detail=str(error), cause=repr(error.__cause__))


def problem(error: DomainError) -> Response:
    """The answer for `error`."""
    note(error)
    document: dict[str, Any] = {
        "type": PROBLEMS + error.code,
        "title": error.title,
        "status": error.status,
        "request_id": request_id.get(),
        **({"detail": error.detail} if error.detail else {}),
        **error.members,
    }
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.status == 401:
        headers["www-authenticate"] = 'Bearer realm="shop"'
    return Response(json.dumps(document), error.status, headers, MEDIA_TYPE)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: the statuses named and those that any route can answer."""
    return {status: _declared(status) for status in sorted({*statuses, *_ALWAYS})}


def _declared(status: int) -> dict[str, Any]:
    return {"description": _MEANING[status], "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
