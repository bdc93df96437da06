"""The catalogue as a sheet: out, and in again, all of it or nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.chassis.errors import Forbidden, Unauthenticated
from services.chassis.upstream import deadline
from services.frontend.backends import Products
from services.frontend.calls import Call, NoAnswer
from services.frontend.service.staff import ANSWERS, change

SECONDS = 25.0  # for files of up to 8 MiB
_PLACE = re.compile(r"rows\.(\d+)\.(.+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a line of a sheet; `typed` is the line as it was given. Line 0 is the sheet as a whole."""

    line: int
    column: str
    message: str
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """`report` counts rows, created, updated and unchanged; with faults there is none, and nothing was changed."""

    report: Mapping[str, Any] | None
    faults: Sequence[Fault] = ()


async def import_sheet(products: Products, authorization: str, sheet: str, *, dry_run: bool) -> Imported:
    """Raises NoAnswer when it is unknown whether it was imported."""
    call = Call(
        method="POST",
        path="/products/import",
        query="dry_run=true" if dry_run else "",
        statuses=ANSWERS,
        headers={"Authorization": authorization, "Content-Type": "text/csv"},
        body=sheet.encode(),
        seconds=SECONDS,
    )
    changed = await change(products, call)
    if not changed.refused:
        return Imported(changed.document)
    lines = sheet.split("\n")
    faults = [_fault(place, message, lines) for place, message in changed.errors.items()]
    return Imported(None, sorted(faults, key=lambda fault: fault.line) or [Fault(0, "", f"{changed.detail}.")])


def _fault(place: str, message: str, lines: Sequence[str]) -> Fault:
    found = _PLACE.fullmatch(place)
    if not found:
        return Fault(0, "", message)
    line = int(found[1])
    return Fault(line, found[2], message, lines[line - 1] if line <= len(lines) else "")


async def export_sheet(products: Products, authorization: str) -> bytes:
    """The whole catalogue as CSV. Raises NoAnswer, Unauthenticated and Forbidden."""
    call = Call(
        method="GET",
        path="/products/export",
        statuses=frozenset({200, 401, 403}),
        media_type="text/csv",
        headers={"Authorization": authorization},
        seconds=SECONDS,
    )
    with deadline(SECONDS):
        answer = await products.forward(call)
    if answer.status != 200:
        raise Unauthenticated if answer.status == 401 else Forbidden
    if answer.media_type != "text/csv":
        raise NoAnswer
    return answer.body
