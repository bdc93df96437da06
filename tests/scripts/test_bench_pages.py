"""The bench of the pages: its verdict, and that it measures what a visitor gets."""

import io

import pytest

from scripts.benches.pages import Result, ask, judge
from scripts.terminal import Terminal
from services.frontend.main import create
from tests.services.frontend.conftest import SETTINGS


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (Result(3.0, 60_000, 15_000, 24), 0),
        (Result(3.1, 60_000, 15_000, 24), 1),
        (Result(3.0, 60_001, 15_000, 24), 1),
        (Result(3.0, 60_000, 15_001, 24), 1),
        (Result(1.0, 10_000, 5_000, 7), 1),
    ],
)
def test_one_goal_that_is_not_kept_is_a_no(result: Result, code: int) -> None:
    said = io.StringIO()
    assert judge(result, Terminal(said)) == code
    assert ("Not every goal" in said.getvalue()) is bool(code)


async def test_a_page_is_counted_as_it_goes_over_the_wire() -> None:
    app = create(SETTINGS)
    small, _ = await ask(app, "/cart")
    large, body = await ask(app, "/cart", compressed=False)
    assert b"Nothing in it yet" in body
    assert len(body) < large < len(body) + 1500
    assert small < large


async def test_a_page_that_fails_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="404"):
        await ask(create(SETTINGS), "/nothing")
