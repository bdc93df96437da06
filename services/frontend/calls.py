"""What is asked of a backend, and what counts as its answer.

Only one of a backend's own well-formed answers counts. Anything else (none in time, a proxy's page, broken JSON, a
status that the contract does not know) is NoAnswer: to a page, that part is missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.chassis.errors import Unavailable
from services.chassis.upstream import Answer

READ_SECONDS = 3.0
WRITE_SECONDS = 9.0  # an order is decided, or answered with 202, within 8

JSON = "application/json"
PROBLEM = "application/problem+json"


class NoAnswer(Unavailable):
    """The backend gave no answer that counts. A change may or may not have been made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request to pass on. `statuses` are the answers that the contract knows for it."""

    method: str
    path: str
    statuses: frozenset[int]
    media_type: str = JSON  # of a success
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = READ_SECONDS


def read_call(path: str, *, query: str = "", authorization: str = "", refusals: Iterable[int] = ()) -> Call:
    """A read. `refusals` are meant for the client; any other no is a failure behind us."""
    headers = {"Authorization": authorization} if authorization else {}
    return Call(method="GET", path=path, query=query, headers=headers, statuses=frozenset({200, *refusals}))


def document_of(answer: Answer, call: Call) -> Mapping[str, Any]:
    """The JSON of an answer, empty when there is none in it. Raises NoAnswer unless it is one of ours to this call."""
    if answer.status not in call.statuses:
        raise NoAnswer
    if answer.status == 204 or (answer.status < 400 and JSON != call.media_type == answer.media_type):
        return {}
    document = read_document(answer, PROBLEM if answer.status >= 400 else JSON)
    if document is None:
        raise NoAnswer
    if answer.status >= 400 and ("type" not in document or document.get("status") != answer.status):
        raise NoAnswer
    return document


def read_document(answer: Answer, media_type: str = JSON) -> Mapping[str, Any] | None:
    """The object in an answer, None when it holds something else."""
    if answer.media_type != media_type:
        return None
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
