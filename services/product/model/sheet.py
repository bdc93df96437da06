"""Products as lines of a CSV file (RFC 4180).

Spreadsheets run a cell that begins with = + - or @ as a formula. Such a cell is written with an apostrophe in front,
and reading takes it away again, so a file survives the round trip (https://owasp.org/www-community/attacks/CSV_Injection).
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import Invalid, InvalidRequest
from services.product.model import catalogue

COLUMNS = ("sku", "name", "description", "category", "price_cents", "stock", "active", "image")
REQUIRED = ("sku", "name", "category", "price_cents")
MAX_ERRORS = 100  # reported for one file

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED_FORMULA = re.compile(r"'+[=+\-@\t\r]")
_FLAGS = {"": True, "true": True, "false": False}


class BadRows(Invalid):
    """Each error names the line of the file and the column: `rows.3.price_cents`. The heading is line 1."""

    code = "bad-rows"
    title = "Some rows cannot be imported; nothing was changed"


@dataclass(frozen=True, slots=True)
class Row:
    line: int
    draft: catalogue.Draft
    stock: int


def write_rows(rows: Iterable[Sequence[Any]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def read_rows(body: bytes) -> list[Row]:
    """Every row of a file. Raises BadRows with what is wrong in each line, InvalidRequest when it is not CSV."""
    rows: list[Row] = []
    errors: list[Mapping[str, str]] = []
    lines: dict[str, int] = {}
    for line, cells in _records(body):
        try:
            row = _row(line, cells)
        except ValueError as error:
            column, message = error.args
            errors.append(problem(line, column, message))
            continue
        if (first := lines.setdefault(row.draft.sku, line)) != line:
            errors.append(problem(line, "sku", f"is in line {first} already"))
        rows.append(row)
    refuse(errors)
    return rows


def refuse(errors: Sequence[Mapping[str, str]]) -> None:
    """Raise BadRows if there is anything to say."""
    if errors:
        raise BadRows(f"{len(errors)} rows are not right", errors=errors[:MAX_ERRORS])


def problem(line: int, column: str, message: str) -> Mapping[str, str]:
    return {"field": f"rows.{line}.{column}", "message": message}


def _records(body: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest("The file is not UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = [name.strip().lower() for name in next(reader, [])]
        _check_heading(heading)
        line = reader.line_num + 1
        for cells in reader:
            if cells and len(cells) != len(heading):
                raise InvalidRequest(f"Line {line} has {len(cells)} cells; the heading has {len(heading)}")
            if cells:
                yield line, dict(zip(heading, map(_value, cells), strict=True))
            line = reader.line_num + 1
    except csv.Error:
        raise InvalidRequest(f"Line {reader.line_num} is not CSV") from None


def _check_heading(heading: Sequence[str]) -> None:
    missing = [name for name in REQUIRED if name not in heading]
    strange = [name for name in heading if name not in COLUMNS]
    if missing:
        raise BadRows(errors=[problem(1, name, "is missing in the heading") for name in missing])
    if strange or len(set(heading)) != len(heading):
        raise BadRows(errors=[problem(1, "heading", f"holds only {', '.join(COLUMNS)}, each once")])


def _row(line: int, cells: Mapping[str, str]) -> Row:
    draft = catalogue.Draft(
        sku=_text(cells, "sku", catalogue.SKU_LENGTH, catalogue.SKU_PATTERN),
        name=_text(cells, "name", catalogue.NAME_LENGTH, r"(?s).*\S.*"),
        description=_text(cells, "description", catalogue.DESCRIPTION_LENGTH),
        category=_text(cells, "category", catalogue.CATEGORY_LENGTH, catalogue.SLUG_PATTERN),
        price_cents=_number(cells, "price_cents", catalogue.MAX_PRICE_CENTS),
        active=_flag(cells),
        image=_text(cells, "image", catalogue.IMAGE_LENGTH, f"^$|{catalogue.IMAGE_PATTERN}") or None,
    )
    return Row(line, draft, _number(cells, "stock", catalogue.MAX_STOCK))


def _text(cells: Mapping[str, str], column: str, most: int, pattern: str = r"(?s).*") -> str:
    value = cells.get(column, "")
    if len(value) > most:
        raise ValueError(column, f"has more than {most} characters")
    if not re.fullmatch(pattern, value) or any(c < " " and c not in "\n\t" for c in value):
        raise ValueError(column, "is missing or has characters that do not belong there")
    return value


def _number(cells: Mapping[str, str], column: str, most: int) -> int:
    value = cells.get(column, "") or ("0" if column not in REQUIRED else "")
    if not re.fullmatch(r"[0-9]{1,12}", value) or int(value) > most:
        raise ValueError(column, f"is not a whole number from 0 to {most}")
    return int(value)


def _flag(cells: Mapping[str, str]) -> bool:
    value = cells.get("active", "").lower()
    if value not in _FLAGS:
        raise ValueError("active", "is not true or false")
    return _FLAGS[value]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _value(cell: str) -> str:
    return cell[1:] if _QUOTED_FORMULA.match(cell) else cell
