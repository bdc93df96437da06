"""The geometry of charts: bars stand inside, in proportion, and every axis can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.frontend.model.charts import BOTTOM, HEIGHT, LEFT, MARKS, TOP, WIDTH, bars, shares
from services.frontend.pages.words import compact, compact_money, money

VALUES = st.lists(st.integers(0, 10**15), max_size=200)


@given(VALUES)
def test_every_bar_stands_on_the_line_inside_the_picture_and_none_beside_another(values: list[int]) -> None:
    shown = bars([str(index) for index in range(len(values))], values)
    floor = HEIGHT - BOTTOM
    right = 0.0
    for bar, value in zip(shown.bars, values, strict=True):
        assert bar.x >= max(LEFT, right)
        assert bar.x + bar.width <= WIDTH
        assert bar.y >= TOP
        assert bar.y + bar.height == pytest.approx(floor, abs=0.02)
        assert bar.text == f"{value:,}"
        right = bar.x + bar.width
    assert shown.empty == (not any(values))
    assert len(shown.below) <= MARKS


@given(st.lists(st.integers(0, 10**12), min_size=2, max_size=50).filter(any))
def test_heights_are_in_proportion(values: list[int]) -> None:
    shown = bars([""] * len(values), values)
    most = max(values)
    tallest = max(bar.height for bar in shown.bars)
    assert tallest >= (HEIGHT - BOTTOM - TOP) * 0.4, "the scale fits the values"
    for bar, value in zip(shown.bars, values, strict=True):
        assert bar.height == pytest.approx(tallest * value / most, abs=0.02)


@pytest.mark.parametrize(
    ("most", "levels"),
    [
        (0, ["0", "1"]),
        (1, ["0", "1"]),
        (2, ["0", "1", "2"]),
        (3, ["0", "2", "4"]),
        (96, ["0", "50", "100"]),
        (1001, ["0", "1,000", "2,000"]),
    ],
)
def test_the_axis_has_round_numbers(most: int, levels: list[str]) -> None:
    assert [line.text for line in bars(["now"], [most]).across] == levels


def test_beside_the_axis_numbers_are_short_and_in_the_bars_they_are_whole() -> None:
    shown = bars(["now"], [1_234_500], write=money, mark=compact_money)
    assert [line.text for line in shown.across] == ["€0", "€10k", "€20k"]
    assert [bar.text for bar in shown.bars] == ["€12,345.00"]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (0.5, "0.5"), (999, "999"), (1000, "1k"), (1500, "1.5k"), (2_000_000, "2m"), (10**9, "1bn")],
)
def test_short_numbers_say_their_size(number: float, text: str) -> None:
    assert compact(number) == text


def test_nothing_is_a_chart_of_nothing() -> None:
    assert bars([], []).bars == []
    assert bars([], []).empty
    assert shares([]) == []


@given(st.lists(st.tuples(st.text(), st.integers(0, 10**15)), min_size=1, max_size=20))
def test_shares_are_beside_the_largest(parts: list[tuple[str, int]]) -> None:
    shown = shares(parts)
    most = max(value for _, value in parts)
    for share, (label, value) in zip(shown, parts, strict=True):
        assert share.label == label
        assert share.width == pytest.approx(100 * value / most if most else 0, abs=0.01)
