"""The bench of parity without a platform: what it counts and what it prints."""

from itertools import repeat

import pytest

from scripts.benches.parity import WARMING, Answer, Ask, Asked, Series, line, measure, verdict

READ = Asked("product", "GET", "/products/1", {})
ORDER = Asked("order", "POST", "/orders", {}, b"{}")


def answering(status: int = 200, body: bytes = b"{}") -> tuple[Ask, list[Asked]]:
    seen: list[Asked] = []

    async def ask(asked: Asked) -> Answer:
        seen.append(asked)
        return status, body

    return ask, seen


async def test_each_runtime_is_asked_as_often_and_warming_is_not_counted() -> None:
    (container, here), (function, there) = answering(), answering()
    measured, different = await measure({"container": container, "function": function}, repeat(READ), 7)
    assert (len(here), len(there), different) == (WARMING + 7, WARMING + 7, 0)
    assert [len(series.times) for series in measured.values()] == [7, 7]


@pytest.mark.parametrize(
    ("request_", "other", "different"),
    [
        (READ, (200, b"[]"), True),
        (READ, (500, b"{}"), True),
        (ORDER, (200, b"[]"), False),  # an order has an id of its own
        (ORDER, (409, b"{}"), True),
    ],
)
async def test_answers_that_are_not_the_same_are_counted(
    request_: Asked, other: tuple[int, bytes], different: bool
) -> None:
    doors = {"container": answering()[0], "function": answering(*other)[0]}
    assert (await measure(doors, repeat(request_), 3))[1] == (WARMING + 3) * different


async def test_two_failures_are_no_parity() -> None:
    doors = {"container": answering(503)[0], "function": answering(503)[0]}
    assert (await measure(doors, repeat(READ), 1))[1] == WARMING + 1


def test_a_line_has_the_median_and_the_p95_of_both_and_their_ratios() -> None:
    measured = {
        "container": Series([1.0] * 19 + [4.0]),
        "function": Series([2.0] * 19 + [10.0]),
    }
    cells = ["1.00", "/", "4.00", "2.00", "/", "10.00", "2.00", "/", "2.50"]
    assert line("order", measured).split() == ["order", *cells]


def test_the_verdict_says_what_was_wrong() -> None:
    assert "same answer" in verdict(0)
    assert verdict(2).startswith("2 rounds")
