"""The trace header: what load balancers, Lambda and strangers send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.chassis.trace_header import Arrived, new_trace_id, parse, written
from services.chassis.xray import without_recorder
from tests.services.traces import CALLER, HEADER, ROOT

SELF = "1-67891234-12456789abcdef012345678a"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"Root={ROOT}", Arrived(ROOT, "", None)),
        (f"Self={SELF};Root={ROOT}", Arrived(ROOT, "", None)),
        (HEADER, Arrived(ROOT, CALLER, True)),
        (f"Self={SELF};{HEADER}", Arrived(ROOT, CALLER, True)),
        (f"Root={ROOT};Parent={CALLER};Sampled=0", Arrived(ROOT, CALLER, False)),
        (f"Root={ROOT};Parent={CALLER};Sampled=?", Arrived(ROOT, CALLER, None)),
        (f"Root={ROOT};Parent={CALLER}", Arrived(ROOT, CALLER, None)),
        (f"Sampled=1;Parent={CALLER};Root={ROOT}", Arrived(ROOT, CALLER, True)),
        (f"Root={ROOT};Sampled=0;Self={SELF}", Arrived(ROOT, "", False)),
        (f"Root={ROOT};CalledFrom=app;Lineage=a:0|b:1", Arrived(ROOT, "", None)),
        (f"Root={ROOT};Parent={CALLER};Sampled=1;Lineage=1:d3f4a5b6:0", Arrived(ROOT, CALLER, True)),
    ],
)
def test_what_is_well_formed_is_read_as_the_sdk_reads_it(header: str, expected: Arrived) -> None:
    assert parse(header) == expected
    without_recorder()
    from aws_xray_sdk.core.models.trace_header import TraceHeader  # noqa: PLC0415

    theirs = TraceHeader.from_header_str(header)
    sampled = {1: True, 0: False}.get(theirs.sampled)
    assert (theirs.root, theirs.parent or "", sampled) == expected


def test_a_space_after_a_semicolon_is_no_part_of_a_name() -> None:
    assert parse(f"Root={ROOT}; Parent={CALLER}; Sampled=1") == Arrived(ROOT, CALLER, True)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        "Root=",
        f"Root={ROOT[:-1]}",
        f"Root={ROOT}0",
        f"Root={ROOT.upper()}",
        f"Root=2{ROOT[1:]}",
        f"Root={ROOT}\n",
        f"root={ROOT}",
        f"Parent={CALLER};Sampled=1",
        f"Root={ROOT};Parent=;Sampled=1",
        f"Root={ROOT};Parent={CALLER}0;Sampled=1",
        f"Root={ROOT};Parent={CALLER};Sampled=2",
        f"Root={ROOT};Parent={CALLER};Sampled=11",
        f"Root={ROOT};Parent={CALLER};Sampled=\u0661",
        f"Root={ROOT};{'x' * 600}=1",
    ],
)
def test_what_is_malformed_is_no_header(header: str) -> None:
    assert parse(header) is None


@given(st.text() | st.text(alphabet="RootParentSampledSelf=;01? -abcdef").map(lambda text: f"Root={ROOT};{text}"))
def test_whatever_comes_nothing_is_raised_and_only_hexadecimal_digits_are_taken(header: str) -> None:
    found = parse(header)
    if found is not None:
        assert set(found.trace_id + found.parent) <= set("0123456789abcdef-")


def test_what_is_sent_is_read_again() -> None:
    trace_id = new_trace_id()
    assert trace_id != new_trace_id()
    for sampled in (True, False):
        assert parse(written(trace_id, CALLER, sampled=sampled)) == Arrived(trace_id, CALLER, sampled)
