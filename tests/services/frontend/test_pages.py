"""The pages over HTTP: what each of them shows, and what is said when something is not there."""

import pytest

from tests.services.frontend.stand_in import ORDER_ID, StandIn, order, page, problem, product
from tests.services.frontend.visiting import Visitor

ORDER = f"/my/orders/{ORDER_ID}"


async def test_the_front_page_shows_categories_and_things_to_buy(visitor: Visitor) -> None:
    front = await visitor.get("/")
    assert visitor.reply.status == 200
    assert {"/shop?category=audio", "/item/1", "/item/2", "/item/3", "/cart", "/my/orders"} <= set(front.links)
    assert "Headphones 1" in front.text
    assert "€19.99" in front.text


async def test_results_pass_on_what_was_looked_for(visitor: Visitor, shop: StandIn) -> None:
    await visitor.get("/shop?q=head+phones&category=audio&min=5&max=12%2C50&in_stock=true&sort=-price&utm_source=mail")
    [asked] = [target for target in shop.targets() if "categories" not in target]
    assert asked == (
        "/products?limit=24&sort=-price&q=head+phones&category=audio&min_price=500&max_price=1250&in_stock=true"
    )


async def test_results_keep_what_was_chosen_in_their_links(visitor: Visitor, shop: StandIn) -> None:
    shop.answer("GET /products", page(1) | {"next": "abc_-1"})
    results = await visitor.get("/shop?q=mug&max=20&in_stock=true")
    assert "/shop?q=mug&max=20&in_stock=true&cursor=abc_-1" in results.links
    assert "/shop?q=mug&max=20&in_stock=true&category=audio" in results.links
    later = await visitor.get("/shop?q=mug&max=20&in_stock=true&cursor=abc_-1")
    assert "/shop?q=mug&max=20&in_stock=true" in later.links


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("min=x", "Please give a price like 20 or 19.90."),
        ("max=1.999", "Please give a price like 20 or 19.90."),
        ("max=1000001", "Please give a price like 20 or 19.90."),
        ("min=20&max=10", "This is less than the lowest price."),
        ("category=../orders", "There is no such category."),
        ("q=" + "x" * 201, "Please search for something shorter"),
        ("q=%00", "characters that cannot be searched for"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_marked_and_reaches_nobody(
    visitor: Visitor, shop: StandIn, query: str, said: str
) -> None:
    results = await visitor.get(f"/shop?{query}")
    assert visitor.reply.status == 422
    assert said in results.text
    assert shop.seen == []


async def test_a_page_of_results_that_is_gone_leads_to_the_first(visitor: Visitor, shop: StandIn) -> None:
    shop.answer("GET /products", problem(422, "validation"), 422)
    results = await visitor.get("/shop?q=mug&cursor=old")
    assert visitor.reply.status == 422
    assert "/shop?q=mug" in results.links


async def test_finding_nothing_offers_less_to_look_for(visitor: Visitor, shop: StandIn) -> None:
    shop.answer("GET /products", page())
    results = await visitor.get("/shop?q=unicorn&in_stock=true&max=3")
    assert visitor.reply.status == 200
    assert "Nothing found" in results.text
    assert {"/shop?q=unicorn", "/shop"} <= set(results.links)


@pytest.mark.parametrize(
    ("stock", "said", "most"), [(0, "Sold out", None), (2, "Only 2 left", "2"), (100, "In stock", "100")]
)
async def test_a_product_says_whether_it_can_be_had_and_how_many(
    visitor: Visitor, shop: StandIn, stock: int, said: str, most: str | None
) -> None:
    shop.answer("GET /products/1", product(1, stock=stock))
    item = await visitor.get("/item/1")
    assert said in item.text
    quantities = [named.get("max") for tag, named in item.tags if named.get("name") == "qty"]
    assert quantities == ([most] if most else [])


async def test_a_product_leads_to_others_of_its_category(visitor: Visitor) -> None:
    item = await visitor.get("/item/1")
    assert {"/item/2", "/item/3", "/shop?category=audio"} <= set(item.links)


@pytest.mark.parametrize("path", ["/item/9", "/item/0", "/item/-1", "/item/abc", "/item/1e3", f"/item/{'9' * 19}"])
async def test_an_article_that_is_not_there_is_a_page(visitor: Visitor, shop: StandIn, path: str) -> None:
    shop.answer("GET /products/9", problem(404, "not-found"), 404)
    missing = await visitor.get(path)
    assert visitor.reply.status == 404
    assert "We don’t have that (any more)" in missing.text


async def test_an_order_shows_what_was_paid_and_what_happened(visitor: Visitor) -> None:
    await _known(visitor)
    shown = await visitor.get(ORDER)
    assert visitor.reply.status == 200
    assert visitor.reply.headers["Cache-Control"] == "no-store"
    for said in ("Order 0B6B6D3E", "As it was", "1 × €15.00", "€30.00", "Received", "Confirmed", "Cancel this order"):
        assert said in shown.text
    assert "2 January 2026, 03:04 UTC" in shown.text


@pytest.mark.parametrize(
    ("changes", "said", "cancellable"),
    [
        ({"status": "pending", "total_cents": None}, "This takes a moment", False),
        ({"status": "shipped", "tracking": "T-100"}, "Tracking number: T-100", False),
        ({"status": "cancelling"}, "being cancelled", False),
        ({"status": "cancelled"}, "nothing of it will be sent", False),
        ({"status": "refunded"}, "taken back", False),
        (
            {"status": "rejected", "reject_code": "insufficient-stock", "total_cents": None},
            "Somebody was faster",
            False,
        ),
        ({"status": "confirmed"}, "Thank you", True),
        ({"status": "of another time"}, "of another time", False),
    ],
)
async def test_every_state_of_an_order_has_words(
    visitor: Visitor, shop: StandIn, changes: dict[str, object], said: str, cancellable: bool
) -> None:
    await _known(visitor)
    shop.answer(f"GET /orders/{ORDER_ID}", order(1, **changes))
    shown = await visitor.get(ORDER)
    assert said in shown.text
    assert (f"{ORDER}/cancel" in [form.action for form in shown.forms]) is cancellable


async def test_cancelling_says_how_it_went(visitor: Visitor, shop: StandIn) -> None:
    await _known(visitor)
    for status, body, said in (
        (200, order(1, status="cancelled"), "Your order is cancelled."),
        (202, order(1, status="cancelling"), "Your order is being cancelled."),
        (409, problem(409, "not-cancellable"), "This order can no longer be cancelled."),
    ):
        shop.answer(f"POST /orders/{ORDER_ID}/cancel", body, status)
        before = await visitor.get(ORDER)
        assert said in (await visitor.submit(before.form(f"{ORDER}/cancel"))).text


async def test_things_of_an_order_can_be_put_into_the_cart_again(visitor: Visitor, shop: StandIn) -> None:
    await _known(visitor)
    shop.answer(f"GET /orders/{ORDER_ID}", order(1, 2, 9, status="cancelled"))
    shop.answer("GET /products/2", product(2, stock=0))
    shop.answer("GET /products/9", problem(404, "not-found"), 404)
    before = await visitor.get(ORDER)
    cart = await visitor.submit(before.form(f"{ORDER}/again"))
    assert "Headphones 1" in cart.text
    assert "Headphones 2" not in cart.text


async def test_my_orders_are_mine(visitor: Visitor, shop: StandIn) -> None:
    assert "No orders yet" in (await visitor.get("/my/orders")).text
    assert [target for target in shop.targets() if target.startswith("/orders")] == []
    await _known(visitor)
    mine = await visitor.get("/my/orders")
    assert ORDER in mine.links
    [asked] = [seen for seen in shop.seen if seen.target.startswith("/orders?")]
    assert asked.header("authorization") == f"Bearer {visitor.cookies['session']}"


async def test_older_orders_are_a_page_further(visitor: Visitor, shop: StandIn) -> None:
    await _known(visitor)
    cursor = f"1234567890123456-{ORDER_ID}"
    shop.answer("GET /orders", {"items": [order(1)], "next": cursor})
    assert f"/my/orders?cursor={cursor}" in (await visitor.get("/my/orders")).links
    await visitor.get(f"/my/orders?cursor={cursor}")
    assert shop.targets()[-1] == f"/orders?limit=20&cursor={cursor}"
    await visitor.get("/my/orders?cursor=../x")
    assert visitor.reply.status == 404


async def test_somebody_elses_order_is_not_there(visitor: Visitor, shop: StandIn) -> None:
    for known in (False, True):
        if known:
            await _known(visitor)
        shop.answer(f"GET /orders/{ORDER_ID}", problem(404, "not-found"), 404)
        shown = await visitor.get(ORDER)
        assert visitor.reply.status == 404
        assert "No such order here" in shown.text


async def _known(visitor: Visitor) -> None:
    """Give the visitor a session, as the checkout does."""
    await visitor.add()
    await visitor.get("/checkout")
    assert "session" in visitor.cookies
