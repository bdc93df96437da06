"""The staff in a real browser: sheets with errors, orders on their way and back, the overview, and the status page."""

import re
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from tests.browser.conftest import Counter, Guests
from tests.browser.test_access import axe, serious
from tests.browser.test_storefront import buy
from tests.services.whole_shop import admin_token

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["axe"]


def log_in(page: "Page", where: str = "/admin") -> None:
    """Through the door, to a page of the office."""
    page.goto(where)
    page.get_by_label("Your admin key").fill(admin_token())
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"**{where}")


def test_a_sheet_with_errors_is_mended_in_place_and_then_for_sale(guests: Guests) -> None:
    page = guests.open()
    log_in(page, "/admin/transfer")
    name, sku = f"Sheet Lantern {uuid4().hex[:6]}", f"S-{uuid4().hex[:8]}"
    good = f"{sku},{name},desk,1990,7"
    sheet = page.get_by_label("The sheet, as CSV")
    sheet.fill(f"sku,name,category,price_cents,stock\n{good}\nS-2,,desk,cheap,1\n")
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("heading", name=re.compile("Nothing was imported")).wait_for()
    assert page.get_by_role("row").filter(has_text="S-2,,desk,cheap,1").get_by_role("cell").first.inner_text() == "3"
    assert good in sheet.input_value(), "what was typed is still there"
    sheet.fill(f"sku,name,category,price_cents,stock\n{good}\n")
    page.get_by_role("button", name="Try it, change nothing").click()
    page.get_by_text("1 new, 0 changed").wait_for()
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_text("Imported: 1 created").wait_for()
    page.goto(f"/shop?q={name}")
    page.get_by_role("link", name=name).click()
    page.get_by_text("€19.90").first.wait_for()


def test_a_sheet_from_a_file_lands_in_the_field(guests: Guests) -> None:
    page = guests.open()
    log_in(page, "/admin/transfer")
    content = b"sku,name,category,price_cents\nF-1,From a file,desk,100\n"
    page.get_by_label("A file from this computer").set_input_files(
        {"name": "products.csv", "mimeType": "text/csv", "buffer": content}
    )
    page.wait_for_function("document.querySelector('#f-sheet').value.includes('From a file')")


def test_an_order_is_sent_then_refunded_and_its_stock_returns(guests: Guests, counter: Counter) -> None:
    product = counter.sell(stock=10)
    guest, staff = guests.open(), guests.open()
    order = buy(guest, product, 3)
    assert counter.left(product) == 7
    log_in(staff, f"/admin/orders/{order.rpartition('/')[2]}")
    staff.get_by_label("Tracking number").fill("ROYAL-42")
    staff.get_by_role("button", name="It is sent").click()
    staff.get_by_text("It is on its way.").wait_for()
    guest.goto(order)
    guest.get_by_text("ROYAL-42").wait_for()
    staff.get_by_text("Refund it …").click()
    staff.get_by_role("button", name="Yes, refund it").click()
    staff.get_by_text("It is refunded.").wait_for()
    assert counter.left(product) == 10
    assert staff.get_by_text("by admin:").count() == 3, "the log says who sent it and who refunded it"
    staff.goto(f"/admin/products/{product}/stock")
    assert staff.locator("tbody td.number").all_inner_texts() == ["+3", "-3", "+10"]


def test_the_overview_counts_what_was_bought(guests: Guests, counter: Counter) -> None:
    def orders(page: "Page") -> int:
        page.goto("/admin")
        return int(page.locator(".figures strong").first.inner_text().replace(",", ""))

    product = counter.sell("Overview Oven", price_cents=12_345)
    staff = guests.open()
    log_in(staff)
    before = orders(staff)
    buy(guests.open(), product, 2)
    assert orders(staff) == before + 1
    staff.get_by_text("As numbers").first.click()
    assert staff.locator("details[open] tbody tr").count() == 24


def test_a_service_that_is_away_is_on_the_status_page(guests: Guests, counter: Counter) -> None:
    page = guests.open()
    page.goto("/status")
    page.get_by_text("Everything works").wait_for()
    counter.switches["order"].on = False
    try:
        page.reload()
        page.get_by_role("row", name=re.compile("order Away")).wait_for()
    finally:
        counter.switches["order"].on = True


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 390)], ids=["light on a desk", "dark on a phone"]
)
def test_no_page_of_the_staff_keeps_anybody_out(
    guests: Guests,
    counter: Counter,
    axe: str,
    scheme: str,
    width: int,
) -> None:
    product = counter.sell("Extraordinarily" * 8, stock=2, description="x" * 300)
    page = guests.open(color_scheme=scheme, viewport={"width": width, "height": 800})
    order = buy(page, product).rpartition("/")[2]
    page.goto("/admin/login")
    assert serious(page, axe) == []
    log_in(page)
    paths = ["/admin", f"/admin/orders/{order}", "/admin/orders", "/admin/transfer", "/admin/nothing", "/status"]
    paths += [f"/admin/products/{product}", f"/admin/products/{product}/stock", "/admin/products", "/admin/low-stock"]
    for path in paths:
        page.goto(path)
        assert serious(page, axe) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
