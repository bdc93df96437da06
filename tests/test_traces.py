"""The sentences that tests say of traces hold when they should, and fail when they should."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.scripts.twin.segments import an_order, as_json, call, kept, segment, statement
from tests.traces import Trace, new_trace


@pytest.fixture
def trace() -> Trace:
    return Trace(as_json(an_order()))


def test_a_path_is_found_whatever_lies_between_and_not_in_another_order(trace: Trace) -> None:
    assert trace.path("frontend", "order", "product", "PostgreSQL").facts["statement"] == "take_stock"
    assert trace.path("order").document["service"] == "order"
    assert trace.has_path("load balancer", "load balancer", "load balancer", "product")
    for wrong in (("order", "frontend"), ("product", "order"), ("frontend", "frontend"), ("PostgreSQL", "product")):
        assert not trace.has_path(*wrong)
        with pytest.raises(AssertionError, match=f"no path {' → '.join(wrong)}:"):
            trace.path(*wrong)


def test_a_span_is_found_by_any_of_its_facts(trace: Trace) -> None:
    assert trace.find(name="PostgreSQL", statement="take_stock").facts["rows"] == 2
    assert trace.find(kind="request", route="/checkout").title == "frontend"
    assert len(trace.all(kind="load-balancer")) == 3
    assert trace.all(statement="another") == []
    with pytest.raises(AssertionError, match=r"no span has \{'name': 'PostgreSQL', 'rows': 9\}:\n"):
        trace.find(name="PostgreSQL", rows=9)


def test_what_fails_shows_the_whole_trace(trace: Trace) -> None:
    shown = str(trace)
    assert [line.split()[0] for line in shown.splitlines()][:3] == ["load", "frontend", "tandem-local-order"]
    with pytest.raises(AssertionError) as failure:
        trace.find(name="nobody")
    assert shown in str(failure.value)


UNTIDY: dict[str, tuple[dict[str, Any], Callable[[Trace], None]]] = {
    "ends after": (
        segment("order", 0, 1, subsegments=[statement("late", 0.5, 1.1)]),
        Trace.every_span_ends_within_its_parent,
    ),
    "begins before": (
        segment("order", 0.5, 1, subsegments=[statement("early", 0.4, 0.6)]),
        Trace.every_span_ends_within_its_parent,
    ),
    "ends after order": (
        segment("order", 0, 1, subsegments=[statement("endless", 0.1, 0.2) | {"in_progress": True}]),
        Trace.every_span_ends_within_its_parent,
    ),
    "have not ended": (segment("order", 0, None), Trace.nothing_is_missing),
    "have lost their caller": (segment("order", parent_id="f" * 16), Trace.nothing_is_missing),
}


@pytest.mark.parametrize("why", UNTIDY)
def test_an_untidy_trace_is_told_from_a_tidy_one(why: str, trace: Trace) -> None:
    document, sentence = UNTIDY[why]
    sentence(trace)
    with pytest.raises(AssertionError, match=why):
        sentence(Trace(as_json(kept(document))))


def test_two_beginnings_are_no_whole() -> None:
    with pytest.raises(AssertionError, match="it has 2 beginnings"):
        Trace(as_json(kept(segment("order"), segment("product")))).nothing_is_missing()


def test_a_call_of_a_service_is_not_that_service() -> None:
    alone = Trace(as_json(kept(segment("frontend", subsegments=[call("order", 0.1, 0.2, 503)]))))
    assert not alone.has_path("frontend", "order")
    assert alone.has_path("frontend", "tandem-local-order")


def test_a_new_trace_has_the_id_that_its_header_says() -> None:
    header, identifier = new_trace()
    assert header == {"X-Amzn-Trace-Id": f"Root={identifier}"}
    assert new_trace()[1] != identifier
