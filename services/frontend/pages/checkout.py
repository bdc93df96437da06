"""The checkout, one page: what would be bought, at which total, and the one button.

The form carries the offer, signed. Whatever is clicked twice, gone back to or reloaded sends the same offer, whose key
makes it the same order; and when the answer is lost, so does a checkout of the same cart.
"""

from typing import Annotated

from fastapi import Request, Response
from pydantic import Field

from services.chassis.errors import Unauthenticated, Unavailable
from services.chassis.fields import Model
from services.chassis.seals import Seals
from services.frontend import service
from services.frontend.model.offer import Offer
from services.frontend.pages.answers import go, show
from services.frontend.pages.forms import Filled, read_form
from services.frontend.pages.route import page_router
from services.frontend.pages.visitor import Visitor, visitor
from services.frontend.routes import TheOrders, TheProducts

router = page_router()

OFFER_SECONDS = 24 * 3600
_WHY = {
    "price-changed": "A price changed while you were here, so nothing was bought. This is the total now.",
    "insufficient-stock": "Somebody was faster, so nothing was bought. Your cart shows what is left.",
    "unknown-product": "Something in your cart is no longer sold, so nothing was bought.",
}


class Agreed(Model):
    offer: Annotated[str, Field(max_length=8000)]


@router.get("/checkout")
async def show_checkout(request: Request, products: TheProducts) -> Response:
    seen = visitor(request)
    if not seen.cart.lines:
        return go(request, "/cart")
    view = await service.show_cart(products, seen.cart)
    if view.short:
        seen.say("calm", "Something in your cart has changed. Have a look before you buy.")
        return go(request, "/cart")
    if not view.known:
        raise Unavailable(retry_after=5)
    offer = Offer.of(seen.cart, seen.begin(request), view.subtotal_cents)
    return show(
        request,
        "checkout.html",
        headers={"Cache-Control": "no-store"},
        view=view,
        total_cents=offer.total_cents,
        offer=_seals(request).seal(offer.text()),
    )


@router.post("/checkout")
async def buy(request: Request, orders: TheOrders) -> Response:
    seen = visitor(request)
    filled = await read_form(request, Agreed)
    offer = _agreed(request, filled)
    if offer is None or offer.customer_id != seen.customer_id:
        seen.say("calm", "You had been away for a while, so please have another look before you buy.")
        return go(request, "/checkout")
    try:
        outcome = await service.place_order(orders, offer, seen.authorization)
    except Unauthenticated:
        seen.forget_session()
        seen.say("calm", "Your session was over. Please have another look before you buy.")
        return go(request, "/checkout")
    except Unavailable as error:
        return show(
            request,
            "unsure.html",
            status=503,
            headers={"Retry-After": str(error.retry_after or 1), "Cache-Control": "no-store"},
            offer=filled.given["offer"],
        )
    if outcome.refused:
        return go(request, _refused(seen, outcome.refused))
    _bought(seen, offer)
    return go(request, f"/my/orders/{outcome.order['id']}" if outcome.order else "/my/orders")


def _bought(seen: Visitor, offer: Offer) -> None:
    """What was bought leaves the cart; what came in since, in another tab, stays for another purchase."""
    if seen.cart.id == offer.cart_id:
        bought = dict(offer.lines)
        gone = [line.product_id for line in seen.cart.lines if line.qty <= bought.get(line.product_id, 0)]
        seen.keep_cart(seen.cart.without(gone).renewed())


def _refused(seen: Visitor, code: str) -> str:
    """Say kindly why not, and where to go. A no is final for this purchase, so the next try is another one."""
    seen.keep_cart(seen.cart.renewed())
    seen.say(
        "calm", _WHY.get(code, "The order could not be confirmed in time, so nothing was bought. Please try again.")
    )
    return "/checkout" if code == "price-changed" else "/cart"


def _agreed(request: Request, filled: Filled[Agreed]) -> Offer | None:
    text = _seals(request).opened(filled.valid().offer)
    return Offer.of_text(text) if text else None


def _seals(request: Request) -> Seals:
    return Seals(request.app.state.settings.session_keys, "offer", OFFER_SECONDS)
