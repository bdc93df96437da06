"""A visitor's orders: the list, one of them with its timeline, and cancelling it."""

import re
from uuid import UUID

from fastapi import Request, Response

from services.chassis.errors import NotFound, Unauthenticated
from services.frontend import service
from services.frontend.model.cart import CartFull, Line
from services.frontend.pages.answers import go, show
from services.frontend.pages.forms import Nothing, read_form
from services.frontend.pages.route import page_router
from services.frontend.pages.visitor import visitor
from services.frontend.routes import TheOrders, TheProducts

router = page_router(prefix="/my/orders")

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
CURSOR = re.compile(f"[0-9]{{16}}-{_UUID.pattern}", re.ASCII)


@router.get("")
async def list_orders(request: Request, orders: TheOrders) -> Response:
    cursor = request.query_params.get("cursor", "")
    if cursor and not CURSOR.fullmatch(cursor):
        raise NotFound
    seen = visitor(request)
    page = (
        await service.list_orders(orders, seen.authorization, cursor) if seen.session else {"items": [], "next": None}
    )
    return show(request, "orders.html", headers={"Cache-Control": "no-store"}, page=page, first=not cursor)


@router.get("/{number}")
async def show_order(request: Request, number: str, orders: TheOrders, products: TheProducts) -> Response:
    shown = await service.watch_order(orders, products, order_id(number), _credential(request))
    return show(request, "order.html", headers={"Cache-Control": "no-store"}, shown=shown, order=shown.order)


@router.post("/{number}/cancel")
async def cancel_order(request: Request, number: str, orders: TheOrders) -> Response:
    seen, identifier = visitor(request), order_id(number)
    (await read_form(request, Nothing)).valid()
    outcome = await service.cancel_order(orders, identifier, _credential(request))
    if outcome.refused:
        seen.say("calm", "This order can no longer be cancelled.")
    elif outcome.waiting:
        seen.say("calm", "Your order is being cancelled.")
    else:
        seen.say("good", "Your order is cancelled. Nothing of it will be sent.")
    return go(request, f"/my/orders/{identifier}")


@router.post("/{number}/again")
async def put_back(request: Request, number: str, orders: TheOrders, products: TheProducts) -> Response:
    """Everything of an order that is still sold goes into the cart once more."""
    seen = visitor(request)
    (await read_form(request, Nothing)).valid()
    shown = await service.watch_order(orders, products, order_id(number), _credential(request))
    cart = seen.cart
    for line in shown.order["lines"]:
        product = shown.products.get(line["product_id"])
        if product and product["stock"] > 0:
            qty = min(line["qty"], product["stock"])
            try:
                cart = cart.put(Line(product["id"], qty, product["price_cents"], product["name"]))
            except CartFull:
                break
    seen.keep_cart(cart)
    seen.say("good", "What is still sold of that order is in your cart.")
    return go(request, "/cart")


def order_id(text: str) -> UUID:
    """The id in an address. Raises NotFound for anything else."""
    if not _UUID.fullmatch(text):
        raise NotFound
    return UUID(text)


def _credential(request: Request) -> str:
    """Somebody without a session has no orders, so there is no such thing. Raises NotFound."""
    try:
        return visitor(request).authorization
    except Unauthenticated:
        raise NotFound from None
