"""What still works when a service is away, and what is said then; the files that pages load, and how little that is."""

import gzip

from tests.services.frontend.stand_in import CATEGORIES, ORDER_ID, Clock, StandIn, page, problem, product
from tests.services.frontend.visiting import Visitor

ORDER = f"/my/orders/{ORDER_ID}"


async def _known(visitor: Visitor) -> None:
    await visitor.add(1, 2)
    await visitor.get("/checkout")


async def test_without_the_catalogue_the_cart_and_the_orders_are_there(
    visitor: Visitor, shop: StandIn, clock: Clock
) -> None:
    await _known(visitor)
    shop.take_away("/products")
    clock.now += 31
    for path in ("/", "/shop", "/item/1"):
        away = await visitor.get(path)
        assert visitor.reply.status == 503, path
        assert "Retry-After" in visitor.reply.headers
        assert "We can’t see our shelves right now" in away.text
        assert {"/cart", "/my/orders"} <= set(away.links)
    cart = await visitor.get("/cart")
    assert visitor.reply.status == 200
    assert "your cart as you left it" in cart.text
    assert "Headphones 1" in cart.text
    assert "€39.98" in cart.text
    changed = await visitor.submit(cart.form("/cart", do="set"), qty="3")
    assert "€59.97" in changed.text
    shown = await visitor.get(ORDER)
    assert (visitor.reply.status, "As it was" in shown.text) == (200, True)
    closed = await visitor.get("/checkout")
    assert visitor.reply.status == 503
    assert "The checkout is closed for a moment" in closed.text


async def test_for_half_a_minute_the_shelves_are_shown_as_they_were(visitor: Visitor, shop: StandIn) -> None:
    await visitor.get("/")
    await visitor.get("/item/1")
    shop.take_away("/products")
    for path in ("/", "/item/1"):
        shown = await visitor.get(path)
        assert visitor.reply.status == 200
        assert "how they looked a moment ago" in shown.text


async def test_without_categories_the_rest_is_shown(visitor: Visitor, shop: StandIn) -> None:
    shop.take_away("/products/categories")
    for path in ("/", "/shop?category=audio", "/item/1"):
        shown = await visitor.get(path)
        assert visitor.reply.status == 200, path
        assert "Headphones" in shown.text
    assert "Part of the shop is not answering" in (await visitor.get("/")).text


async def test_without_the_order_book_looking_around_works(visitor: Visitor, shop: StandIn) -> None:
    await _known(visitor)
    shop.take_away("/orders")
    for path in ("/", "/shop", "/item/1", "/cart", "/checkout"):
        await visitor.get(path)
        assert visitor.reply.status == 200, path
    for path in ("/my/orders", ORDER):
        away = await visitor.get(path)
        assert visitor.reply.status == 503, path
        assert "We can’t reach the order book right now" in away.text


async def test_without_its_log_an_order_is_shown(visitor: Visitor, shop: StandIn) -> None:
    await _known(visitor)
    shop.take_away(f"/orders/{ORDER_ID}/events")
    shown = await visitor.get(ORDER)
    assert visitor.reply.status == 200
    assert "Received" in shown.text


async def test_an_order_that_cannot_be_cancelled_now_says_so(visitor: Visitor, shop: StandIn) -> None:
    await _known(visitor)
    before = await visitor.get(ORDER)
    shop.answer(f"POST /orders/{ORDER_ID}/cancel", problem(503, "unavailable"), 503, retry_after="7")
    await visitor.submit(before.form(f"{ORDER}/cancel"))
    assert (visitor.reply.status, visitor.reply.headers["Retry-After"]) == (503, "7")


async def test_putting_something_in_without_the_catalogue_is_refused_kindly(
    visitor: Visitor, shop: StandIn, clock: Clock
) -> None:
    item = await visitor.get("/item/1")
    shop.take_away("/products")
    clock.now += 31
    reply = await visitor.post("/cart", item.form("/cart").fields)
    assert reply.status == 303
    shop.answer_healthily()
    assert "could not be put into your cart just now" in (await visitor.get("/item/1")).text


async def test_an_empty_shop_says_so(visitor: Visitor, shop: StandIn) -> None:
    shop.answer("GET /products", page())
    shop.answer("GET /products/categories", {"items": []})
    assert "The shelves are still empty" in (await visitor.get("/")).text


async def test_files_are_kept_for_a_year_under_the_name_of_their_content(visitor: Visitor) -> None:
    front = await visitor.get("/")
    files = [path for path in dict.fromkeys(front.loads) if path.startswith("/static/")]
    assert len(files) == 3
    for path in files:
        reply = await visitor.ask("GET", path)
        assert reply.status == 200
        assert reply.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_file_of_another_version_is_given_as_it_is_now_and_kept_by_nobody(visitor: Visitor) -> None:
    front = await visitor.get("/")
    sheet = next(path for path in front.loads if path.endswith(".css"))
    old = await visitor.ask("GET", "/static/shop.0123456789.css")
    assert (old.status, old.headers["Cache-Control"]) == (200, "no-store")
    assert old.body == (await visitor.ask("GET", sheet)).body
    for name in ("shop.css", "other.0123456789.css", "..%2fmain.py", "shop.0123456789.py", "%2e%2e.0123456789.css"):
        assert (await visitor.ask("GET", f"/static/{name}", headers={"accept": "text/html"})).status == 404, name


async def test_a_page_of_24_products_is_small(visitor: Visitor, shop: StandIn) -> None:
    text = "Stoneware mug with a longer name than most"
    items = [product(number, name=f"{text} {number}", description="x" * 300) for number in range(1000, 1024)]
    shop.answer("GET /products", {"items": items, "next": "c" * 80})
    shop.answer("GET /products/categories", {"items": CATEGORIES["items"] * 6})
    zipped = {"accept-encoding": "gzip"}
    shown = await visitor.ask("GET", "/shop", headers=zipped)
    files = {path for path in (await visitor.get("/shop")).loads if path.startswith("/static/")}
    loaded = [await visitor.ask("GET", path, headers=zipped) for path in files]
    again = wire_size(shown.body)
    first = again + sum(wire_size(reply.body) for reply in loaded)
    pictures = 24 * 1_800  # as the product service draws them, with headers
    assert again < 15_000
    assert first + pictures < 60_000


def wire_size(body: bytes) -> int:
    """Bytes of an answer when it is compressed, headers included; the client of these tests unpacks silently."""
    return len(gzip.compress(body, 5)) + 900
