"""Types of fields that every schema shares: what JSON allows and a database does not is refused here."""

import re
import unicodedata
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    Strict,
    WithJsonSchema,
)
from pydantic_core import CoreSchema

MAX_ID = 2**63 - 1
STORABLE = r"^[^\x00-\x08\x0b-\x1f]*$"
VISIBLE = r"^[^\x00-\x08\x0b-\x1f]*[^\s\x00-\x1f][^\x00-\x08\x0b-\x1f]*$"  # at least one mark that is not a blank
_DIGITS = re.compile(r"-?[0-9]{1,40}", re.ASCII)


class Model(BaseModel):
    """A body or query as the contract has it: unknown fields are refused, values are not changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _whole(value: Any) -> Any:
    """JSON does not tell 10 from 10.0, so both are ten; true is not one and "10" is a text."""
    if type(value) is int or (type(value) is float and value.is_integer()):  # NaN and the infinities are not
        return int(value)
    raise ValueError("a whole number is required")


def _digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("a whole number in digits is required")
    return value


def _flag(value: Any) -> Any:
    if isinstance(value, str) and value not in {"true", "false"}:
        raise ValueError("true or false is required")
    return value


def _storable(value: str) -> str:
    for character in value:
        if unicodedata.category(character) == "Cs":
            raise ValueError("half of a surrogate pair is not a character")
        if character < " " and character not in "\n\t":
            raise ValueError("control characters are not allowed")
    return value


Boolean = Annotated[bool, Strict()]
"""`true` or `false` in a JSON body: neither 1 nor "yes"."""

Integer = Annotated[int, BeforeValidator(_whole, json_schema_input_type=int)]
"""A whole number in a JSON body."""

QueryInt = Annotated[int, BeforeValidator(_digits, json_schema_input_type=int)]
"""A whole number in a query or path: digits alone, no `1_000`, no `+1`."""

QueryFlag = Annotated[bool, BeforeValidator(_flag), WithJsonSchema({"type": "boolean"})]
"""`true` or `false` in a query."""


def between(low: int, high: int, **more: Any) -> Any:
    """Bounds of a number, shown in the OpenAPI document as such; behind our validators pydantic shows `ge` and `le`."""

    def show(schema: dict[str, Any]) -> None:
        for key in ("ge", "le", "maximum"):
            schema.pop(key, None)
        # The framework writes bounds as floating point numbers, and 2**63 - 1 is none of those.
        schema.update({"minimum": low} | ({"format": "int64"} if high == MAX_ID else {"maximum": high}))

    return Field(ge=low, le=high, json_schema_extra=show, **more)


Id = Annotated[QueryInt, between(1, MAX_ID)]
"""An identity column in a path or query."""


class _Shown:
    """Says in the OpenAPI document what a text may hold, unless its field says something narrower."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"pattern": STORABLE, **handler(core_schema)}


Text = Annotated[str, AfterValidator(_storable), _Shown()]
"""A text that PostgreSQL can hold; bound its length where it is used."""


def shaped(most: int, pattern: str) -> Any:
    """Length and form of a `Text` that is not empty; the pattern shown is the one in force."""
    return Field(min_length=1, max_length=most, pattern=pattern, json_schema_extra={"pattern": pattern})
