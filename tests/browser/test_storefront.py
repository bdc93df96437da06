"""Guests of the shop in a real browser: what they buy, what they cannot, and what they are told."""

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Counter, Guests

if TYPE_CHECKING:
    from playwright.sync_api import Page

ORDER = re.compile(r"/my/orders/[0-9a-f-]{36}$")


def put_into_cart(page: "Page", product_id: int, qty: int = 1) -> None:
    page.goto(f"/item/{product_id}")
    page.get_by_label("How many").fill(str(qty))
    page.get_by_role("button", name="Put into the cart").click()
    page.get_by_role("status").filter(has_text="put into your cart").wait_for()


def go_to_checkout(page: "Page", product_id: int, qty: int = 1) -> None:
    put_into_cart(page, product_id, qty)
    page.goto("/checkout")


def buy(page: "Page", product_id: int, qty: int = 1) -> str:
    """Where the order is."""
    go_to_checkout(page, product_id, qty)
    page.get_by_role("button", name="Buy now").click()
    page.wait_for_url(ORDER)
    return str(page.url)


def tab_to(page: "Page", name: str) -> None:
    """Press Tab until something with this name has the focus, which everybody can see."""
    for _ in range(80):
        page.keyboard.press("Tab")
        focused = page.evaluate(
            """() => {
                const at = document.activeElement;
                const styles = [getComputedStyle(at), getComputedStyle(at, "::after")];
                const label = at.labels?.[0]?.textContent ?? at.textContent;
                const seen = styles.some((style) => style.outlineStyle !== "none" && style.outlineWidth !== "0px");
                return { name: label.trim().replace(/\\s+/g, " "), seen };
            }"""
        )
        assert focused["seen"], f"nobody sees that {focused['name']} has the focus"
        if focused["name"] == name:
            return
    pytest.fail(f"Tab does not lead to {name}")


def test_a_guest_buys_with_the_keyboard_alone(guests: Guests, counter: Counter) -> None:
    counter.sell("Keyboard Kettle", price_cents=3150)
    page = guests.open()
    page.goto("/")
    tab_to(page, "Search the shop")
    page.keyboard.type("keyboard kettle")
    page.keyboard.press("Enter")
    page.wait_for_url("**/shop?q=*")
    tab_to(page, "Keyboard Kettle")
    page.keyboard.press("Enter")
    page.wait_for_url("**/item/*")
    tab_to(page, "How many")
    page.keyboard.press("ArrowUp")
    tab_to(page, "Put into the cart")
    page.keyboard.press("Enter")
    page.get_by_role("status").filter(has_text="2 × “Keyboard Kettle” put into your cart.").wait_for()
    tab_to(page, "Go to the cart")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cart")
    tab_to(page, "To the checkout")
    page.keyboard.press("Enter")
    page.wait_for_url("**/checkout")
    tab_to(page, "Buy now")
    page.keyboard.press("Enter")
    page.wait_for_url(ORDER)
    assert page.get_by_role("cell", name="€63.00", exact=True).count() == 2
    page.reload()
    page.get_by_text("Thank you.").first.wait_for()
    page.goto("/my/orders")
    assert page.get_by_role("link", name=re.compile("^Order [0-9A-F]{8}$")).count() == 1


@pytest.mark.parametrize("script", [True, False])
def test_neither_a_double_click_nor_the_back_button_buys_twice(guests: Guests, counter: Counter, script: bool) -> None:
    product = counter.sell(stock=5)
    page = guests.open(script=script)
    go_to_checkout(page, product)
    page.get_by_role("button", name="Buy now").dblclick()
    page.wait_for_url(ORDER)
    page.go_back()
    if page.url.endswith("/checkout") and page.get_by_role("button", name="Buy now").count():
        page.get_by_role("button", name="Buy now").click()
        page.wait_for_url(ORDER)
    page.goto("/checkout")
    page.get_by_text("Nothing in it yet").first.wait_for()
    assert (counter.sold(product), counter.left(product)) == (1, 4)


def test_what_sells_out_in_the_cart_is_said_kindly(guests: Guests, counter: Counter) -> None:
    gone, there = counter.sell("Gone Soon", stock=3), counter.sell("Still There", price_cents=500)
    page = guests.open()
    put_into_cart(page, gone, 2)
    put_into_cart(page, there)
    counter.stock(gone, -3)
    page.goto("/cart")
    page.get_by_text("Sold out meanwhile.").first.wait_for()
    assert page.get_by_role("link", name="To the checkout").count() == 0
    page.get_by_role("button", name="Take what there is").click()
    page.get_by_role("link", name="To the checkout").click()
    page.wait_for_url("**/checkout")
    assert page.get_by_role("cell", name="€5.00", exact=True).count() == 2
    page.goto(f"/item/{gone}")
    page.get_by_text("Sold out", exact=True).first.wait_for()
    assert page.get_by_role("button", name="Put into the cart").count() == 0


def test_of_two_guests_one_gets_the_last_unit(guests: Guests, counter: Counter) -> None:
    last = counter.sell("Last One", stock=1)
    first, second = guests.open(), guests.open()
    for page in (first, second):
        go_to_checkout(page, last)
    for page in (first, second):
        page.get_by_role("button", name="Buy now").click()
    first.wait_for_url(ORDER)
    second.wait_for_url("**/cart")
    second.get_by_text("Somebody was faster, so nothing was bought.").first.wait_for()
    second.get_by_text("Sold out meanwhile.").first.wait_for()
    assert (counter.sold(last), counter.left(last)) == (1, 0)


def test_a_price_that_changed_is_shown_before_anything_is_bought(guests: Guests, counter: Counter) -> None:
    product = counter.sell("Moving Target", price_cents=1000)
    page = guests.open()
    go_to_checkout(page, product)
    counter.price(product, 1250)
    page.get_by_role("button", name="Buy now").click()
    page.get_by_text("A price changed while you were here, so nothing was bought.").wait_for()
    assert counter.sold(product) == 0
    page.get_by_text("€10.00").first.wait_for()
    page.get_by_role("button", name="Buy now").click()
    page.wait_for_url(ORDER)
    assert page.get_by_role("cell", name="€12.50", exact=True).count() == 2


def test_without_the_product_service_cart_and_orders_are_there(guests: Guests, counter: Counter) -> None:
    bought, unseen = counter.sell("Bought Before"), counter.sell("Never Looked At")
    page = guests.open()
    order = buy(page, bought)
    put_into_cart(page, bought)
    counter.switches["product"].on = False
    try:
        page.goto(f"/item/{unseen}")
        page.get_by_role("heading", name="We can’t see our shelves right now").wait_for()
        page.get_by_role("link", name="My cart").click()
        page.get_by_text("Bought Before").first.wait_for()
        page.goto(order)
        page.get_by_text("Thank you.").first.wait_for()
    finally:
        counter.switches["product"].on = True
    page.goto(f"/item/{unseen}")
    page.get_by_role("heading", name="Never Looked At").wait_for()


def test_cancelling_brings_the_stock_back(guests: Guests, counter: Counter) -> None:
    product = counter.sell("Second Thoughts", stock=2)
    page = guests.open()
    order = buy(page, product, 2)
    page.goto(f"/item/{product}")
    page.get_by_text("Sold out", exact=True).first.wait_for()
    page.goto(order)
    page.get_by_role("button", name="Cancel this order").click()
    page.get_by_text("Your order is cancelled.").wait_for()
    assert page.get_by_role("button", name="Cancel this order").count() == 0
    page.goto(f"/item/{product}")
    page.get_by_text("Only 2 left").first.wait_for()


def test_the_order_of_another_guest_is_not_there(guests: Guests, counter: Counter) -> None:
    order = buy(guests.open(), counter.sell())
    stranger = guests.open()
    for known in (False, True):
        if known:
            buy(stranger, counter.sell())
        answer = stranger.goto(order)
        assert answer is not None
        assert answer.status == 404
        stranger.get_by_role("heading", name="No such order here").wait_for()
