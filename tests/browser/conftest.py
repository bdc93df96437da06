"""A real browser before the whole shop. Without a Chromium these tests are skipped, and where CI=true they fail."""

import asyncio
import importlib.util
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from scripts.browser import chromium
from scripts.twin.postgres import Server
from tests.conftest import cloned
from tests.services.whole_shop import Shop, admin_token, whole_shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

PATIENCE = 30_000  # milliseconds for whatever a page has to do: a busy machine is not a broken shop
HOW = (
    "no browser to test with: install Chromium (on Debian: apt-get install chromium) and run ./scripts/test, "
    "which then adds requirements/browser.txt"
)


def _missing() -> str:
    if chromium() is None or importlib.util.find_spec("playwright") is None:
        return HOW
    return ""


@pytest.fixture(scope="session", autouse=True)
def browser_or_none() -> None:
    if why := _missing():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(why)


@pytest.fixture(scope="module")  # while it is there, Playwright's loop runs in this thread, and no other can
def browser(browser_or_none: None) -> "Iterator[Browser]":  # noqa: ARG001 - it decides whether we get here
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may not be there

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium(), args=["--disable-dev-shm-usage"])
        yield launched
        launched.close()


class Switch:
    """Stands before a service and can take it away, as a load balancer without a healthy target answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.on = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.on or scope["type"] != "http":
            await self._app(scope, receive, send)
        else:
            await HTMLResponse("503 Service Temporarily Unavailable", 503)(scope, receive, send)


@dataclass
class Counter:
    """The shop as its staff knows it: things are made, priced and stocked here, and services taken away."""

    shop: Shop
    switches: Mapping[str, Switch]

    def sell(self, name: str = "Teapot", *, stock: int = 10, price_cents: int = 2400, **fields: Any) -> int:
        """A new product; its number."""
        body = {"sku": f"T-{uuid4().hex[:12]}", "name": name, "category": "desk", "price_cents": price_cents}
        made: dict[str, Any] = self._ask("POST", "/products", {**body, "stock": stock, **fields})
        return int(made["id"])

    def price(self, product_id: int, cents: int) -> None:
        version = self._ask("GET", f"/products/{product_id}")["version"]
        self._ask("PATCH", f"/products/{product_id}", {"price_cents": cents}, **{"If-Match": f'"{version}"'})

    def stock(self, product_id: int, delta: int) -> None:
        body = {"delta": delta, "reason": "a test"}
        self._ask("POST", f"/products/{product_id}/stock", body, **{"Idempotency-Key": uuid4().hex})

    def left(self, product_id: int) -> int:
        return int(self._ask("GET", f"/products/{product_id}")["stock"])

    def name_category(self) -> None:
        self._ask("PUT", "/products/categories/desk", {"name": "Desk & Paper"})

    def sold(self, product_id: int) -> int:
        """How many confirmed orders hold a product."""
        orders = self._ask("GET", "/orders?limit=100&status=confirmed")["items"]
        return sum(line["product_id"] == product_id for order in orders for line in order["lines"])

    def _ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {"Authorization": f"Bearer {admin_token()}", **headers}
        answer = requests.request(method, self.shop.url + path, json=body, headers=named, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None


@pytest.fixture(scope="session")
def counter(browser_or_none: None, postgres: Server, template: str) -> Iterator[Counter]:  # noqa: ARG001
    """The whole shop on a loop and a thread of its own: these tests block theirs."""
    switches: dict[str, Switch] = {}

    def wrap(name: str, app: ASGIApp) -> ASGIApp:
        switches[name] = Switch(app)
        return switches[name]

    with cloned(postgres, template) as urls:
        opened: list[Shop] = []
        standing, leaving = threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def stand() -> None:
            async with whole_shop(urls, wrap=wrap) as shop:
                opened.append(shop)
                standing.set()
                await leaving.wait()

        def run() -> None:
            try:
                loop.run_until_complete(stand())
            finally:
                standing.set()
                loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        standing.wait()
        try:
            assert opened, "the shop did not start; above is why"
            counter = Counter(opened[0], switches)
            counter.name_category()
            yield counter
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(leaving.set)
            thread.join()


@dataclass
class Guests:
    """Opens browsers for guests, each with cookies of their own, and notes whatever should not have happened."""

    browser: "Browser"
    url: str
    stack: ExitStack
    complaints: list[str] = field(default_factory=list)

    def open(self, *, script: bool = True, **options: Any) -> "Page":
        """A window. Console messages, errors of scripts and requests to other hosts are complaints."""
        context = self.browser.new_context(java_script_enabled=script, base_url=self.url, **options)
        self.stack.callback(context.close)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        page.on("request", self._asked)
        return page

    def _heard(self, message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"} and not _is_a_page(message):
            self.complaints.append(f"console: {message.text} {message.location}")

    def _asked(self, request: "Request") -> None:
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc:
            self.complaints.append(f"another host: {request.url}")


def _is_a_page(message: "ConsoleMessage") -> bool:
    """Chromium also writes down that a page came with 404 or 503, as some of ours should."""
    path = urlsplit(message.location.get("url", "")).path
    return "Failed to load resource" in message.text and not path.startswith(("/static/", "/products/"))


@pytest.fixture
def guests(browser: "Browser", counter: Counter) -> Iterator[Guests]:
    with ExitStack() as stack:
        guests = Guests(browser, counter.shop.url, stack)
        yield guests
        assert guests.complaints == []
