"""Orders in the back office: the list, one of them with all that happened, and moving it on."""

from typing import Annotated, Literal

from fastapi import Request, Response
from pydantic import Field

from services.chassis.errors import NotFound
from services.chassis.fields import Model, Text, shaped
from services.frontend.pages.answers import go
from services.frontend.pages.forms import Nothing, read_form
from services.frontend.pages.office.frame import Auditor, Fulfiller, office_router, show_office
from services.frontend.pages.orders import CURSOR, order_id
from services.frontend.pages.visitor import visitor
from services.frontend.routes import TheOrders
from services.frontend.service import fulfilling

router = office_router("/orders")

STATUSES = ("pending", "confirmed", "shipped", "cancelling", "cancelled", "refunding", "refunded", "rejected")
_DONE = {"ship": "It is on its way.", "cancel": "It is cancelled.", "refund": "It is refunded."}


class ShipForm(Model):
    tracking: Annotated[Text, shaped(200, r"^[^\x00-\x1f]+$")] = Field(default="")


@router.get("")
async def list_orders(request: Request, staff: Auditor, orders: TheOrders) -> Response:
    given = {name: request.query_params.get(name, "").strip() for name in ("status", "customer", "cursor")}
    if given["status"] not in {"", *STATUSES} or (given["cursor"] and not CURSOR.fullmatch(given["cursor"])):
        raise NotFound
    if given["customer"]:
        given["customer"] = str(order_id(given["customer"]))
    page = await fulfilling.list_all_orders(orders, staff.authorization, **given)
    return show_office(request, "orders.html", staff, page=page, given=given, statuses=STATUSES)


@router.get("/{number}")
async def show_order(request: Request, staff: Auditor, number: str, orders: TheOrders) -> Response:
    file = await fulfilling.read_file(orders, order_id(number), staff.authorization)
    return show_office(request, "order.html", staff, order=file.order, events=file.events)


@router.post("/{number}/ship")
async def ship_order(request: Request, staff: Fulfiller, number: str, orders: TheOrders) -> Response:
    filled = await read_form(request, ShipForm)
    return await _move(request, staff, orders, number, "ship", filled.valid().tracking)


@router.post("/{number}/cancel")
async def cancel_order(request: Request, staff: Fulfiller, number: str, orders: TheOrders) -> Response:
    (await read_form(request, Nothing)).valid()
    return await _move(request, staff, orders, number, "cancel")


@router.post("/{number}/refund")
async def refund_order(request: Request, staff: Fulfiller, number: str, orders: TheOrders) -> Response:
    (await read_form(request, Nothing)).valid()
    return await _move(request, staff, orders, number, "refund")


async def _move(
    request: Request,
    staff: Fulfiller,
    orders: TheOrders,
    number: str,
    step: Literal["ship", "cancel", "refund"],
    tracking: str = "",
) -> Response:
    identifier = order_id(number)
    changed = await fulfilling.move_order(orders, identifier, step, staff.authorization, tracking)
    seen = visitor(request)
    if changed.refused:
        seen.say("bad", "That is not possible any more: the order has moved on. This is how it stands now.")
    elif changed.waiting:
        seen.say("calm", "Noted. Its stock is on the way back; look again in a moment.")
    else:
        seen.say("good", _DONE[step])
    return go(request, f"/admin/orders/{identifier}")
