"""From datagrams and the load balancer's journal to one tree."""

import asyncio
import itertools
import json
import random
import socket
from typing import Any

import pytest

from scripts.twin.load_balancer.journal import Entry
from scripts.twin.traces.documents import BadDocument, parsed, service_of
from scripts.twin.traces.receiver import Inbox, receive
from scripts.twin.traces.spans import Kind
from scripts.twin.traces.store import Traces
from scripts.twin.traces.summary import Wanted, summed
from scripts.twin.traces.tree import LEVELS, forest, walked
from tests.scripts.twin.balancing import until
from tests.scripts.twin.segments import (
    HEADER,
    NOON,
    TRACE,
    an_order,
    as_json,
    brought,
    call,
    datagram,
    kept,
    part,
    segment,
    spans,
    statement,
)
from tests.traces import Trace

# --- documents ------------------------------------------------------------------------------------------------------


def test_a_segment_and_all_that_is_in_it_become_spans_of_their_kinds() -> None:
    inner = [part("pool"), statement("find_order", 0.1, 0.2, rows=3), call("product", 0.3, 0.4, 409), part("work")]
    whole = segment("order", annotations={"route": "/orders", "runtime": "lambda"}, subsegments=inner)
    first, *rest = spans(whole)
    assert (first.kind, first.service, first.parent, first.milliseconds) == (Kind.REQUEST, "order", "", 1000)
    assert first.facts == {"route": "/orders", "runtime": "lambda"}
    by_kind = {span.kind: span for span in rest}
    assert by_kind.keys() == {Kind.POOL, Kind.SQL, Kind.CALL, Kind.WORK}
    assert {span.parent for span in rest} == {first.id}
    assert {span.service for span in rest} == {"order"}, "a call is the work of the service that calls"
    assert by_kind[Kind.SQL].facts == {"query": "SELECT find_order", "statement": "find_order", "rows": 3}
    assert (by_kind[Kind.CALL].status, by_kind[Kind.CALL].facts["url"]) == (409, "/products")


def test_background_work_and_the_subsegment_that_a_function_sends_begin_a_services_part() -> None:
    (step,) = spans(segment("order-background", annotations={"step": "reconcile"}))
    assert (step.kind, step.service) == (Kind.BACKGROUND, "order")
    (function,) = spans(segment("product", type="subsegment", parent_id="0" * 16))
    assert (function.kind, function.service) == (Kind.REQUEST, "product")
    (alone,) = spans(call("product", 0, 1) | {"type": "subsegment", "trace_id": TRACE, "parent_id": "0" * 16})
    assert (alone.kind, alone.service) == (Kind.CALL, "")
    assert service_of("api.example.com") == "api.example.com"


def test_what_may_be_somebodys_is_not_kept() -> None:
    secret = "geheim"
    exception = {"type": "ValueError", "message": secret, "stack": [{"path": "order/service.py", "line": 12}]}
    found = spans(
        segment(
            "order",
            http={"request": {"method": "GET", "url": f"/orders?token={secret}", "user_agent": secret}},
            cause={"working_directory": secret, "exceptions": [exception]},
            metadata={"default": {"key": secret}},
            user=secret,
            fault=True,
        )
    )
    assert secret not in repr(found)
    assert found[0].facts == {"method": "GET", "url": "/orders", "cause": "ValueError in order/service.py:12"}


BAD: dict[str, bytes] = {
    "nothing": b"",
    "no header": json.dumps(segment("order")).encode(),
    "another header": b'{"format":"json","version":2}\n' + json.dumps(segment("order")).encode(),
    "half": datagram(segment("order"))[:-9],
    "no UTF-8": HEADER + b"\xff",
    "a list": HEADER + b"[]",
    "levels without end": HEADER + b'{"a":' * 5000,
    "no trace": datagram(part("order")),
    "a bad trace": datagram(segment("order") | {"trace_id": "1-2-3"}),
    "a bad id": datagram(segment("order") | {"id": "<script>"}),
    "a bad parent": datagram(segment("order", parent_id="x")),
    "no name": datagram(segment("order") | {"name": ""}),
    "no beginning": datagram(segment("order") | {"start_time": "now"}),
    "a time that is true": datagram(segment("order") | {"start_time": True}),
    "a time that is none": datagram(segment("order") | {"start_time": float("nan")}),
    "a time beyond all": datagram(segment("order") | {"end_time": 1e300}),
    "no end": datagram({key: value for key, value in segment("order").items() if key != "end_time"}),
    "subsegments that are none": datagram(segment("order", subsegments={"a": 1})),
    "a subsegment that is none": datagram(segment("order", subsegments=[1])),
    "too many": datagram(segment("order", subsegments=[{}] * 1001)),
    "http that is none": datagram(segment("order", http="GET")),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_what_is_no_segment_is_refused(data: bytes) -> None:
    with pytest.raises(BadDocument):
        parsed(data)


def test_long_texts_are_cut() -> None:
    (found,) = spans(segment("order", http={"request": {"url": "x" * 9000}}, annotations={"note": "y" * 9000}))
    assert {key: len(str(value)) for key, value in found.facts.items()} == {"url": 4000, "note": 4000}


def test_nothing_that_a_datagram_can_hold_does_harm() -> None:
    """Every value of a good document in the place of every other."""
    drawn = random.Random(7)
    good = segment(
        "order",
        http={"request": {"method": "GET", "url": "/"}, "response": {"status": 200}},
        annotations={"step": "x"},
        cause={"exceptions": [{"type": "E", "stack": [{"path": "p", "line": 1}]}]},
        subsegments=[statement("a", 0, 1)],
    )
    values: list[Any] = [None, True, -1, 1e400, "", "x" * 9000, [], [[]], {}, {"a": {}}, *good.values()]
    for _ in range(500):
        bad = good | {drawn.choice([*good]): drawn.choice(values) for _ in range(3)}
        try:
            found = parsed(HEADER + json.dumps(bad).encode())
        except BadDocument:
            continue
        assert all(len(str(value)) <= 4000 for span in found.spans for value in span.facts.values())


# --- keeping --------------------------------------------------------------------------------------------------------


def test_what_has_ended_takes_the_place_of_the_same_in_progress_and_never_the_reverse() -> None:
    running, ended = segment("order", ends=None), segment("order")
    ended["id"] = running["id"]
    for documents in ((running, ended), (ended, running), (running, ended, ended, running)):
        traces = kept(*documents)
        assert [span.end for span in traces.all()[0].spans.values()] == [NOON + 1]
        assert not summed(traces.all()[0]).running
    assert summed(kept(running).all()[0]).running
    assert summed(kept(running).all()[0]).milliseconds is None


def test_the_oldest_traces_make_room_by_number_and_by_size() -> None:
    def one(number: int) -> dict[str, Any]:
        return segment("order", annotations={"note": "é" * 1000}) | {"trace_id": f"1-6b49d200-{number:024x}"}

    few = kept(*map(one, range(5)), into=Traces(traces=3))
    assert [trace.id[-1] for trace in few.all()] == ["2", "3", "4"]
    small = Traces(size=20_000)
    kept(*map(one, range(50)), into=small)
    assert [trace.id[-2:] for trace in small.all()] == ["2e", "2f", "30", "31"][-len(small.all()) :]
    assert 1 <= len(small.all()) <= 3, "each has four kilobytes and what a span takes besides"


def test_one_trace_has_so_many_spans_and_no_more() -> None:
    traces = kept(*(segment("order") for _ in range(7)), into=Traces(spans=5))
    assert (len(traces.all()[0].spans), traces.dropped) == (5, 2)


async def test_what_arrives_is_read_when_somebody_looks_and_what_is_no_segment_is_counted() -> None:
    inbox = Inbox(Traces())
    receiving = await receive(inbox, 0)
    assert receiving is not None
    port = receiving.get_extra_info("sockname")[1]
    try:
        with socket.socket(type=socket.SOCK_DGRAM) as sending:
            for data in (*BAD.values(), datagram(segment("order")), b"again"):
                sending.sendto(data, ("127.0.0.1", port))
        inbox.ended(Entry("GET", "/refused before it had a trace"))
        await until(lambda: len(inbox) == len(BAD) + 3)
        traces = await inbox.read()
        assert (traces.documents, traces.ignored, len(traces.all()), len(inbox)) == (1, len(BAD) + 1, 1, 0)
        assert await receive(inbox, port) is None, "the shop does without where the port is taken"
    finally:
        receiving.close()
        await asyncio.sleep(0)


async def test_what_nobody_looks_at_makes_room_by_number_and_by_size() -> None:
    small = datagram(segment("order"))
    for limits in ({"waiting": 3}, {"size": 3 * len(small)}):
        inbox = Inbox(Traces(), **limits)
        for _ in range(9):
            inbox.datagram_received(datagram(segment("order")), ("127.0.0.1", 1))
        assert len(inbox) == 3
        first, second = await asyncio.gather(inbox.read(), inbox.read())
        assert first is second
        assert (first.documents, len(inbox)) == (3, 0)
        inbox.datagram_received(small, ("127.0.0.1", 1))
        assert (await inbox.read()).documents == 4


# --- joining --------------------------------------------------------------------------------------------------------


def test_one_trace_leads_from_the_load_balancer_through_every_service_to_the_statement() -> None:
    trace = Trace(as_json(an_order()))
    hop = "load balancer"
    trace.path(
        hop, "frontend", "tandem-local-order", hop, "order", "tandem-local-product", hop, "product", "PostgreSQL"
    )
    trace.nothing_is_missing()
    trace.every_span_ends_within_its_parent()
    assert trace.find(statement="take_stock").document["service"] == "product"
    summary = summed(an_order().all()[0])
    assert (summary.method, summary.name, summary.status) == ("POST", "/checkout", 303)
    assert summary.services == ("frontend", "order", "product")
    assert summary.milliseconds == pytest.approx(1000)
    assert (summary.span_count, summary.failed) == (11, False)


def test_the_order_in_which_the_parts_arrive_changes_nothing() -> None:
    every = [*an_order().all()[0].spans.values()]
    expected = [(node.span.id, level) for node, level in walked(forest(every))]
    for seed in range(20):
        random.Random(seed).shuffle(every)
        assert [(node.span.id, level) for node, level in walked(forest(every))] == expected


def test_a_call_that_is_repeated_has_each_request_below_the_hop_that_brought_it() -> None:
    asking = call("product", 0.0, 1.0)
    first = segment("product", 0.11, 0.19, parent_id=asking["id"])
    second = segment("product", 0.61, 0.89, parent_id=asking["id"])
    hops = tuple(brought("product", *times, parent=asking["id"]) for times in ((0.1, 0.2), (0.3, 0.5), (0.6, 0.9)))
    trace = Trace(as_json(kept(segment("order", subsegments=[asking]), second, first, hops=hops)))
    below = [[span.document["id"] for span in one.inside()] for one in trace.all(kind="load-balancer")]
    assert below == [[first["id"]], [], [second["id"]]], "the one in the middle reached nobody"


def test_requests_side_by_side_below_one_parent_have_a_hop_each_and_none_that_was_over() -> None:
    """A client that sends its header along with everything; a call that hangs while its repetition is served; a hop
    that is told only when it has ended."""
    outer, inner = brought("order", 0, 0.9), brought("order", 0.1, 0.8)
    late, early, third = segment("order", 0.13, 0.7), segment("order", 0.12, 0.6), segment("order", 0.95, 1)
    trace = Trace(as_json(kept(late, early, third, hops=(outer, inner))))
    above = [trace.find(id=one["id"]).above for one in (late, early)]
    assert {span.document["id"] for span in above if span} == {outer.id, inner.id}
    assert trace.find(id=third["id"]).above is None
    alone = Trace(as_json(kept(late, hops=(outer, inner)))).find(id=late["id"])
    assert alone.above is not None
    assert alone.above.document["id"] == inner.id


def test_a_dead_service_is_a_red_hop_below_the_call_of_it() -> None:
    asking = call("order", 0.1, 0.3, 503) | {"fault": True}
    frontend = segment("frontend", 0.05, 0.4, subsegments=[asking])
    hops = (brought("frontend", 0, 0.5), brought("order", 0.15, 0.25, parent=asking["id"], status=503))
    traces = kept(frontend, hops=hops)
    trace = Trace(as_json(traces))
    trace.path("frontend", "tandem-local-order", "load balancer")
    broken = trace.find(kind="load-balancer", service="order")
    assert broken.document["fault"]
    assert (broken.document["status"], broken.facts["why"]) == (503, "it has no target")
    assert not trace.all(title="order")
    assert summed(traces.all()[0]).failed, "though the answer was a good one"


def test_parts_without_their_whole_stand_beside_it_and_say_so() -> None:
    lost = statement("find", 0.2, 0.3) | {"type": "subsegment", "trace_id": TRACE, "parent_id": "f" * 16}
    trace = Trace(as_json(kept(lost, segment("order"))))
    assert [(span.title, span.document["orphan"]) for span in trace.tops] == [("order", False), ("PostgreSQL", True)]


def test_a_part_that_travels_alone_learns_whose_it_is() -> None:
    whole = segment("order")
    alone = statement("find", 0.2, 0.3) | {"type": "subsegment", "trace_id": TRACE, "parent_id": whole["id"]}
    assert Trace(as_json(kept(alone, whole))).path("order", "PostgreSQL").document["service"] == "order"


def test_spans_that_name_each_other_as_parents_are_all_shown_once() -> None:
    one, two, three = segment("order", 0.1), segment("order", 0.2), segment("order", 0.3)
    one["parent_id"], two["parent_id"], three["parent_id"] = three["id"], one["id"], two["id"]
    own = segment("product", 0.4)
    own["parent_id"] = own["id"]
    trace = Trace(as_json(kept(three, two, one, own)))
    assert [span.document["id"] for span in trace.spans()] == [one["id"], two["id"], three["id"], own["id"]]
    assert [span.document["orphan"] for span in trace.tops] == [True, True]


def test_a_thousand_levels_are_a_few_on_the_page() -> None:
    documents = [segment("order", number / 1e4, 1) for number in range(1500)]
    for above, below in itertools.pairwise(documents):
        below |= {"type": "subsegment", "name": "step", "parent_id": above["id"]}
    every = [*walked(forest(kept(*documents).all()[0].spans.values()))]
    assert (len(every), max(level for _, level in every)) == (1500, LEVELS)
    json.dumps(as_json(kept(*documents)))


# --- choosing -------------------------------------------------------------------------------------------------------


def test_traces_are_chosen_by_failure_time_and_text_and_the_newest_comes_first() -> None:
    def at(number: int, document: dict[str, Any]) -> dict[str, Any]:
        return document | {"trace_id": f"1-6b49d200-{number:024x}"}

    traces = kept(
        at(1, segment("order", 3, 5, fault=True)),
        at(
            2, segment("frontend", 1, 1.1, annotations={"route": "/item/{id}"}, subsegments=[statement("Find", 1, 1.1)])
        ),
        at(3, segment("product", 2, 2.5, http={"response": {"status": 404}}, error=True)),
    )

    def chosen(**query: str) -> list[str]:
        return [one.id[-1] for one in Wanted.read(query).chosen(traces.all())]

    assert chosen() == ["1", "3", "2"]
    assert chosen(errors="1") == ["1", "3"]
    assert chosen(slower="500") == ["1", "3"]
    assert chosen(slower="500.5") == ["1"]
    assert chosen(q="FIND") == chosen(q=" /item ") == chosen(q="frontend") == ["2"]
    assert chosen(q="404", errors="1") == ["3"]
    assert chosen(q="nothing") == []
    for bad in ("soon", "-1", "nan", "inf"):
        with pytest.raises(ValueError, match=r"."):
            Wanted.read({"slower": bad})
