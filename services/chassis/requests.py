"""How a request is read: JSON as strict as RFC 8259 means it, before the framework sees it.

Python's decoder takes more than JSON: duplicate keys (the last one wins, so a gateway and a service can read two
different orders from one body), the names NaN and Infinity, and numbers of any length. A `Route` refuses them.
"""

import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from services.chassis.errors import Invalid, InvalidRequest, UnsupportedMediaType

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


class Route(APIRoute):
    """A route whose body, when it declares one, is JSON, and whose query names each key once."""

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
