"""What a page of products was asked for, and the cursor that asks for the next one."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any, Literal

from services.chassis.errors import Invalid

MAX_LIMIT = 100
Sort = Literal["relevance", "name", "price", "-price", "newest"]
_KEYS: Mapping[str, type] = {"relevance": int, "name": str, "price": int, "-price": int, "newest": int}
_MAX_INT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the sort key and the id of its last product."""

    key: str | int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which products, in which order. `limit` is no part of it: a page may be longer than the one before."""

    q: str = ""
    category: str | None = None
    min_price: int | None = None
    max_price: int | None = None
    in_stock: bool = False
    archived: bool = False
    sort: Sort = "newest"
    words: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "q", " ".join(self.q.split()))
        if self.sort == "relevance" and not self.q:
            object.__setattr__(self, "sort", "newest")
        # Three letters make a trigram: without them the index of likenesses would be read whole.
        object.__setattr__(self, "words", re.search(r"[^\W_]{3}", self.q) is not None)

    def digest(self) -> str:
        return hashlib.sha256(repr(astuple(self)).encode()).hexdigest()[:12]


def write_cursor(query: Query, position: Position) -> str:
    """An opaque text that continues `query` after `position`."""
    content = json.dumps([query.digest(), position.key, position.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def read_cursor(query: Query, cursor: str) -> Position:
    """The position that `write_cursor` wrote for this very query. Raises Invalid for anything else."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        digest, key, identifier = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        position = Position(_checked(key, _KEYS[query.sort]), _checked(identifier, int))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise _refusal("is not one that this service gave") from None
    if digest != query.digest():
        raise _refusal("belongs to another query")
    if cursor != write_cursor(query, position):
        raise _refusal("is not one that this service gave")
    return position


def _checked(value: Any, kind: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(kind)
    if isinstance(value, int) and not 0 <= value <= _MAX_INT:
        raise ValueError(kind)
    if isinstance(value, str):
        value.encode()  # half of a surrogate pair raises
        if "\0" in value:
            raise ValueError(kind)
    return value


def _refusal(message: str) -> Invalid:
    return Invalid(errors=[{"field": "cursor", "message": message}])
