"""What a member of the staff reads and changes at the services behind, and what their answers mean to a person."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.chassis.errors import DomainError, Forbidden, NotFound, TooManyRequests, Unauthenticated
from services.chassis.upstream import deadline
from services.frontend.backends import Backend, Found, Reading
from services.frontend.calls import JSON, WRITE_SECONDS, Call, NoAnswer, document_of

ANSWERS = frozenset({200, 201, 202, 204, 400, 401, 403, 404, 409, 412, 413, 422, 429, 503})
_MEANING: Mapping[int, type[DomainError]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    429: TooManyRequests,
    503: NoAnswer,
}


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of a change: the document as it is now or, when it was refused, the code of the refusal, what it says,
    and what is wrong by field. `waiting` when the change goes on behind."""

    document: Mapping[str, Any]
    refused: str = ""
    detail: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    waiting: bool = False


def write_call(
    method: str, path: str, authorization: str, body: Mapping[str, Any] | None = None, **headers: str
) -> Call:
    """`headers` are named with underscores."""
    kind = {} if body is None else {"Content-Type": JSON}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Call(
        method=method,
        path=path,
        statuses=ANSWERS,
        headers={"Authorization": authorization, **kind, **named},
        body=b"" if body is None else json.dumps(body).encode(),
        seconds=WRITE_SECONDS,
    )


async def change(backend: Backend, call: Call) -> Changed:
    """Ask for a change, once.

    Raises NoAnswer when it is unknown whether it was made, Unauthenticated, Forbidden, NotFound and TooManyRequests.
    """
    with deadline(call.seconds):
        answer = await backend.forward(call)
    said = document_of(answer, call)
    if answer.status in _MEANING:
        raise _MEANING[answer.status]
    if answer.status < 400:
        return Changed(said, waiting=answer.status == 202)
    errors = {str(entry.get("field", "")): _sentence(str(entry.get("message", ""))) for entry in said.get("errors", ())}
    code = str(said.get("type", "")).removeprefix("/problems/")
    return Changed({}, code, str(said.get("detail") or said.get("title") or ""), errors)


def known(reading: Reading) -> Mapping[str, Any]:
    """The document of a reading. Raises what its refusal means."""
    if isinstance(reading, Found):
        return reading.document
    raise _MEANING.get(reading.answer.status, NotFound)


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:] + ("" if message.endswith(".") else ".")
