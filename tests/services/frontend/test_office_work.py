"""What the staff does in the back office: what is asked of the services behind, and how their answers are told."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.services.frontend.office import log_in, movement, stocked
from tests.services.frontend.stand_in import ORDER_ID, Seen, StandIn, order, page, problem, product
from tests.services.frontend.visiting import Visitor

PRODUCT, STOCK, ORDER = "/admin/products/1", "/admin/products/1/stock", f"/admin/orders/{ORDER_ID}"
SHEET = "sku,name,category,price_cents\nA-1,Pen,desk,100\nA-2,,desk,abc\n"


@pytest.fixture(autouse=True)
async def _inside(visitor: Visitor, shop: StandIn) -> None:
    stocked(shop)
    shop.answer("GET /products/1", product(1))
    await log_in(visitor)
    shop.seen.clear()


def last(shop: StandIn, method: str = "POST") -> Seen:
    return [seen for seen in shop.seen if seen.method == method][-1]


# --- products ---------------------------------------------------------------------------------------------------------


async def test_the_list_asks_for_what_was_chosen_with_the_key_of_the_staff(visitor: Visitor, shop: StandIn) -> None:
    shop.answer("GET /products", page(1) | {"next": "abc"})
    shown = await visitor.get("/admin/products?q=a+b&category=desk&archived=true")
    (asked,) = [seen for seen in shop.seen if seen.target.startswith("/products?")]
    wanted = {"limit": "50", "sort": "relevance", "q": "a b", "category": "desk", "archived": "true"}
    assert dict(parse_qsl(asked.target.partition("?")[2])) == wanted
    assert (asked.header("authorization") or "").startswith("Bearer adm_all_")
    (more,) = [link for link in shown.links if "cursor=abc" in link]
    assert dict(parse_qsl(more.partition("?")[2], keep_blank_values=True)) == {
        "q": "a b",
        "category": "desk",
        "archived": "true",
        "cursor": "abc",
    }


async def test_a_product_is_made_of_what_was_typed(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get("/admin/products/new")).form("/admin/products/new")
    shop.answer("POST /products", product(1, name="Pen"), 201)
    shown = await visitor.submit(
        form, sku="P-1", name="Pen", category="audio", price="€ 1,5", stock="12", description="a\r\nb"
    )
    assert json.loads(last(shop).body) == {
        "sku": "P-1",
        "name": "Pen",
        "description": "a\nb",
        "category": "audio",
        "image": None,
        "price_cents": 150,
        "stock": 12,
    }
    assert "“Pen” is on the shelf." in shown.text


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("price", "cheap", "A price like 20 or 19.90."),
        ("price", "1000000.01", "A price like 20 or 19.90."),
        ("name", "   ", "What customers read; 200 characters at most."),
        ("sku", "a b", "Letters, digits, and . _ / - between them; 64 at most."),
        ("category", "Audio", "Lower-case letters and digits"),
        ("stock", "-1", "Units that are there now."),
        ("image", "javascript:alert(1)", "A path on this site or an https:// address."),
    ],
)
async def test_what_does_not_fit_is_told_at_its_field_and_nothing_typed_is_lost(
    visitor: Visitor, shop: StandIn, field: str, typed: str, told: str
) -> None:
    form = (await visitor.get("/admin/products/new")).form("/admin/products/new")
    good = {"sku": "P-1", "name": "Kept", "category": "audio", "price": "1", "description": "a story"}
    shown = await visitor.submit(form, **(good | {field: typed}))
    assert visitor.reply.status == 422
    assert shop.targets("POST") == []
    assert told in shown.text
    (marked,) = [named for _, named in shown.tags if named.get("aria-invalid") == "true"]
    assert marked["name"] == field
    assert shown.form("/admin/products/new").fields["name"] == ("   " if field == "name" else "Kept")
    assert "a story" in shown.text


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (problem(409, "sku-taken"), "Another product has this article number."),
        (
            problem(409, "unknown-category", errors=[{"field": "category", "message": "there is no such category"}]),
            "There is no such category.",
        ),
        (problem(422, "validation", errors=[{"field": "price_cents", "message": "too much"}]), "Too much."),
        (problem(409, "something-new", detail="Not on Sundays"), "Not on Sundays"),
    ],
)
async def test_what_the_service_refuses_is_told_where_it_was_typed(
    visitor: Visitor, shop: StandIn, document: dict[str, Any], told: str
) -> None:
    form = (await visitor.get("/admin/products/new")).form("/admin/products/new")
    shop.answer("POST /products", document, document["status"])
    shown = await visitor.submit(form, sku="P-1", name="Kept", category="audio", price="1")
    assert told in shown.text
    assert shown.form("/admin/products/new").fields["name"] == "Kept"


async def test_an_edit_names_the_version_that_was_read(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get(PRODUCT)).form(PRODUCT)
    assert form.fields["image"] == "", "the drawing that stands for a missing picture is not written into the product"
    shop.answer("PATCH /products/1", product(1, name="Pencil", version=5))
    shown = await visitor.submit(form, name="Pencil")
    asked = last(shop, "PATCH")
    assert asked.header("if-match") == '"4"'
    assert json.loads(asked.body)["name"] == "Pencil"
    assert "stock" not in json.loads(asked.body)
    assert "Saved." in shown.text


async def test_of_two_who_edit_the_second_sees_both_and_decides(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get(PRODUCT)).form(PRODUCT)
    shop.answer("PATCH /products/1", problem(412, "precondition-failed"), 412)
    shop.answer("GET /products/1", product(1, name="Theirs", price_cents=777, version=5))
    shown = await visitor.submit(form, name="Mine")
    assert visitor.reply.status == 409
    assert "Somebody else has changed this meanwhile" in shown.text
    assert "Name Mine Theirs" in shown.text
    again = shown.form(PRODUCT)
    assert (again.fields["name"], again.fields["version"]) == ("Mine", "5")
    assert again.fields["price"] == "7.77", "what was not touched here is as they have left it"
    shop.answer("PATCH /products/1", product(1, name="Mine", version=6))
    await visitor.submit(again)
    assert last(shop, "PATCH").header("if-match") == '"5"'


async def test_a_product_leaves_the_shelf_and_comes_back(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get(PRODUCT)).form(f"{PRODUCT}/archive")
    shop.answer_bytes("DELETE /products/1", b"", "application/json", 204)
    shop.answer("GET /products/1", product(1, active=False))
    shown = await visitor.submit(form)
    assert "off the shelf" in shown.text
    shop.answer("PATCH /products/1", product(1))
    await visitor.submit(shown.form(f"{PRODUCT}/restore"))
    asked = last(shop, "PATCH")
    assert (asked.header("if-match"), json.loads(asked.body)) == ("*", {"active": True})


async def test_a_category_is_named(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get("/admin/products")).form("/admin/products/categories")
    shop.answer_bytes("PUT /products/categories/toys", b"", "application/json", 204)
    assert "“Toys & Games” is a category." in (await visitor.submit(form, slug="toys", name="Toys & Games")).text
    assert json.loads(last(shop, "PUT").body) == {"name": "Toys & Games"}
    assert "was not made" in (await visitor.submit(form, slug="No Good", name="x")).text


# --- stock ------------------------------------------------------------------------------------------------------------


async def test_a_movement_is_noted_once_however_often_it_is_sent(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get(STOCK)).form(STOCK)
    shop.answer("POST /products/1/stock", {"product_id": 1, "delta": -3, "reason": "broken", "stock": 4})
    shown = await visitor.submit(form, delta="-3", reason="broken")
    first = last(shop)
    assert json.loads(first.body) == {"delta": -3, "reason": "broken"}
    assert "Noted: -3. Now 4 are free to sell." in shown.text
    await visitor.submit(form, delta="-3", reason="broken")
    assert last(shop).header("idempotency-key") == first.header("idempotency-key")
    assert shown.form(STOCK).fields["key"] != form.fields["key"], "the next form is another change"


@pytest.mark.parametrize("delta", ["0", "", "x", "1.5", "1_0", "9999999999999"])
async def test_a_movement_of_nothing_or_of_no_number_is_not_sent(visitor: Visitor, shop: StandIn, delta: str) -> None:
    form = (await visitor.get(STOCK)).form(STOCK)
    shown = await visitor.submit(form, delta=delta, reason="counted <again>")
    assert visitor.reply.status == 422
    assert shop.targets("POST") == []
    assert "a whole number such as 12 or -3" in shown.text
    assert shown.form(STOCK).fields["reason"] == "counted <again>"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("insufficient-stock", "There are not so many left to take away."),
        ("key-reuse", "This form was sent already"),
        ("stock-limit", "more than the shop can count"),
    ],
)
async def test_a_movement_that_is_refused_comes_back_as_typed(
    visitor: Visitor, shop: StandIn, code: str, told: str
) -> None:
    form = (await visitor.get(STOCK)).form(STOCK)
    shop.answer("POST /products/1/stock", problem(409, code), 409)
    shown = await visitor.submit(form, delta="-99", reason="lost")
    assert told in shown.text
    assert shown.form(STOCK).fields["delta"] == "-99"
    assert shown.form(STOCK).fields["key"] != form.fields["key"], "a refusal is final for its key"


async def test_the_ledger_says_who_and_why_and_goes_on(visitor: Visitor, shop: StandIn) -> None:
    entries = [movement(9, delta=-2, reason="reserve", note=None, author=None, ref=ORDER_ID), movement(8)]
    shop.answer("GET /products/1/stock", {"product_id": 1, "stock": 1234, "items": entries, "next": "8"})
    shown = await visitor.get(STOCK)
    assert "1,234 free to sell" in shown.text
    assert f"/admin/orders/{ORDER_ID}" in shown.links
    assert "Changed by hand: delivery ops" in shown.text
    await visitor.get(next(link for link in shown.links if "cursor=8" in link))
    assert "/products/1/stock?limit=50&cursor=8" in shop.targets()
    assert (
        await visitor.ask("GET", f"{STOCK}?cursor=x", headers={"cookie": f"staff={visitor.cookies['staff']}"})
    ).status == 404


async def test_what_runs_low_is_asked_for_by_the_number_typed(visitor: Visitor, shop: StandIn) -> None:
    for given, below in (("12", "12"), ("", "5"), ("0", "5"), ("x", "5"), ("9" * 40, "5")):
        await visitor.get(f"/admin/low-stock?below={given}")
        assert shop.targets()[-1] == f"/products/inventory?below={below}&limit=100"


# --- orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "steps"),
    [
        ("pending", set()),
        ("confirmed", {"ship", "cancel", "refund"}),
        ("shipped", {"refund"}),
        ("cancelled", set()),
        ("refunding", set()),
        ("rejected", set()),
    ],
)
async def test_an_order_offers_the_steps_that_its_state_has(
    visitor: Visitor, shop: StandIn, status: str, steps: set[str]
) -> None:
    shop.answer(f"GET /orders/{ORDER_ID}", order(1, status=status))
    shown = await visitor.get(ORDER)
    assert {form.action.rpartition("/")[2] for form in shown.forms} - {"logout"} == steps


@pytest.mark.parametrize(
    ("step", "fields", "body", "told"),
    [
        ("ship", {"tracking": "T 1"}, {"tracking": "T 1"}, "It is on its way."),
        ("ship", {}, None, "It is on its way."),
        ("cancel", {}, None, "It is cancelled."),
        ("refund", {}, None, "It is refunded."),
    ],
)
async def test_an_order_is_moved_on(
    visitor: Visitor, shop: StandIn, step: str, fields: dict[str, str], body: Any, told: str
) -> None:
    form = (await visitor.get(ORDER)).form(f"{ORDER}/{step}")
    shop.answer(f"POST /orders/{ORDER_ID}/{step}", order(1))
    assert told in (await visitor.submit(form, **fields)).text
    sent = last(shop).body
    assert (json.loads(sent) if sent else None) == body


async def test_a_step_that_comes_too_late_or_takes_its_time_is_told(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get(ORDER)).form(f"{ORDER}/cancel")
    shop.answer(f"POST /orders/{ORDER_ID}/cancel", problem(409, "invalid-transition"), 409)
    assert "the order has moved on" in (await visitor.submit(form)).text
    shop.answer(f"POST /orders/{ORDER_ID}/cancel", order(1, status="cancelling"), 202)
    assert "on the way back" in (await visitor.submit(form)).text


async def test_a_change_without_an_answer_is_not_called_done(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get(ORDER)).form(f"{ORDER}/refund")
    shown = await visitor.submit(form)
    assert visitor.reply.status == 503
    assert "Whether a change was made is not known" in shown.text
    assert len([seen for seen in shop.seen if seen.method == "POST"]) == 1, "it was asked once"


@pytest.mark.parametrize("query", ["status=lost", "cursor=1", "customer=me"])
async def test_a_filter_that_there_is_not_leads_nowhere(visitor: Visitor, shop: StandIn, query: str) -> None:
    await visitor.get(f"/admin/orders?{query}")
    assert visitor.reply.status == 404
    assert shop.seen == []


# --- sheets -----------------------------------------------------------------------------------------------------------


async def test_a_sheet_is_tried_without_changing_anything(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get("/admin/transfer")).form("/admin/transfer")
    report = {"rows": 1200, "created": 1000, "updated": 150, "unchanged": 50, "dry_run": True}
    shop.answer("POST /products/import", report)
    shown = await visitor.submit(form, sheet=SHEET.replace("\n", "\r\n"), do="try")
    asked = last(shop)
    assert (asked.target, asked.body, asked.header("content-type")) == (
        "/products/import?dry_run=true",
        SHEET.encode(),
        "text/csv",
    )
    assert "1200 rows; 1000 new, 150 changed, 50 as they are. Nothing has been changed yet." in shown.text
    assert "A-2,,desk,abc" in shown.text, "what was tried can be imported"


async def test_the_faults_of_a_sheet_stand_beside_its_lines_and_the_sheet_is_kept(
    visitor: Visitor, shop: StandIn
) -> None:
    form = (await visitor.get("/admin/transfer")).form("/admin/transfer")
    errors = [
        {"field": "rows.3.price_cents", "message": "is not a whole number"},
        {"field": "rows.3.name", "message": "is missing"},
        {"field": "rows.1.heading", "message": "is odd"},
    ]
    shop.answer("POST /products/import", problem(422, "bad-rows", errors=errors), 422)
    shown = await visitor.submit(form, sheet=SHEET, do="import")
    assert visitor.reply.status == 422
    assert "Nothing was imported: 3 things to put right" in shown.text
    assert "3 price_cents Is not a whole number. A-2,,desk,abc" in shown.text
    assert shown.text.index("1 heading") < shown.text.index("3 price_cents")
    assert SHEET.strip().replace("\n", " ") in shown.text


async def test_a_sheet_that_is_no_sheet_is_told_as_a_whole(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get("/admin/transfer")).form("/admin/transfer")
    shop.answer("POST /products/import", problem(400, "invalid-request", detail="Line 2 is not CSV"), 400)
    assert "Line 2 is not CSV." in (await visitor.submit(form, sheet='a,"b', do="import")).text
    assert "Please paste a sheet" in (await visitor.submit(form, sheet="", do="import")).text


async def test_an_import_says_what_it_did(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get("/admin/transfer")).form("/admin/transfer")
    report = {"rows": 3, "created": 1, "updated": 2, "unchanged": 0, "dry_run": False}
    shop.answer("POST /products/import", report)
    shown = await visitor.submit(form, sheet=SHEET, do="import")
    assert last(shop).target == "/products/import"
    assert "Imported: 1 created, 2 updated, 0 unchanged." in shown.text


async def test_a_long_sheet_is_taken_here_and_nowhere_else(visitor: Visitor, shop: StandIn) -> None:
    form = (await visitor.get("/admin/transfer")).form("/admin/transfer")
    report = {"rows": 3, "created": 1, "updated": 2, "unchanged": 0, "dry_run": True}
    shop.answer("POST /products/import", report)
    await visitor.submit(form, sheet="x" * 900_000, do="try")
    assert len(last(shop).body) == 900_000
    assert (await visitor.post("/admin/products/new", form.fields | {"name": "x" * 100_000})).status == 413


async def test_the_catalogue_is_given_out_as_a_file(visitor: Visitor, shop: StandIn) -> None:
    shop.answer_bytes("GET /products/export", b"sku,name\n", "text/csv; charset=utf-8")
    headers = {"cookie": f"staff={visitor.cookies['staff']}"}
    reply = await visitor.ask("GET", "/admin/products.csv", headers=headers)
    assert (reply.status, reply.body) == (200, b"sku,name\n")
    assert reply.headers["Content-Type"].startswith("text/csv")
    assert reply.headers["Content-Disposition"] == 'attachment; filename="products.csv"'
    assert reply.headers["Cache-Control"] == "no-store"
    shop.answer("GET /products/export", problem(403, "forbidden"), 403)
    assert (await visitor.ask("GET", "/admin/products.csv", headers=headers)).status == 403


# --- the dashboard ----------------------------------------------------------------------------------------------------


async def test_the_dashboard_shows_figures_charts_and_their_numbers(visitor: Visitor, shop: StandIn) -> None:
    shown = await visitor.get("/admin?hours=168")
    assert "/orders/report?hours=168" in shop.targets()
    assert "Orders 2" in shown.text
    assert "Revenue €5.00" in shown.text
    assert "Undecided 3" in shown.text
    assert [named["aria-label"] for tag, named in shown.tags if tag == "svg" and "aria-label" in named] == [
        "Orders",
        "Revenue",
    ]
    assert "Fri 03:00 2" in shown.text, "the chart as a table"
    await visitor.get("/admin?hours=9")
    assert "/orders/report?hours=24" in shop.targets()


@pytest.mark.parametrize(
    ("path", "told", "there"),
    [("/orders", "The order book is not answering", "Stock value"), ("/products", "The catalogue is not", "Revenue")],
)
async def test_a_part_of_the_dashboard_that_is_away_is_named_and_the_rest_is_there(
    visitor: Visitor, shop: StandIn, path: str, told: str, there: str
) -> None:
    shop.take_away(path)
    shown = await visitor.get("/admin")
    assert visitor.reply.status == 200
    assert told in shown.text
    assert there in shown.text
