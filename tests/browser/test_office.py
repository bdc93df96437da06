"""The staff in a real browser: in at the door, restocking what guests then buy, and two who edit at once."""

from typing import TYPE_CHECKING

from tests.browser.conftest import Counter, Guests
from tests.browser.test_desk import log_in
from tests.services.whole_shop import admin_token

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_the_door_opens_to_the_right_key_alone_and_closes_again(guests: Guests) -> None:
    page = guests.open()
    page.goto("/admin/products")
    page.get_by_label("Your admin key").fill(f"{admin_token()}x")
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("No such key").wait_for()
    page.get_by_label("Your admin key").fill(admin_token())
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Products", exact=True).wait_for()
    page.get_by_role("button", name="Log out").click()
    page.get_by_text("You are logged out.").wait_for()
    page.goto("/admin/products")
    page.get_by_label("Your admin key").wait_for()


def test_what_is_restocked_in_the_office_is_for_sale_in_the_shop(guests: Guests, counter: Counter) -> None:
    product = counter.sell("Out of Stock Otter", stock=0)
    guest, staff = guests.open(), guests.open()
    guest.goto(f"/item/{product}")
    guest.get_by_text("Sold out", exact=True).first.wait_for()
    log_in(staff, f"/admin/products/{product}/stock")
    staff.get_by_label("Units").fill("3")
    staff.get_by_label("Why").fill("delivery")
    staff.get_by_role("button", name="Note it").click()
    staff.get_by_role("row").filter(has_text="delivery").get_by_role("cell", name="+3").wait_for()
    guest.reload()
    guest.get_by_text("Only 3 left").first.wait_for()
    assert guest.get_by_label("How many").get_attribute("max") == "3"


def test_of_two_who_edit_a_product_the_second_sees_both_before_anything_is_lost(
    guests: Guests, counter: Counter
) -> None:
    product = counter.sell("Contested Kettle", price_cents=3000)
    first, second = guests.open(), guests.open()
    for page in (first, second):
        log_in(page, f"/admin/products/{product}")
    save(first, "Price in euros", "31.50")
    first.get_by_text("Saved.").wait_for()
    save(second, "Name", "Contested Kettle, Copper")
    second.get_by_role("heading", name="Somebody else has changed this meanwhile").wait_for()
    assert second.get_by_label("Name").input_value() == "Contested Kettle, Copper"
    assert second.get_by_label("Price in euros").input_value() == "31.50", "what the second left alone is as it is now"
    second.get_by_role("button", name="Save").click()
    second.get_by_text("Saved.").wait_for()
    first.goto(f"/item/{product}")
    first.get_by_role("heading", name="Contested Kettle, Copper").wait_for()
    first.get_by_text("€31.50").first.wait_for()


def save(page: "Page", label: str, text: str) -> None:
    page.get_by_label(label).fill(text)
    page.get_by_role("button", name="Save").click()
