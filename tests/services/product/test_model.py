import base64
import json
from dataclasses import replace

import pytest

from services.chassis.errors import Invalid, InvalidRequest
from services.product import demo
from services.product.model.catalogue import if_match_versions, is_not_modified
from services.product.model.listing import Position, Query, read_cursor, write_cursor
from services.product.model.picture import draw
from services.product.model.reservations import (
    REASONS,
    InsufficientStock,
    KeyReuse,
    Known,
    Line,
    Returned,
    UnknownProduct,
    decide_refusal,
    fingerprint,
    same_lines,
    standing,
)
from services.product.model.sheet import COLUMNS, BadRows, read_rows, write_rows
from services.product.model.stock import Change, Recorded, StockLimit, answer

HEADING = b"sku,name,category,price_cents,stock\r\n"
BY_NAME = Query(sort="name", category="desk")


def test_cursor_leads_back_to_its_position() -> None:
    position = Position("çelik “termos” \\ %", 7)
    assert read_cursor(BY_NAME, write_cursor(BY_NAME, position)) == position


@pytest.mark.parametrize(
    "other",
    [
        replace(BY_NAME, category="audio"),
        replace(BY_NAME, category=None),
        replace(BY_NAME, q="pen"),
        replace(BY_NAME, min_price=1),
        replace(BY_NAME, max_price=1),
        replace(BY_NAME, in_stock=True),
        replace(BY_NAME, archived=True),
    ],
)
def test_cursor_belongs_to_its_query(other: Query) -> None:
    with pytest.raises(Invalid) as raised:
        read_cursor(other, write_cursor(BY_NAME, Position("a", 1)))
    assert raised.value.members["errors"] == [{"field": "cursor", "message": "belongs to another query"}]


def test_cursor_of_another_order_is_refused() -> None:
    with pytest.raises(Invalid):
        read_cursor(replace(BY_NAME, sort="price"), write_cursor(BY_NAME, Position("a", 1)))


def forged(*members: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(members, separators=(",", ":")).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "=",
        "ä",
        "AAAA",
        "A",
        forged(),
        forged(BY_NAME.digest(), "a"),
        forged(BY_NAME.digest(), 1, 1),
        forged(BY_NAME.digest(), "a", "1"),
        forged(BY_NAME.digest(), "a", True),
        forged(BY_NAME.digest(), "a", -1),
        forged(BY_NAME.digest(), "a", 2**63),
        forged(BY_NAME.digest(), "a", 1, 1),
        forged(BY_NAME.digest(), "\ud800", 1),
        forged(BY_NAME.digest(), "a\0", 1),
        forged(BY_NAME.digest(), None, 1),
        forged(BY_NAME.digest(), "a", 1) + "=",
        forged(BY_NAME.digest(), "a", 1) + "\n",
        base64.urlsafe_b64encode(b"[" * 50_000).decode().rstrip("="),
    ],
)
def test_cursor_that_was_not_given_is_refused(cursor: str) -> None:
    with pytest.raises(Invalid):
        read_cursor(BY_NAME, cursor)


def test_relevance_without_words_means_newest() -> None:
    assert Query(q="  ", sort="relevance") == Query(sort="newest")


@pytest.mark.parametrize(
    ("header", "versions"),
    [('"7.42"', [7]), ('"7"', [7]), ('"7.42", "8.1"', [7, 8]), ('W/"7.42"', []), ("*", None), ('"x"', []), ('""', [])],
)
def test_if_match_names_versions(header: str, versions: list[int] | None) -> None:
    assert if_match_versions(header) == versions


@pytest.mark.parametrize("header", ["", "7", '"7', '"7" "8"', "*, *", '"7"\n'])
def test_if_match_that_is_no_entity_tag_is_malformed(header: str) -> None:
    with pytest.raises(InvalidRequest):
        if_match_versions(header)


@pytest.mark.parametrize(
    ("header", "same"),
    [('"7.42"', True), ('W/"7.42"', True), ('"1", "7.42"', True), ("*", True), ('"7.41"', False), (None, False)],
)
def test_if_none_match_compares_weakly(header: str | None, same: bool) -> None:
    assert is_not_modified(header, '"7.42"') is same


def test_fingerprint_is_blind_to_the_order_of_lines() -> None:
    assert fingerprint([Line(1, 2), Line(3, 4)]) == fingerprint([Line(3, 4), Line(1, 2)])
    assert fingerprint([Line(1, 2), Line(3, 4)]) != fingerprint([Line(1, 4), Line(3, 2)])


def test_what_can_never_succeed_is_said_before_what_is_short() -> None:
    assert decide_refusal([("insufficient-stock", 1), ("unknown-product", 2)]) == ("unknown-product", [2])
    assert decide_refusal([("insufficient-stock", 1), ("insufficient-stock", 3)]) == ("insufficient-stock", [1, 3])


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_stored_reason_is_the_code_it_is_answered_with(reason: str) -> None:
    with pytest.raises(REASONS[reason]) as raised:
        standing(Known("released", reason, None, None, b""))
    assert raised.value.code == reason
    assert raised.value.status == (422 if reason == UnknownProduct.code else 409)


def test_reservation_that_stands_is_given_as_stored() -> None:
    assert standing(Known("held", None, None, b"f", b"{}")) == b"{}"
    assert standing(Known("committed", None, None, b"f", b"{}")) == b"{}"
    with pytest.raises(Returned):
        standing(Known("returned", "cancel", None, b"f", b"{}"))


def test_other_lines_under_a_known_id_are_key_reuse() -> None:
    same_lines(Known("held", None, None, b"f", b""), b"f")
    same_lines(Known("released", "cancelled", None, None, b""), b"f")  # a tombstone was for no lines
    with pytest.raises(KeyReuse):
        same_lines(Known("held", None, None, b"f", b""), b"g")


def test_stock_change_is_answered_as_recorded() -> None:
    change = Change(key="k", delta=-3, reason="broken", author="ops")
    assert answer(Recorded(-3, "broken", 4), change) == 4
    with pytest.raises(InsufficientStock):
        answer(Recorded(-3, "broken", None), change)
    with pytest.raises(StockLimit):
        answer(Recorded(3, "broken", None), replace(change, delta=3))
    with pytest.raises(KeyReuse):
        answer(Recorded(-2, "broken", 4), change)
    with pytest.raises(KeyReuse):
        answer(Recorded(-3, "lost", 4), change)


def test_sheet_survives_the_round_trip() -> None:
    nasty = ["=1+1", "'=1", "''@x", "-5 °C", "+49", 'say "hi", friend', "two\nlines", "\ttab", "'quoted'", "plain"]
    rows = [(f"S-{n}", text, text, "desk", n, n, n % 2 == 0, None) for n, text in enumerate(nasty)]
    read = read_rows(write_rows([COLUMNS, *rows]).encode())
    assert [(r.draft.sku, r.draft.name, r.draft.description, r.draft.active, r.stock) for r in read] == [
        (sku, name, text, active, stock) for sku, name, text, _, _, stock, active, _ in rows
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_no_cell_is_written_as_a_formula(text: str) -> None:
    assert write_rows([[text]]).lstrip('"').startswith("'")


@pytest.mark.parametrize(
    ("rows", "field"),
    [
        (b"A-1,Pen,desk,,1", "rows.2.price_cents"),
        (b"A-1,Pen,desk,-1,1", "rows.2.price_cents"),
        (b"A-1,Pen,desk,1.5,1", "rows.2.price_cents"),
        (b"A-1,Pen,desk,100000001,1", "rows.2.price_cents"),
        (b"A-1,Pen,desk,1,x", "rows.2.stock"),
        (b"A-1,,desk,1,1", "rows.2.name"),
        (b"A-1,  ,desk,1,1", "rows.2.name"),
        (b"A-1,P\0n,desk,1,1", "rows.2.name"),
        (b"A 1,Pen,desk,1,1", "rows.2.sku"),
        (b'"A-1\n",Pen,desk,1,1', "rows.2.sku"),
        (b"A-1,Pen,Desk,1,1", "rows.2.category"),
        (b"A-1,Pen,desk,1,1\r\n\r\nA-1,Pen,desk,1,1", "rows.4.sku"),
        (b'A-1,"two\nlines",desk,1,1\r\nA-2,Pen,desk,x,1', "rows.4.price_cents"),
        (b"A-1," + b"x" * 201 + b",desk,1,1", "rows.2.name"),
    ],
)
def test_bad_row_is_named_by_line_and_column(rows: bytes, field: str) -> None:
    with pytest.raises(BadRows) as raised:
        read_rows(HEADING + rows)
    assert [error["field"] for error in raised.value.members["errors"]] == [field]


def test_every_bad_row_is_reported_at_once() -> None:
    with pytest.raises(BadRows) as raised:
        read_rows(HEADING + b"A-1,,desk,1,1\r\nA-2,Pen,desk,1,1\r\nA-3,Pen,desk,x,1")
    assert [error["field"] for error in raised.value.members["errors"]] == ["rows.2.name", "rows.4.price_cents"]


@pytest.mark.parametrize(
    "heading", [b"", b"sku,name\n", b"sku,name,category,price_cents,colour\n", HEADING[:-2] + b",sku\n"]
)
def test_heading_must_be_known(heading: bytes) -> None:
    with pytest.raises(BadRows):
        read_rows(heading)


@pytest.mark.parametrize("body", [b"\xff\xfe", HEADING + b"A-1,Pen", HEADING + b'A-1,"Pen'])
def test_what_is_not_csv_is_malformed(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        read_rows(body)


def test_byte_order_mark_of_a_spreadsheet_is_no_part_of_the_heading() -> None:
    assert len(read_rows(b"\xef\xbb\xbf" + HEADING + b"A-1,Pen,desk,1,1")) == 1


def test_picture_is_always_the_same_small_and_its_own() -> None:
    pictures = {draw(category, number) for category in [*demo.CATEGORIES, "unheard-of"] for number in range(1, 41)}
    assert len(pictures) == 7 * 40
    assert draw("desk", 1) == draw("desk", 1)
    assert max(map(len, pictures)) < 2048
    assert not any(b"http" in picture.replace(b'xmlns="http://www.w3.org/2000/svg"', b"") for picture in pictures)


def test_demo_shop_has_forty_products_in_six_categories() -> None:
    rows = demo.products()
    assert len(rows) == 40
    assert {row.draft.category for row in rows} == set(demo.CATEGORIES)
    assert all(row.stock > 0 and row.draft.price_cents > 0 and len(row.draft.description) > 60 for row in rows)
