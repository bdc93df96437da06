"""What every backend keeps: the same spans, parents and facts, in memory and as an agent of X-Ray receives them."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from services.chassis import tracing
from services.chassis.tracing import HONOURED, SILENT, Backend, Tracing, current_trace_id, inject, recording, span
from services.chassis.xray import XRay
from tests.services.traces import CALLER, HEADER, ROOT, Memory, Seen, agent, traced, tree


@dataclass(frozen=True, slots=True)
class Watched:
    backend: Backend
    read: Callable[[], list[Seen]]

    @property
    def seen(self) -> dict[str, Seen]:
        found = self.read()
        assert len({one.id for one in found}) == len(found)
        return {one.name: one for one in found}


@pytest.fixture(params=["memory", "xray"])
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    if request.param == "memory":
        memory = Memory()
        yield Watched(memory, lambda: memory.seen)
        assert memory.open == 0
        return
    with agent() as listening:
        backend = XRay(listening.address)
        yield Watched(backend, lambda: listening.seen)
        backend.close()


@pytest.fixture
def made(watched: Watched) -> Tracing:
    return traced(watched.backend)


def test_a_request_is_a_span_with_what_was_asked_and_how_it_ended(watched: Watched, made: Tracing) -> None:
    with made.start_request(HEADER, "GET", "/things/7") as request:
        request.answered(404, route="/things/{number}", request_id="abcdefgh")
    (seen,) = watched.read()
    assert (seen.name, seen.trace_id, seen.parent, seen.remote) == ("tandem-test-things", ROOT, CALLER, False)
    assert re.fullmatch("[0-9a-f]{16}", seen.id)
    assert 0 <= seen.seconds < 1
    assert seen.facts == {
        "method": "GET",
        "url": "/things/7",
        "status": 404,
        "error": True,
        "route": "/things/{number}",
        "request_id": "abcdefgh",
        "runtime": "local",
        "version": "dev",
    }


@pytest.mark.parametrize(
    ("status", "flags"),
    [(200, set()), (302, set()), (400, {"error"}), (429, {"error", "throttle"}), (500, {"fault"}), (503, {"fault"})],
)
def test_flags_follow_the_status(watched: Watched, made: Tracing, status: int, flags: set[str]) -> None:
    with made.start_request("", "GET", "/") as request:
        request.answered(status, route="/", request_id="r")
    assert {"error", "fault", "throttle"} & watched.read()[0].facts.keys() == flags


def test_spans_are_within_the_one_that_is_open(watched: Watched, made: Tracing) -> None:
    with made.start_request(HEADER, "GET", "/"):
        with span("first"), span("inner", remote=True) as inner:
            inner.statement("select_thing")
            inner.annotate(rows=3, text="x", flag=False)
        with span("second"):
            pass
    assert tree(watched.read()) == {"tandem-test-things": [{"first": ["inner"]}, "second"]}
    assert watched.seen["inner"].remote
    assert not watched.seen["first"].remote
    assert watched.seen["inner"].facts == {"statement": "select_thing", "rows": 3, "text": "x", "flag": False}


def test_a_span_may_have_begun_earlier(watched: Watched, made: Tracing) -> None:
    with made.start_request("", "GET", "/"), span("pool", ago=0.25):
        pass
    assert 0.25 <= watched.seen["pool"].seconds < 0.5


def test_an_exception_passes_and_leaves_its_type_on_every_span_it_passes(watched: Watched, made: Tracing) -> None:
    with pytest.raises(KeyError), made.start_request("", "GET", "/"), span("within"):
        raise KeyError("somebody's secret")
    for seen in watched.read():
        assert (seen.facts["fault"], seen.facts["raised"]) == (True, "KeyError")
        assert "secret" not in repr(seen)


def test_the_first_exception_of_a_span_counts(watched: Watched, made: Tracing) -> None:
    with pytest.raises(ValueError, match="later"), made.start_request("", "GET", "/"):
        tracing.raised(KeyError("first"))
        raise ValueError("later")
    assert watched.read()[0].facts["raised"] == "KeyError"


def test_what_is_said_after_the_end_is_lost_and_a_second_end_does_nothing(watched: Watched, made: Tracing) -> None:
    with made.start_request("", "GET", "/"):
        with span("over") as over:
            over.annotate(before=1)
        over.annotate(after=1)
        over.asks("GET", "/")
        over.end()
    assert watched.seen["over"].facts == {"before": 1}
    assert len(watched.read()) == 2


async def test_a_span_that_outlives_its_request_is_sent_when_it_ends(watched: Watched, made: Tracing) -> None:
    over = asyncio.Event()

    async def late() -> None:
        with span("late"):
            await over.wait()
            with span("later"):
                pass

    with made.start_request(HEADER, "GET", "/"):
        task = asyncio.create_task(late())
        await asyncio.sleep(0)
    assert current_trace_id() == ""
    over.set()
    await task
    assert tree(watched.read()) == {"tandem-test-things": [{"late": ["later"]}]}


async def test_a_request_that_is_cancelled_ends_with_all_its_spans(watched: Watched, made: Tracing) -> None:
    async def serve() -> None:
        with made.start_request("", "GET", "/"), span("waiting"):
            await asyncio.sleep(60)

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert {seen.facts["raised"] for seen in watched.read()} == {"CancelledError"}
    assert len(watched.read()) == 2


async def test_tasks_keep_the_parent_that_was_open_where_they_were_started(watched: Watched, made: Tracing) -> None:
    async def leaf(number: int) -> None:
        with span(f"leaf {number}"):
            await asyncio.sleep(0.001 * (5 - number))

    with made.start_request("", "GET", "/"), span("both"):
        await asyncio.gather(leaf(1), leaf(2), leaf(3))
    both = watched.seen["both"]
    assert {watched.seen[f"leaf {number}"].parent for number in (1, 2, 3)} == {both.id}


# --- what travels -----------------------------------------------------------------------------------------------------


def test_a_call_is_told_the_trace_the_open_span_and_the_decision(watched: Watched, made: Tracing) -> None:
    assert inject() == ""
    with made.start_request(HEADER, "GET", "/"):
        of_request = inject()
        with span("call"):
            of_call = inject()
    assert of_request == f"Root={ROOT};Parent={watched.seen['tandem-test-things'].id};Sampled=1"
    assert of_call == f"Root={ROOT};Parent={watched.seen['call'].id};Sampled=1"
    assert inject() == ""


@pytest.mark.parametrize("header", ["", "Root=1-2-3", f"Root={ROOT};Parent=x;Sampled=1", "\ud800"])
def test_without_a_header_or_with_a_malformed_one_a_new_trace_begins(header: str, made: Tracing) -> None:
    with made.start_request(header, "GET", "/"):
        assert re.fullmatch(r"1-[0-9a-f]{8}-[0-9a-f]{24}", current_trace_id())
        assert current_trace_id() != ROOT
    assert current_trace_id() == ""


def test_what_is_not_kept_costs_no_span_and_still_travels(watched: Watched) -> None:
    unkept = traced(watched.backend, rules='[{"rate":0}]')
    with unkept.start_request(f"Root={ROOT}", "GET", "/") as request:
        assert current_trace_id() == ROOT
        assert not recording()
        with span("nothing", remote=True) as nothing:
            assert nothing is SILENT
            nothing.annotate(x=1)
            assert inject() == f"Root={ROOT};Parent={ROOT[-16:]};Sampled=0"
        request.answered(500, route="/", request_id="r")
    with unkept.start_request(f"Root={ROOT};Parent={CALLER}", "GET", "/"):
        assert inject() == f"Root={ROOT};Parent={CALLER};Sampled=0", "the caller stays the parent"
    assert watched.read() == []


def test_without_a_backend_the_callers_decision_travels_on() -> None:
    with traced(None).start_request(HEADER, "GET", "/"):
        assert not recording()
        assert inject() == HEADER


# --- who decides ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "rules", "kept"),
    [
        (f"Root={ROOT}", '[{"rate":1}]', True),
        (f"Root={ROOT}", '[{"rate":0}]', False),
        (f"Root={ROOT};Sampled=?", '[{"rate":1}]', True),
        (f"Root={ROOT};Sampled=0", '[{"rate":1}]', False),
        (f"Root={ROOT};Sampled=1", '[{"rate":0}]', True),
        ("Root=forged;Sampled=1", '[{"rate":0}]', False),
    ],
)
def test_the_decision_of_a_caller_holds_and_rules_decide_where_there_is_none(
    watched: Watched, header: str, rules: str, kept: bool
) -> None:
    with traced(watched.backend, rules=rules).start_request(header, "GET", "/"):
        assert recording() == kept


def test_a_stranger_who_wants_to_be_traced_is_only_up_to_a_bound(watched: Watched) -> None:
    """Anybody can send Sampled=1. The second may change meanwhile, so there are up to two reservoirs."""
    guarded = traced(watched.backend, rules='[{"rate":0}]')
    for _ in range(HONOURED * 5):
        with guarded.start_request(HEADER, "GET", "/"):
            pass
    assert HONOURED <= len(watched.read()) <= HONOURED * 2


def test_above_the_bound_the_rules_decide(watched: Watched) -> None:
    keeping = traced(watched.backend, rules='[{"rate":1}]')
    for _ in range(HONOURED * 3):
        with keeping.start_request(HEADER, "GET", "/"):
            assert recording()


# --- background work --------------------------------------------------------------------------------------------------


def test_work_that_found_something_to_do_is_a_trace_of_its_own(watched: Watched, made: Tracing) -> None:
    with made.start_work("sweeper") as work:
        with span("statement"):
            pass
        work.worthwhile = True
    assert tree(watched.read()) == {"tandem-test-things-background": ["statement"]}
    assert watched.seen["tandem-test-things-background"].facts["step"] == "sweeper"
    assert watched.seen["tandem-test-things-background"].parent == ""
    assert current_trace_id() == ""


def test_work_that_found_nothing_leaves_nothing(watched: Watched, made: Tracing) -> None:
    with made.start_work("sweeper"), span("statement"):
        pass
    assert watched.read() == []


def test_work_that_asks_another_service_or_fails_is_kept(watched: Watched, made: Tracing) -> None:
    with made.start_work("asking"):
        assert inject().endswith(";Sampled=1")
    with made.start_work("failing") as work:
        work.failed(KeyError())
    with pytest.raises(OSError, match="loud"), made.start_work("raising"):
        raise OSError("loud")
    assert [seen.facts["step"] for seen in watched.read()] == ["asking", "failing", "raising"]
    assert [seen.facts.get("raised") for seen in watched.read()] == [None, "KeyError", "OSError"]


# --- under Lambda -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampled", [0, 1])
def test_what_lambda_says_stands_over_the_header_of_the_request(watched: Watched, made: Tracing, sampled: int) -> None:
    above = ROOT[:-1] + "9"
    token = tracing.surroundings.set(f"Root={above};Parent={CALLER};Sampled={sampled}")
    try:
        with made.start_request(HEADER, "GET", "/"):
            assert (current_trace_id(), recording()) == (above, bool(sampled))
        with made.start_work("step") as work:
            assert (current_trace_id(), recording()) == (above, bool(sampled))
            work.worthwhile = True
    finally:
        tracing.surroundings.reset(token)
    assert {(seen.trace_id, seen.parent) for seen in watched.read()} == ({(above, CALLER)} if sampled else set())
