"""How a request is read: JSON as strict as RFC 8259 means it, before the framework sees it.

Python's decoder takes more than JSON: duplicate keys (the last one wins, so a gateway and a service can read two
different orders from one body), the names NaN and Infinity, and numbers of any length. A `Route` refuses them.
"""

import json
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from services.chassis.errors import Invalid, InvalidRequest, UnsupportedMediaType

_KEY = re.compile("[!-~]{1,255}")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class MalformedJSON(InvalidRequest):
    code = "malformed-json"
    title = "The body is not JSON"


def read_json(body: bytes) -> Any:
    """Decode a body. NaN and Infinity come out as floats, which no field accepts. Raises MalformedJSON."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError):  # ValueError covers bad UTF-8 and numbers of thousands of digits
        raise MalformedJSON from None


class MissingKey(InvalidRequest):
    code = "idempotency-key"
    title = "Exactly one Idempotency-Key of 1 to 255 visible ASCII characters is required"


async def _idempotency_key(request: Request) -> str:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise MissingKey
    return keys[0]


IdempotencyKey = Annotated[str, Depends(_idempotency_key)]


def described_header(name: str, pattern: str, description: str) -> dict[str, Any]:
    """`openapi_extra=` for a required header that is read by hand, because its absence has a status of its own."""
    schema = {"type": "string", "pattern": pattern}
    return {
        "parameters": [{"name": name, "in": "header", "required": True, "schema": schema, "description": description}]
    }


IDEMPOTENCY_KEY = described_header(
    "Idempotency-Key", "^[!-~]{1,255}$", "Repeating a request under its key gives the same answer and does nothing new"
)


class Route(APIRoute):
    """A route whose body, when it declares one, is JSON, and whose query names each key once."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """What is the name of a path is no parameter: PUT on `/products/export` is 405, not a product called so."""
        if self.param_convertors and scope["path"] in scope["app"].state.named_paths:
            return Match.NONE, {}
        return super().matches(scope)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handler(request: Request) -> Response:
            keys = [key for key, _ in request.query_params.multi_items()]
            if len(keys) != len(set(keys)):
                raise Invalid("A query parameter is given twice")
            if takes_body:
                request = await _with_json(request)
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise Invalid(errors=[_described(entry) for entry in error.errors()]) from None

        return handler


class _JSONRequest(Request):
    parsed: Any = None

    async def json(self) -> Any:
        return self.parsed


async def _with_json(request: Request) -> Request:
    body = await request.body()
    reading = _JSONRequest(request.scope, request.receive)
    reading._body = body
    if body:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType("application/json is required")
        reading.parsed = read_json(body)
    return reading


def _unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return members


def _described(entry: Any) -> dict[str, str]:
    """Where and what, without the value; an unknown field's name is the client's own text, so it is left out too."""
    location, message = [str(part) for part in entry["loc"][1:]], str(entry["msg"])
    if entry["type"] == "extra_forbidden":
        location, message = location[:-1], "An unknown field is not allowed"
    return {"field": ".".join(location), "message": message.removeprefix("Value error, ")}
