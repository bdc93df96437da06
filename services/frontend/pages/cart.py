"""The cart: what is put in, changed and taken out, always against what there is."""

from typing import Literal

from fastapi import Request, Response

from services.chassis.errors import NotFound, Unavailable
from services.chassis.fields import Id, Model, QueryInt
from services.chassis.upstream import deadline
from services.frontend import service
from services.frontend.backends import Found, Products
from services.frontend.calls import READ_SECONDS
from services.frontend.model.cart import MAX_QTY, Cart, CartFull, Line
from services.frontend.pages.answers import go, show
from services.frontend.pages.forms import read_form
from services.frontend.pages.route import page_router
from services.frontend.pages.visitor import Visitor, visitor
from services.frontend.routes import TheProducts

router = page_router()


class Change(Model):
    """`add` puts more in, `set` says how many there shall be, `remove` takes the line out, `fit` all that is there."""

    do: Literal["add", "set", "remove", "fit"]
    product_id: Id = 1
    qty: QueryInt = 1


@router.get("/cart")
async def show_cart(request: Request, products: TheProducts) -> Response:
    view = await service.show_cart(products, visitor(request).cart)
    return show(request, "cart.html", view=view)


@router.post("/cart")
async def change_cart(request: Request, products: TheProducts) -> Response:
    seen = visitor(request)
    filled = await read_form(request, Change)
    if filled.errors.keys() == {"qty"}:
        seen.say("bad", "Please give the quantity as a whole number.")
        return go(request, "/cart")
    wanted = filled.valid()
    if wanted.do == "remove":
        seen.keep_cart(seen.cart.without([wanted.product_id]))
    elif wanted.do == "fit":
        await _fit(seen, products)
    elif wanted.do == "set":
        await _set(seen, products, wanted.product_id, wanted.qty)
    else:
        await _add(seen, products, wanted.product_id, wanted.qty)
        return go(request, f"/item/{wanted.product_id}")
    return go(request, "/cart")


async def _add(seen: Visitor, products: Products, product_id: int, more: int) -> None:
    had = seen.cart.quantity(product_id)
    try:
        line, left = await _line(products, product_id, had + max(more, 1))
    except Unavailable:
        seen.say("bad", "That could not be put into your cart just now. Please try again in a moment.")
        return
    if left == 0:
        seen.say("bad", f"“{line.name}” has just sold out.")
    elif left == had:
        seen.say("calm", f"All {left} that we have are in your cart already.", href="/cart", link="Go to the cart")
    else:
        added = line.qty - had
        few = f" That is all we have: {line.qty} in all." if line.qty == left and added < more else ""
        text = f"{added} × “{line.name}” put into your cart.{few}"
        _keep(seen, seen.cart, line, "good", text)


async def _set(seen: Visitor, products: Products, product_id: int, qty: int) -> None:
    known = next((line for line in seen.cart.lines if line.product_id == product_id), None)
    if known is None:
        return
    if qty < 1:
        seen.keep_cart(seen.cart.without([product_id]))
        return
    try:
        line, left = await _line(products, product_id, qty)
    except Unavailable:  # how many there are is found out later; the wish can be noted now
        line, left = Line(product_id, min(qty, MAX_QTY), known.seen_cents, known.name), qty
    if 0 < left < qty:
        seen.say("calm", f"There are only {left} of “{line.name}” left, so that is what your cart holds now.")
    if left:
        seen.keep_cart(seen.cart.put(Line(product_id, line.qty, known.seen_cents, line.name)))


async def _fit(seen: Visitor, products: Products) -> None:
    view = await service.show_cart(products, seen.cart)
    cart = seen.cart
    for each in view.lines:
        if each.state == "short":
            cart = cart.put(Line(each.line.product_id, each.left, each.line.seen_cents, each.line.name))
        elif each.state in {"sold-out", "gone"}:
            cart = cart.without([each.line.product_id])
    seen.keep_cart(cart)
    seen.say("good", "Your cart now holds what there is.")


async def _line(products: Products, product_id: int, qty: int) -> tuple[Line, int]:
    """A line for so many of a product, no more than there are, and how many that is. Raises NotFound, Unavailable."""
    with deadline(READ_SECONDS):
        reading = await products.product(product_id)
    if not isinstance(reading, Found):
        raise NotFound
    product = reading.document
    left = min(product["stock"], MAX_QTY) if product["active"] else 0
    return Line(product_id, min(qty, left), product["price_cents"], product["name"]), left


def _keep(seen: Visitor, cart: Cart, line: Line, tone: str, text: str) -> None:
    try:
        seen.keep_cart(cart.put(line))
    except CartFull as error:
        seen.say("bad", f"{error.title}, and yours is full.", href="/cart", link="Go to the cart")
    else:
        seen.say(tone, text, href="/cart", link="Go to the cart")
