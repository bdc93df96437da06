"""Lists that AWS takes and gives in pieces."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")
Call = Callable[..., Mapping[str, Any]]
NEXT = "nextToken"  # as most services spell it
_ANSWERED = {"Marker": "NextMarker"}  # where question and answer call it differently


def chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk


def pages(call: Call, token: str = NEXT, **query: Any) -> Iterator[Mapping[str, Any]]:
    """Every answer of a call that goes on while it gives a token; `token` is its name in the question.

    A token that comes twice would go on for ever: some calls say so that there is no more.
    """
    before: object = None
    while True:
        page = call(**query)
        yield page
        following = page.get(_ANSWERED.get(token, token))
        if not following or following == before:
            return
        before = query[token] = following


def items(call: Call, member: str, token: str = NEXT, **query: Any) -> Iterator[Any]:
    for page in pages(call, token, **query):
        yield from _listed(page, member)


def _listed(page: Mapping[str, Any], member: str) -> Sequence[Any]:
    found: Sequence[Any] = page.get(member) or ()
    return found
