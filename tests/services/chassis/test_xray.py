"""X-Ray's documents, what is done about those that are too large, and what happens when nothing takes them."""

import errno
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from services.chassis.datagrams import LARGEST, SMALL, datagrams
from services.chassis.settings import Settings
from services.chassis.tracing import Span, Tracing, recording, span
from services.chassis.xray import LONGEST, TOGETHER, XRay
from services.chassis.xray import tracing as to_xray
from tests.services.traces import CALLER, HEADER, ROOT, Agent, agent, flat, traced


@pytest.fixture
def listening() -> Iterator[Agent]:
    with agent() as found:
        yield found


@pytest.fixture
def xray(listening: Agent) -> Iterator[XRay]:
    backend = XRay(listening.address)
    yield backend
    backend.close()


def begun(xray: XRay, parent_id: str = CALLER) -> Span:
    made = xray.begin("tandem-test-things", trace_id=ROOT, parent_id=parent_id)
    assert made is not None
    return made


def test_a_document_has_the_form_that_x_ray_takes(xray: XRay, listening: Agent) -> None:
    made = begun(xray)
    made.asks("GET", "/things")
    call = made.child("PostgreSQL", remote=True)
    call.statement("select_things")
    call.annotate(rows=2)
    call.end()
    made.annotate(request_id="abcdefgh")
    made.answered(500)
    made.end()
    (document,) = listening.documents
    (child,) = document.pop("subsegments")
    assert document.pop("start_time") <= child.pop("start_time") <= child.pop("end_time") <= document.pop("end_time")
    assert document == {
        "name": "tandem-test-things",
        "id": made.id,
        "trace_id": ROOT,
        "parent_id": CALLER,
        "http": {"request": {"method": "GET", "url": "/things"}, "response": {"status": 500}},
        "annotations": {"request_id": "abcdefgh"},
        "fault": True,
    }
    assert child == {
        "name": "PostgreSQL",
        "id": call.id,
        "namespace": "remote",
        "sql": {"database_type": "PostgreSQL", "sanitized_query": "select_things"},
        "annotations": {"statement": "select_things", "rows": 2},
    }


def test_the_first_span_of_a_trace_has_no_parent(xray: XRay, listening: Agent) -> None:
    begun(xray, parent_id="").end()
    assert "parent_id" not in listening.documents[0]


def test_under_lambda_the_first_span_is_a_subsegment_of_lambdas_own(listening: Agent) -> None:
    backend = XRay(listening.address, subsegments=True)
    made = begun(backend)
    made.child("inner").end()
    made.end()
    assert backend.begin("orphan", trace_id=ROOT, parent_id="") is None, "its segment would be refused"
    backend.close()
    (document,) = listening.documents
    assert (document["type"], document["trace_id"], document["parent_id"]) == ("subsegment", ROOT, CALLER)
    assert [child["name"] for child in document["subsegments"]] == ["inner"]


def test_of_an_exception_the_type_and_the_frames_are_kept(xray: XRay, listening: Agent) -> None:
    try:
        json.loads("a secret")
    except ValueError as error:
        made = begun(xray)
        made.raised(error)
        made.end()
    (exception,) = listening.documents[0]["cause"]["exceptions"]
    assert exception["type"] == "JSONDecodeError"
    assert exception["stack"][0]["path"] == "chassis/test_xray.py"
    assert exception["stack"][-1]["label"] == "raw_decode"
    assert "secret" not in json.dumps(exception)


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_of_two_thousand_spans_none_is_lost_and_no_datagram_is_too_large(xray: XRay, listening: Agent) -> None:
    with traced(xray).start_request(HEADER, "GET", "/"):
        for number in range(1000):
            with span(f"outer {number}") as outer:
                outer.annotate(text="x" * 200)
                with span("inner", remote=True) as inner:
                    inner.statement("select_thing")
            listening.drain()
    assert max(map(len, listening.datagrams)) <= LARGEST
    seen = listening.seen
    assert len(seen) == 2001
    assert {one.trace_id for one in seen} == {ROOT}
    outers = {one.id for one in seen if one.name.startswith("outer")}
    (root,) = (one for one in seen if one.name == "tandem-test-things")
    assert len(outers) == 1000
    assert {one.parent for one in seen if one.name == "inner"} == outers
    assert {one.parent for one in seen if one.id in outers} == {root.id}


def test_most_requests_are_one_datagram(xray: XRay, listening: Agent) -> None:
    with traced(xray).start_request(HEADER, "GET", "/"):
        for _ in range(TOGETHER):
            with span("statement"):
                pass
    assert len(listening.documents) == 1


def test_a_segment_that_is_too_large_leaves_in_pieces(xray: XRay, listening: Agent) -> None:
    made = begun(xray)
    for number in range(TOGETHER):
        child = made.child(f"child {number}")
        child.annotate(**{f"key_{key}": "x" * LONGEST for key in range(10)})
        child.end()
    made.end()
    documents = listening.documents
    assert len(documents) == 1 + TOGETHER
    assert max(map(len, listening.datagrams)) <= LARGEST
    assert {(one["type"], one["trace_id"], one["parent_id"]) for one in documents[:-1]} == {
        ("subsegment", ROOT, made.id)
    }
    assert "trimmed" not in str(documents)
    assert documents[-1]["id"] == made.id


def test_a_span_that_is_too_large_alone_loses_its_detail_and_says_so(xray: XRay, listening: Agent) -> None:
    made = begun(xray)
    made.asks("GET", "/things")
    made.annotate(**{f"key_{key}": "x" * LONGEST for key in range(400)})
    made.answered(429)
    made.end()
    (document,) = listening.documents
    assert document["annotations"] == {"trimmed": True}
    assert (document["id"], document["parent_id"], document["throttle"]) == (made.id, CALLER, True)
    assert "http" not in document


def test_long_values_are_cut(xray: XRay, listening: Agent) -> None:
    made = begun(xray)
    made.asks("GET", "/" + "x" * 5000)
    made.annotate(text="x" * 5000)
    made.end()
    (document,) = listening.documents
    assert len(document["http"]["request"]["url"]) == len(document["annotations"]["text"]) == LONGEST


def test_pieces_within_pieces_keep_their_parents() -> None:
    def document(number: int, *children: dict[str, Any]) -> dict[str, Any]:
        times = {"start_time": 1.0, "end_time": 2.0}
        within = {"subsegments": list(children)} if children else {}
        return {"id": f"{number:016x}", "name": "n", **times, "annotations": {"text": "x" * 300}, **within}

    whole = document(1, document(2, document(3), document(4)), document(5))
    before = {one.id: one.parent for one in flat(whole, trace_id=ROOT, parent=CALLER)}
    texts = list(datagrams({**whole, "trace_id": ROOT, "parent_id": CALLER}, 700))
    assert max(map(len, texts)) <= 700
    found = [one for text in texts for one in flat(json.loads(text.partition(b"\n")[2]))]
    assert {one.id: one.parent for one in found} == before


def test_a_system_that_sends_less_at_once_gets_less(
    xray: XRay, listening: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    xray.load()
    assert xray._sdk is not None
    send = xray._sdk._emitter._send_data

    def limited(text: str) -> None:
        if len(text) > 9_216:
            raise OSError(errno.EMSGSIZE, "Message too long")
        send(text)

    monkeypatch.setattr(xray._sdk._emitter, "_send_data", limited)
    made = begun(xray)
    for number in range(TOGETHER):
        child = made.child(f"child {number}")
        child.annotate(text="x" * LONGEST)
        child.end()
    made.end()
    assert len(listening.seen) == 1 + TOGETHER
    assert max(map(len, listening.datagrams)) <= SMALL


# --- nobody there -----------------------------------------------------------------------------------------------------


def settings(address: str) -> Settings:
    keys = {"k": bytes(32)}
    return Settings(service="things", session_keys=keys, service_keys=keys, trace_address=address)


def use(made: Tracing) -> bool:
    with made.start_request(HEADER, "GET", "/"), span("inner"):
        return recording()


async def test_an_agent_that_is_not_there_is_no_matter(caplog: pytest.LogCaptureFixture, unused_udp_port: int) -> None:
    made = to_xray(settings(f"127.0.0.1:{unused_udp_port}"))
    assert [use(made) for _ in range(3)] == [True] * 3
    await made.close()
    assert caplog.records == []


async def test_an_address_that_cannot_be_reached_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    made = to_xray(settings("256.0.0.1:2000"))
    for _ in range(3):
        use(made)
    await made.close()
    assert [record.message for record in caplog.records] == ["a trace could not be sent"]


async def test_an_address_that_is_none_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    made = to_xray(settings("nonsense"))
    with caplog.at_level(logging.ERROR):
        assert [use(made) for _ in range(3)] == [False] * 3
    await made.close()
    assert [record.message for record in caplog.records] == ["nothing will be traced"]


async def test_without_an_address_nothing_is_recorded_or_loaded() -> None:
    made = to_xray(settings(""))
    await made.load()
    assert not use(made)
    await made.close()


async def test_after_the_end_of_the_app_a_late_span_is_lost(listening: Agent) -> None:
    made = to_xray(settings(listening.address))
    with made.start_request(HEADER, "GET", "/"):
        await made.close()
    assert not use(made)
    assert listening.documents == []


def test_the_sdk_is_loaded_with_the_first_span_and_not_before() -> None:
    code = """
import sys
from services.chassis.xray import XRay
backend = XRay("127.0.0.1:9")
assert not {"aws_xray_sdk", "botocore", "wrapt"} & set(sys.modules)
assert backend.begin("x", trace_id="1-67891233-abcdef012345678912345678", parent_id="")
assert "aws_xray_sdk" in sys.modules
assert "botocore" not in sys.modules, "a second of a processor for a sampler that nobody uses"
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - ours
