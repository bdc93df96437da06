"""Forms as they come in: URL-encoded, each field once, none that nobody expects, and the token that makes them ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import ValidationError

from services.chassis.errors import Invalid, InvalidRequest, UnsupportedMediaType
from services.chassis.fields import Model
from services.frontend.pages.visitor import visitor

MEDIA_TYPE = "application/x-www-form-urlencoded"
TOKEN = "form"  # noqa: S105 - the name of the field
MAX_FIELDS = 100

T = TypeVar("T", bound=Model)


class Nothing(Model):
    """A form that is all button."""


@dataclass(frozen=True, slots=True)
class Filled(Generic[T]):
    """A form as it was filled in. `data` is None when `errors`, by field, has something in it."""

    given: Mapping[str, str]
    data: T | None
    errors: Mapping[str, str]

    def valid(self) -> T:
        """Raises Invalid."""
        if self.data is None:
            raise Invalid(errors=[{"field": name, "message": message} for name, message in self.errors.items()])
        return self.data


async def read_form(request: Request, model: type[T]) -> Filled[T]:
    """What was sent to a page. Empty fields that `model` has a default for count as left out.

    Raises FormRefused, InvalidRequest for what is no form, UnsupportedMediaType, and Invalid for unexpected fields.
    """
    given = parse_form(request.headers.get("content-type", ""), await request.body())
    visitor(request).check_form(request, given.pop(TOKEN, ""))
    if not given.keys() <= model.model_fields.keys():
        raise Invalid("A field is not expected")
    optional = {name for name, field in model.model_fields.items() if not field.is_required()}
    try:
        data = model.model_validate({name: text for name, text in given.items() if text or name not in optional})
    except ValidationError as error:
        errors = {str(entry["loc"][0]) if entry["loc"] else "": _worded(entry["msg"]) for entry in error.errors()}
        return Filled(given, None, errors)
    return Filled(given, data, {})


def parse_form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a URL-encoded body."""
    if content_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise UnsupportedMediaType(f"{MEDIA_TYPE} is required")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise InvalidRequest("The form could not be read") from None
    fields = {name: text.replace("\r\n", "\n") for name, text in pairs}
    if len(fields) != len(pairs):
        raise Invalid("A field is given twice")
    return fields


def _worded(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].upper() + text[1:] + "."
