"""What keeps others out of the pages: escaping, the policy, cookies, form tokens, and what counts as a form."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import pytest

from tests.services.frontend.stand_in import CATEGORIES, EVENTS, ORDER_ID, StandIn, order, page, product
from tests.services.frontend.visiting import Page, Visitor, set_cookies

ORDER = f"/my/orders/{ORDER_ID}"
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></textarea></style><svg/onload=alert(1)>",
    "{{ 7*7 }}{% raw %}",
    "&lt;b&gt; & &amp; \u2028 \u202e ]]> -->",
    "javascript:alert(1)",
)
PAGES = ("/", "/shop", "/item/1", "/cart", "/checkout", "/my/orders", ORDER)
FIELDS = ("name", "description", "sku", "category", "image")


def filled(shop: StandIn, text: str, field: str = "") -> None:
    """Everything that is shown holds `text`; of a product, that one field."""
    with_text = {field: text} if field else {}
    shop.answer("GET /products/1", product(1, **({"description": "D"} | with_text)))
    shop.answer("GET /products", page(2) | {"items": [product(2, **with_text)]})
    shop.answer(
        "GET /products/categories", {"items": [*CATEGORIES["items"], {"slug": "x", "name": text, "products": 1}]}
    )
    line = order(1)["lines"][0] | {"name": text, "sku": text}
    shown = order(1, status="shipped", tracking=text, lines=[line])
    shop.answer(f"GET /orders/{ORDER_ID}", shown)
    shop.answer("GET /orders", {"items": [shown | {"status": text}], "next": None})
    events = [*EVENTS["items"], {"was": "confirmed", "status": text, "actor": text, "at": text}]
    shop.answer(f"GET /orders/{ORDER_ID}/events", {"items": events})


async def seen_whole(visitor: Visitor, path: str) -> Page:
    """A page without a part missing: on a busy machine one may come too late, which is no matter of these tests."""
    for _ in range(3):
        shown = await visitor.get(path)
        if visitor.reply.status == 200 and "answer" not in shown.text:
            break
    return shown


def shape(shown: Page) -> list[tuple[str, tuple[str, ...]]]:
    """Its tags and the names of their attributes: what no text may change."""
    return [(tag, tuple(named)) for tag, named in shown.tags]


async def _known(visitor: Visitor) -> None:
    await visitor.add()
    await visitor.get("/checkout")


@pytest.mark.parametrize("field", FIELDS)
async def test_text_is_text_on_every_page_whatever_field_it_came_in(
    visitor: Visitor, shop: StandIn, field: str
) -> None:
    await _known(visitor)
    filled(shop, "harmless", field)
    expected = {path: shape(await seen_whole(visitor, path)) for path in PAGES}
    seen = 0
    for hostile in HOSTILE:
        filled(shop, hostile, field)
        for path in PAGES:
            shown = await seen_whole(visitor, path)
            assert shape(shown) == expected[path], (path, hostile)
            seen += " ".join(hostile.split()) in shown.text
    assert seen >= len(HOSTILE) * 4


async def test_text_is_text_in_what_visitors_write(visitor: Visitor, shop: StandIn) -> None:
    shop.answer("GET /products", page())
    harmless = {name: shape(await visitor.get(f"/shop?{name}=zz")) for name in ("q", "min")}
    for hostile in (text for text in HOSTILE if "\u2028" not in text):
        found = await visitor.get(f"/shop?q={quote_plus(hostile)}")
        assert shape(found) == harmless["q"]
        assert f"Results for “{hostile}”" in found.text
        assert shape(await visitor.get(f"/shop?min={quote_plus(hostile)}")) == harmless["min"]
        missing = await visitor.get(f"/{quote_plus(hostile)}")
        assert visitor.reply.status == 404
        assert "alert(1)" not in missing.html


async def test_a_notice_with_a_hostile_name_is_text(visitor: Visitor, shop: StandIn) -> None:
    expected = shape(await visitor.add(1))
    for hostile in HOSTILE:
        shop.answer("GET /products/1", product(1, name=hostile))
        assert shape(await visitor.add(1)) == expected


POLICY = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "img-src": "'self' https:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


async def test_every_page_has_the_policy_and_needs_nothing_beyond_it(visitor: Visitor) -> None:
    await _known(visitor)
    for path in (*PAGES, "/nothing", "/item/9", "/shop?min=x"):
        shown = await visitor.get(path)
        headers = visitor.reply.headers
        given = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert given == POLICY, path
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert all(source.startswith("/") for source in shown.loads), path
        assert not any(name == "style" or name.startswith("on") for _, named in shown.tags for name in named), path
        assert [tag for tag, named in shown.tags if tag in {"script", "style"} and "src" not in named] == [], path


async def test_what_is_personal_is_kept_by_nobody(visitor: Visitor) -> None:
    await visitor.get("/")
    assert visitor.reply.headers["Cache-Control"] == "private, no-cache"
    await _known(visitor)
    for path in PAGES:
        await visitor.get(path)
        assert visitor.reply.headers["Cache-Control"] == "no-store", path
        assert "Cookie" in visitor.reply.headers.getall("Vary"), path  # type: ignore[attr-defined]


@pytest.mark.parametrize("https", [False, True])
async def test_cookies_cannot_be_read_by_scripts_nor_sent_by_others(visitor: Visitor, https: bool) -> None:
    visitor.https = https
    found: dict[str, Mapping[str, Any]] = {}

    async def collect(reached: Callable[[], Any]) -> None:
        await reached()
        found.update({name: options for name, _, options in set_cookies(visitor.reply)})

    await collect(lambda: visitor.get("/item/1"))
    form = (await visitor.get("/item/1")).form("/cart", do="add")
    await collect(lambda: visitor.post("/cart", form.fields))
    await collect(lambda: visitor.get("/checkout"))
    prefix = "__Host-" if https else ""
    assert set(found) == {prefix + name for name in ("form", "cart", "notice", "session")}
    for name, options in found.items():
        assert options.get("httponly") is True, name
        assert options["samesite"] == "lax", name
        assert options["path"] == "/", name
        assert options.get("secure", False) is https, name


async def test_a_cart_of_http_comes_along_to_https(visitor: Visitor) -> None:
    await visitor.add(1, 2)
    visitor.https = True
    assert "€39.98" in (await visitor.get("/cart")).text
    await visitor.add(2)
    assert "€59.97" in (await visitor.get("/cart")).text
    assert "__Host-cart" in visitor.cookies


async def test_cloudfront_takes_nothing_but_https(visitor: Visitor) -> None:
    await visitor.get("/item/1", **{"cloudfront-viewer-address": "198.51.100.7:443"})
    assert [name for name, _, _ in set_cookies(visitor.reply)] == ["__Host-form"]


FORMS = ("/cart", "/checkout", f"{ORDER}/cancel", f"{ORDER}/again")


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_without_our_token_is_refused(visitor: Visitor, shop: StandIn, path: str) -> None:
    await _known(visitor)
    fields = {"/cart": {"do": "remove", "product_id": "1"}, "/checkout": {"offer": "x"}}.get(path, {})
    stranger = Visitor(visitor.ask)
    theirs = (await stranger.get("/item/1")).form("/cart").fields["form"]
    before, asked = visitor.cookies["cart"], len(shop.seen)
    for token in ({}, {"form": ""}, {"form": "x.y.z.w"}, {"form": theirs}, {"form": visitor.cookies["cart"]}):
        reply = await visitor.post(path, fields | token)
        assert reply.status == 403, token
        assert b"Please send that again" in reply.body
    assert (visitor.cookies["cart"], len(shop.seen)) == (before, asked)


async def test_a_form_that_stands_on_another_site_is_refused(visitor: Visitor) -> None:
    fields = (await visitor.get("/item/1")).form("/cart").fields
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 303), ("none", 303)):
        assert (await visitor.post("/cart", fields, **{"sec-fetch-site": site})).status == status, site


async def test_form_tokens_are_different_each_time(visitor: Visitor) -> None:
    tokens = {(await visitor.get("/item/1")).form("/cart").fields["form"] for _ in range(3)}
    assert len(tokens) == 3


async def test_what_is_no_form_is_refused(visitor: Visitor, shop: StandIn) -> None:
    token = (await visitor.get("/item/1")).form("/cart").fields["form"]
    good = f"form={token}&do=add&product_id=1"
    asked = len(shop.seen)
    bodies: list[tuple[str, str, int]] = [
        (good, "application/json", 415),
        (good, "multipart/form-data; boundary=x", 415),
        (good, "", 415),
        ("%", "", 415),
        (f"{good}&do=remove", "urlencoded", 422),
        (f"{good}&price=1", "urlencoded", 422),
        (f"form={token}&do=steal&product_id=1", "urlencoded", 422),
        (f"form={token}&do=add&product_id=1_0", "urlencoded", 422),
        (f"form={token}&do=add&product_id={2**63}", "urlencoded", 422),
        ("no equals sign", "urlencoded", 400),
        (f"{good}&q=%ff", "urlencoded", 400),
        ("&".join(f"f{number}=1" for number in range(101)), "urlencoded", 400),
        ("x" * 70_000, "urlencoded", 413),
    ]
    for body, kind, status in bodies:
        media_type = "application/x-www-form-urlencoded" if kind == "urlencoded" else kind
        reply = await visitor.post("/cart", body, **{"content-type": media_type})
        assert reply.status == status, (body[:80], kind)
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    assert len(shop.seen) == asked


async def test_methods_that_a_page_does_not_take_are_named(visitor: Visitor) -> None:
    for path, allowed in (("/cart", "GET, HEAD, POST"), ("/shop", "GET, HEAD"), (f"{ORDER}/cancel", "POST")):
        reply = await visitor.ask("DELETE", path, headers={"accept": "text/html"})
        assert (reply.status, reply.headers["Allow"]) == (405, allowed), path
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    head = await visitor.ask("HEAD", "/cart")
    assert (head.status, head.body) == (200, b"")


async def test_programs_get_problems_and_people_get_pages(visitor: Visitor) -> None:
    for path, accept, html in (
        ("/nothing", "text/html", True),
        ("/nothing", "*/*", False),
        ("/item/abc", "*/*", True),
        ("/api/nothing", "text/html", False),
        ("/api", "text/html", False),
        ("/nothing?" + "x" * 5000, "text/html", True),
    ):
        reply = await visitor.ask("GET", path, headers={"accept": accept})
        expected = "text/html; charset=utf-8" if html else "application/problem+json"
        assert reply.headers["Content-Type"] == expected, (path, accept)
        assert reply.status in {404, 414}


async def test_an_error_page_names_its_request(visitor: Visitor) -> None:
    missing = await visitor.get("/nothing")
    assert re.search(r"request [0-9a-f]{32}", missing.text)
    assert visitor.reply.headers["X-Request-Id"] in missing.text


async def test_pages_are_no_operations_of_the_api(visitor: Visitor) -> None:
    paths = (await visitor.ask("GET", "/api/openapi.json")).json()["paths"]
    assert [path for path in paths if not path.startswith("/api/")] == []
