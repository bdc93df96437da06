"""The stock in the back office: the ledger of a product, moving its stock, and what runs low."""

import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import BeforeValidator, Field

from services.chassis.errors import NotFound
from services.chassis.fields import VISIBLE, Model, QueryInt, Text, between, shaped
from services.frontend.pages.answers import go
from services.frontend.pages.forms import read_form
from services.frontend.pages.office.frame import Editor, Staff, office_router, show_office
from services.frontend.pages.shop import product_id
from services.frontend.pages.visitor import visitor
from services.frontend.routes import TheProducts
from services.frontend.service import editing

router = office_router()

MOST = 1_000_000_000
LOW = 5  # units from which on a product is not low, unless somebody asks for another number
LISTED = 100
_MESSAGES = {
    "delta": "How many came or went: a whole number such as 12 or -3, and not 0.",
    "reason": "Please say why, in 200 characters at most.",
    "insufficient-stock": "There are not so many left to take away.",
    "stock-limit": "That is more than the shop can count.",
    "key-reuse": "This form was sent already, with something else in it. Look at the ledger before you send it again.",
}


def _signed(text: Any) -> Any:
    """People also write +12, and a minus as in books."""
    return text.strip().removeprefix("+").replace("\u2212", "-") if isinstance(text, str) else text


class MovementForm(Model):
    delta: Annotated[QueryInt, between(-MOST, MOST), BeforeValidator(_signed)]
    reason: Annotated[Text, shaped(200, VISIBLE)]
    key: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{16,64}$")]


@router.get("/products/{number}/stock")
async def show_ledger(request: Request, staff: Editor, number: str, products: TheProducts) -> Response:
    cursor = request.query_params.get("cursor", "")
    if cursor and not (cursor.isascii() and cursor.isdecimal()):
        raise NotFound
    return await _ledger(request, staff, products, product_id(number), cursor=cursor)


@router.post("/products/{number}/stock")
async def move_stock(request: Request, staff: Editor, number: str, products: TheProducts) -> Response:
    """Once, however often it is clicked: the form carries the key of the change."""
    identifier = product_id(number)
    filled = await read_form(request, MovementForm)
    if filled.data is None or filled.data.delta == 0:
        wrong = set(filled.errors) or {"delta"}
        errors = {name: _MESSAGES.get(name, "Please send that again.") for name in wrong}
        return await _ledger(request, staff, products, identifier, values=filled.given, errors=errors)
    asked = filled.data
    changed = await editing.change_stock(
        products, identifier, staff.authorization, delta=asked.delta, reason=asked.reason, key=asked.key
    )
    if changed.refused:
        errors = {"delta": _MESSAGES.get(changed.refused, changed.detail)}
        return await _ledger(request, staff, products, identifier, values=filled.given, errors=errors)
    left = changed.document["stock"]
    visitor(request).say("good", f"Noted: {asked.delta:+,}. Now {left:,} are free to sell.")
    return go(request, f"/admin/products/{identifier}/stock")


@router.get("/low-stock")
async def show_low_stock(request: Request, staff: Editor, products: TheProducts) -> Response:
    typed = request.query_params.get("below", str(LOW)).strip()
    fits = re.fullmatch("[1-9][0-9]{0,8}", typed, re.ASCII)
    below = int(typed) if fits else LOW
    inventory = await editing.read_inventory(products, staff.authorization, below=below, limit=LISTED)
    return show_office(
        request,
        "low-stock.html",
        staff,
        status=200 if fits else 422,
        inventory=inventory,
        names=editing.names_of(inventory["categories"]),
        below=below,
        typed=typed,
        error="" if fits else "A whole number such as 5 or 20.",
        listed=LISTED,
    )


async def _ledger(
    request: Request,
    staff: Staff,
    products: TheProducts,
    identifier: int,
    *,
    cursor: str = "",
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Response:
    product = await editing.read_product(products, identifier, staff.authorization)
    return show_office(
        request,
        "stock.html",
        staff,
        status=422 if errors else 200,
        product=product,
        ledger=await editing.read_ledger(products, identifier, staff.authorization, cursor),
        values=values or {},
        errors=errors or {},
        key=secrets.token_urlsafe(18),
        first=not cursor,
    )
