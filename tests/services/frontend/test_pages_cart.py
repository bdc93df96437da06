"""The cart and the checkout over HTTP: what is kept, what is bought, and that nothing is bought twice."""

import asyncio
import json
import time
from typing import Any
from uuid import uuid4

from services.chassis.auth import SESSION_SECONDS, Sessions
from services.frontend.model.cart import Cart, Line
from tests.services.frontend.conftest import SETTINGS
from tests.services.frontend.stand_in import ORDER_ID, StandIn, order, problem, product
from tests.services.frontend.visiting import Form, Page, Visitor

ORDER = f"/my/orders/{ORDER_ID}"


def bought(shop: StandIn) -> list[tuple[str | None, Any]]:
    """Key and body of every order that was asked for."""
    return [
        (seen.header("idempotency-key"), json.loads(seen.body))
        for seen in shop.seen
        if (seen.method, seen.target) == ("POST", "/orders")
    ]


async def offered(visitor: Visitor) -> Form:
    """The form of the checkout page."""
    return (await visitor.get("/checkout")).form("/checkout")


async def change(visitor: Visitor, page: Page, product_id: int, do: str, **fields: str) -> Page:
    return await visitor.submit(page.form("/cart", do=do, product_id=str(product_id)), **fields)


async def test_a_cart_is_filled_changed_and_emptied(visitor: Visitor) -> None:
    item = await visitor.add(1, 2)
    assert "2 × “Headphones 1” put into your cart." in item.text
    await visitor.add(2)
    cart = await visitor.get("/cart")
    assert "€59.97" in cart.text
    cart = await change(visitor, cart, 1, "set", qty="5")
    assert "€119.94" in cart.text
    cart = await change(visitor, cart, 1, "remove")
    assert "Headphones 1" not in cart.text
    cart = await change(visitor, cart, 2, "set", qty="0")
    assert "Nothing in it yet" in cart.text
    assert "cart" not in visitor.cookies


async def test_a_cart_holds_no_more_than_there_is(visitor: Visitor, shop: StandIn) -> None:
    shop.answer("GET /products/1", product(1, stock=3))
    item = await visitor.add(1, 2)
    assert [named.get("max") for _, named in item.tags if named.get("name") == "qty"] == ["1"]
    form = item.form("/cart", do="add")
    item = await visitor.submit(form, qty="9")
    assert "1 × “Headphones 1” put into your cart. That is all we have: 3 in all." in item.text
    again = await visitor.submit(form, qty="1")
    assert "All 3 that we have are in your cart already." in again.text
    cart = await change(visitor, await visitor.get("/cart"), 1, "set", qty="7")
    assert "There are only 3" in cart.text


async def test_what_sold_out_meanwhile_is_marked_and_taken_out_with_one_click(visitor: Visitor, shop: StandIn) -> None:
    for number in (1, 2, 3):
        await visitor.add(number, 4)
    shop.answer("GET /products/1", product(1, stock=0))
    shop.answer("GET /products/2", product(2, stock=1))
    shop.answer("GET /products/3", problem(404, "not-found"), 404)
    cart = await visitor.get("/checkout")
    assert "Something in your cart has changed." in cart.text
    for said in ("Sold out meanwhile.", "Only 1 left.", "No longer sold."):
        assert said in cart.text
    assert "/checkout" not in cart.links
    fitted = await visitor.submit(cart.form("/cart", do="fit"))
    assert "€19.99" in fitted.text
    assert "/checkout" in fitted.links


async def test_a_quantity_that_is_none_changes_nothing(visitor: Visitor) -> None:
    await visitor.add(1, 2)
    for qty in ("x", "1.5", "١", "", " "):
        cart = await change(visitor, await visitor.get("/cart"), 1, "set", qty=qty)
        assert "Please give the quantity as a whole number." in cart.text or "€19.99" in cart.text, qty
        assert "each" in cart.text


async def test_a_changed_price_is_shown_beside_the_old_one(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    shop.answer("GET /products/1", product(1, price_cents=2499))
    cart = await visitor.get("/cart")
    assert "A price has changed since you put it in." in cart.text
    assert "€24.99 each before: €19.99" in cart.text
    assert "Prices have changed" in (await visitor.get("/checkout")).text


async def test_a_cart_that_somebody_wrote_themselves_is_empty(visitor: Visitor) -> None:
    await visitor.add(1)
    ours = visitor.cookies["cart"]
    kid, expiry, payload, signature = ours.split(".")
    for forged in (
        f"{kid}.{int(expiry) + 1}.{payload}.{signature}",
        f"{kid}.{expiry}.{payload[:-2]}AA.{signature}",
        f"other.{expiry}.{payload}.{signature}",
        f"{kid}.{expiry}.{payload}.{'A' * len(signature)}",
        visitor.cookies["form"],
        "....",
        "x" * 3000,
        '"',
    ):
        visitor.cookies["cart"] = forged
        assert "Nothing in it yet" in (await visitor.get("/cart")).text, forged
        assert visitor.reply.status == 200


async def test_seals_of_other_kinds_are_no_carts(visitor: Visitor) -> None:
    await visitor.add(1)
    visitor.cookies["cart"] = (await offered(visitor)).fields["offer"]
    assert "Nothing in it yet" in (await visitor.get("/cart")).text


async def test_a_full_cart_fits_a_cookie_and_an_order(visitor: Visitor, shop: StandIn) -> None:
    for number in range(1, 52):
        shop.answer(f"GET /products/{10**17 + number}", product(10**17 + number, name=f"{number} " + "ä" * 198))
    for number in range(1, 51):
        await visitor.add(10**17 + number, 9)
    assert "yours is full" in (await visitor.add(10**17 + 51)).text
    assert len(visitor.cookies["cart"]) < 4000
    await visitor.submit(await offered(visitor))
    [(_, body)] = bought(shop)
    assert len(body["lines"]) == 50


async def test_buying_leads_to_the_order_and_empties_the_cart(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1, 2)
    await visitor.add(2)
    shown = await visitor.submit(await offered(visitor))
    assert "Thank you" in shown.text
    [(key, body)] = bought(shop)
    assert body == {
        "lines": [{"product_id": 1, "qty": 2}, {"product_id": 2, "qty": 1}],
        "expected_total_cents": 5997,
    }
    assert key
    assert "Nothing in it yet" in (await visitor.get("/cart")).text


async def test_whatever_is_sent_twice_is_the_same_order(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    form = await offered(visitor)
    first = await visitor.post("/checkout", form.fields)
    second = await visitor.post("/checkout", form.fields)  # a double click, or back and once more
    assert [(reply.status, reply.headers["Location"]) for reply in (first, second)] == [(303, ORDER)] * 2
    one, other = bought(shop)
    assert one == other


async def test_checking_out_again_after_a_lost_answer_is_the_same_order(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    answered = shop.answers.pop("POST /orders")
    unsure = await visitor.submit(await offered(visitor))
    assert visitor.reply.status == 503
    assert "it is never placed twice" in unsure.text
    shop.answers["POST /orders"] = answered
    await visitor.post("/checkout", unsure.form("/checkout").fields)
    keys = {key for key, _ in bought(shop)}
    visitor_again = await visitor.get("/checkout")
    assert len(keys) == 1
    assert "Nothing in it yet" in visitor_again.text


async def test_the_same_cart_has_one_key_until_it_is_bought(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    forms = [await offered(visitor) for _ in range(2)]
    for form in forms:  # two tabs
        await visitor.post("/checkout", form.fields)
    await visitor.add(1)
    await visitor.submit(await offered(visitor))
    one, other, later = [key for key, _ in bought(shop)]
    assert one == other != later


async def test_what_came_into_the_cart_meanwhile_stays(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    form = await offered(visitor)
    await visitor.add(2)
    await visitor.submit(form)
    [(_, body)] = bought(shop)
    assert body["lines"] == [{"product_id": 1, "qty": 1}]
    cart = await visitor.get("/cart")
    assert "Headphones 2" in cart.text
    assert "Headphones 1" not in cart.text


async def test_an_order_under_way_is_waited_for(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    form = await offered(visitor)
    shop.answer("POST /orders", problem(409, "in-progress"), 409)
    waiting = asyncio.create_task(visitor.post("/checkout", form.fields))
    while not bought(shop):  # noqa: ASYNC110 - the stand-in tells nobody
        await asyncio.sleep(0.01)
    shop.answer("POST /orders", order(1), 201)
    assert (await waiting).headers["Location"] == ORDER


async def test_an_order_that_is_not_decided_yet_is_shown_and_watched(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    pending = order(1, status="pending", total_cents=None, decided_at=None)
    shop.answer("POST /orders", pending, 202)
    shop.answer(f"GET /orders/{ORDER_ID}", pending)
    shown = await visitor.submit(await offered(visitor))
    assert "making sure that everything is there" in shown.text
    assert any("data-watch" in named for _, named in shown.tags)


REFUSED = {
    "price-changed": (409, "/checkout", "A price changed while you were here"),
    "insufficient-stock": (409, "/cart", "Somebody was faster"),
    "unknown-product": (422, "/cart", "no longer sold"),
    "timed-out": (409, "/cart", "could not be confirmed in time"),
}


async def test_a_refusal_says_why_and_the_next_try_is_another_purchase(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    for code, (status, place, said) in REFUSED.items():
        shop.answer("POST /orders", problem(status, code), status)
        reply = await visitor.post("/checkout", (await offered(visitor)).fields)
        assert (reply.status, reply.headers["Location"]) == (303, place), code
        assert said in (await visitor.get(place)).text
    keys = [key for key, _ in bought(shop)]
    assert len(set(keys)) == len(REFUSED)


async def test_too_many_orders_at_once_are_asked_to_wait(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    shop.answer("POST /orders", problem(429, "too-many-pending"), 429, retry_after="5")
    refused = await visitor.submit(await offered(visitor))
    assert visitor.reply.status == 429
    assert visitor.reply.headers["Retry-After"] == "5"
    assert "5 seconds" in refused.text


async def test_an_offer_is_good_for_the_one_it_was_made_to(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    form = await offered(visitor)
    for session in ("", Sessions(SETTINGS.session_keys).issue().token):
        visitor.cookies["session"] = session
        again = await visitor.submit(form)
        assert "please have another look before you buy" in again.text
    assert bought(shop) == []


async def test_an_offer_that_somebody_wrote_is_none(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    form = await offered(visitor)
    for forged in ("x", form.fields["offer"][:-2] + "AA", visitor.cookies["cart"], form.fields["form"]):
        await visitor.submit(form, offer=forged)
    assert bought(shop) == []


async def test_a_session_that_the_order_service_refuses_is_begun_anew(visitor: Visitor, shop: StandIn) -> None:
    await visitor.add(1)
    before = await offered(visitor)
    old = visitor.cookies["session"]
    shop.answer("POST /orders", problem(401, "unauthenticated"), 401)
    again = await visitor.submit(before)
    assert "Your session was over." in again.text
    assert visitor.cookies["session"] != old
    assert "Headphones 1" in again.text


async def test_a_renewed_session_keeps_the_customer_and_the_cart(visitor: Visitor) -> None:
    customer = uuid4()
    old = Sessions(SETTINGS.session_keys, clock=lambda: time.time() - SESSION_SECONDS * 0.6).issue(customer)
    await visitor.add(1, 3)
    visitor.cookies["session"] = old.token
    await visitor.get("/my/orders")
    assert visitor.cookies["session"] != old.token
    assert Sessions(SETTINGS.session_keys).read(visitor.cookies["session"]).customer_id == customer
    assert "€59.97" in (await visitor.get("/cart")).text


def test_merged_carts_have_everything_of_both_and_the_greater_number() -> None:
    one = Cart("a", (Line(1, 2, 100), Line(2, 1, 100)))
    other = Cart("b", (Line(2, 5, 100), Line(1, 1, 100), Line(3, 1, 100)))
    merged = one.merged(other)
    assert merged.id == "a"
    assert [(line.product_id, line.qty) for line in merged.lines] == [(1, 2), (2, 5), (3, 1)]
    full = Cart("c", tuple(Line(number, 1, 1) for number in range(1, 51)))
    assert len(full.merged(Cart("d", (Line(99, 1, 1),)))) == 50


def test_a_cart_reads_what_it_wrote_and_nothing_else() -> None:
    cart = Cart("a", (Line(7, 2, 1999, "Mug “Harbour”"), Line(8, 1, 5, "")))
    assert Cart.of_text(cart.text()) == cart
    for text in ("", "[]", "{}", '["a"]', '["a",[[1]]]', '["a",[[1,2,"x","n"]]]', "null"):
        assert Cart.of_text(text).lines == ()
