"""Pictures of the running shop for the documents: each page once in light on a desk, once in dark on a phone.

It buys something on the way, as a guest does, and looks into the back office with the key of this machine. Needs a
Chromium and what ./scripts/test adds to drive it.
"""

import argparse
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.browser import chromium
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem, Terminal
from scripts.twin import keys

if TYPE_CHECKING:
    from playwright.sync_api import Page

SUMMARY = "take pictures of the running shop for the documents"
QUALITY = 70  # of JPEG: some fifty kilobytes each
LOOKS: Mapping[str, Mapping[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 390, "height": 780}},
}


def _front(page: "Page") -> None:
    page.goto("/")


def _results(page: "Page") -> None:
    page.goto("/shop?category=kitchen&sort=price")


def _item(page: "Page") -> None:
    page.goto("/shop?q=mug")
    page.locator(".card a").first.click()
    page.wait_for_url("**/item/*")


def _cart(page: "Page") -> None:
    for number in (1, 4):
        page.goto("/shop?sort=-price&in_stock=true")
        page.locator(".card a").nth(number).click()
        page.get_by_role("button", name="Put into the cart").click()
        page.get_by_role("link", name="Go to the cart").first.wait_for()
    page.goto("/cart")


def _checkout(page: "Page") -> None:
    page.goto("/checkout")


def _order(page: "Page") -> None:
    page.get_by_role("button", name="Buy now").click()
    page.wait_for_url("**/my/orders/*")


def _trace(page: "Page") -> None:
    page.goto("/_traces?q=POST+/checkout")
    page.locator("tbody a").first.click()
    page.wait_for_url("**/_traces/*")


def _status(page: "Page") -> None:
    page.goto("/status")


def _overview(page: "Page") -> None:
    page.goto("/admin")
    page.get_by_label("Your admin key").fill(keys.load(LOCAL).admin)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()


def _stock(page: "Page") -> None:
    page.goto("/admin/products?q=mug")
    page.locator("tbody th a").first.click()
    page.wait_for_url("**/admin/products/*")
    page.goto(f"{page.url}/stock")


def _sheet(page: "Page") -> None:
    page.goto("/admin/transfer")
    page.locator("#f-sheet").fill(
        "sku,name,category,price_cents,stock\nKIT-9001,Copper Kettle,kitchen,8900,12\nKIT-9002,,kitchen,cheap,3\n"
    )
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("heading", name="Nothing was imported").wait_for()


# In this order: what comes later stands on what came before.
PAGES: Mapping[str, Callable[["Page"], None]] = {
    "front": _front,
    "results": _results,
    "item": _item,
    "cart": _cart,
    "checkout": _checkout,
    "order": _order,
    "trace": _trace,
    "status": _status,
    "overview": _overview,
    "stock": _stock,
    "sheet": _sheet,
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="of the shop (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "screenshots", metavar="FOLDER", help="for them")


def run(options: argparse.Namespace) -> int:
    path = chromium()
    if path is None or importlib.util.find_spec("playwright") is None:
        raise Problem("There is no browser to take pictures with: install Chromium, and run ./scripts/test once.")
    options.out.mkdir(parents=True, exist_ok=True)
    taken = take(options.url, options.out, path)
    Terminal().say(f"{len(taken)} pictures, {sum(file.stat().st_size for file in taken) // 1000} kB in {options.out}")
    return 0


def take(url: str, out: Path, browser: str) -> list[Path]:
    """The files. Raises Problem when the shop is not there."""
    from playwright.sync_api import Error, sync_playwright  # noqa: PLC0415 - it may not be there

    taken = []
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=browser)
        for look, options in LOOKS.items():
            context = launched.new_context(base_url=url, **options)
            page = context.new_page()
            for name, reach in PAGES.items():
                try:
                    reach(page)
                except Error as error:
                    raise Problem(f"{name} could not be reached at {url}: {error.message.splitlines()[0]}") from None
                taken.append(out / f"{name}-{look}.jpg")
                page.screenshot(path=taken[-1], type="jpeg", quality=QUALITY, animations="disabled")
            context.close()
        launched.close()
    return taken
