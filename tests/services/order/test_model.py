"""Rules about orders that need nothing but values."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from services.chassis.errors import Invalid
from services.order.model import REFUSALS, Cursor, Line, canonical
from tests.services.order.fakes import intent


def test_lines_are_in_the_order_in_which_stock_is_locked() -> None:
    assert canonical([Line(9, 1), Line(2, 5), Line(5, 1)]) == (Line(2, 5), Line(5, 1), Line(9, 1))


def test_requests_that_mean_the_same_have_the_same_fingerprint() -> None:
    assert intent((1, 2), (2, 1), expected=5).fingerprint == intent((2, 1), (1, 2), expected=5).fingerprint


@pytest.mark.parametrize(
    "other",
    [
        intent((1, 2), (2, 2)),
        intent((1, 2)),
        intent((1, 2), (2, 1), (3, 1)),
        intent((1, 2), (2, 1), expected=0),
        intent((1, 2), (2, 1), expected=599),
        intent((1, 21)),
        intent((12, 1)),
    ],
)
def test_requests_that_differ_have_different_fingerprints(other: object) -> None:
    assert intent((1, 2), (2, 1)).fingerprint != getattr(other, "fingerprint", None)


def test_a_fingerprint_is_a_sha256() -> None:
    assert len(intent().fingerprint) == 32


def test_every_refusal_has_a_status_that_says_do_not_repeat() -> None:
    assert {code: kind.status for code, kind in REFUSALS.items()} == {
        "insufficient-stock": 409,
        "unknown-product": 422,
        "price-changed": 409,
        "reservation-expired": 409,
        "timed-out": 409,
    }


def test_a_cursor_keeps_the_microsecond() -> None:
    order_id = uuid4()
    assert Cursor.parse(f"1767225600123456-{order_id}") == Cursor(
        datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC), order_id
    )


ID = UUID("b2d6b1f2-0000-4000-8000-000000000000")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        str(ID),
        f"-{ID}",
        f"1767225600123456-{ID}x",
        f"1767225600123456_{ID}",
        f"17672256001234567-{ID}",
        f"176722560012345-{ID}",
        f"1767225600123456-{str(ID).upper()}",
        f"1767225600123456-{ID.hex}",
        f"٣767225600123456-{ID}",
        f"1767225600123456-{ID}\n",
    ],
)
def test_what_is_not_a_cursor_of_ours_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        Cursor.parse(text)
    assert refusal.value.members["errors"] == [{"field": "cursor", "message": "is not one of ours"}]
