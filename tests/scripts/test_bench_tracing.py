"""The bench of traces: its verdict, and that it measures three different things."""

import io

import pytest

from scripts.benches.tracing import Cost, judge, measure
from scripts.terminal import Terminal


@pytest.mark.parametrize(
    ("cost", "code"),
    [
        (Cost(100.0, 105.0, 160.0), 0),
        (Cost(100.0, 105.1, 160.0), 1),
        (Cost(100.0, 105.0, 160.1), 1),
    ],
)
def test_one_goal_that_is_not_met_is_a_no(cost: Cost, code: int) -> None:
    said = io.StringIO()
    assert judge(cost, Terminal(said)) == code
    assert ("Not every goal" in said.getvalue()) is bool(code)
    assert "1.60" in said.getvalue()


async def test_a_sampled_request_costs_more_than_one_without_any_tracing() -> None:
    cost = await measure(150, rounds=8)
    assert 0 < cost.bare < cost.sampled
