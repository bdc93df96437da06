"""Every page for everybody: axe-core finds nothing serious, in light and dark, and a phone never scrolls sideways."""

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Counter, Guests
from tests.browser.test_storefront import buy, put_into_cart

if TYPE_CHECKING:
    from playwright.sync_api import Page

LONG = "Extraordinarily" * 5 + " long name of a thing that somebody imported without looking at it once more"


@pytest.fixture(scope="module")
def axe() -> str:
    """axe-core comes with a package of requirements/browser.txt, so its hash is checked like any other's."""
    return files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


def serious(page: "Page", axe: str) -> list[Any]:
    """What axe-core finds on a page that keeps somebody out."""
    page.evaluate(axe)
    found: list[Any] = page.evaluate(
        """async () => (await axe.run()).violations
            .filter((violation) => ["serious", "critical"].includes(violation.impact))
            .map((violation) => [violation.id, violation.nodes.map((node) => node.html + node.failureSummary)])"""
    )
    return found


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 390)], ids=["light on a desk", "dark on a phone"]
)
def test_no_page_keeps_anybody_out(guests: Guests, counter: Counter, axe: str, scheme: str, width: int) -> None:
    normal, few, gone = counter.sell(LONG, description=LONG * 3), counter.sell(stock=2), counter.sell(stock=0)
    page = guests.open(color_scheme=scheme, viewport={"width": width, "height": 800})
    order = buy(page, few)
    put_into_cart(page, normal, 2)
    put_into_cart(page, few)
    counter.stock(few, -1)
    paths = ["/", "/shop?q=teapot", "/shop?min=x&q=unicorn", f"/item/{normal}", f"/item/{gone}", "/cart", "/nothing"]
    for path in [*paths, order, "/my/orders", "/checkout"]:
        if path == "/checkout":
            page.goto("/cart")
            page.get_by_role("button", name="Take what there is").click()
        page.goto(path)
        assert serious(page, axe) == [], path
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{path} scrolls sideways"
