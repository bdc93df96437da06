"""Events of a load balancer become requests as uvicorn would have made them, and answers what it takes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from services.chassis import alb
from services.chassis.errors import InvalidRequest
from tests.services.alb_events import Event, body_of, event, flaws, header, health_check

MODES = pytest.mark.parametrize("multi", [True, False], ids=["lists", "single"])
NOTHING = [(b"content-type", b"application/json")]


@MODES
@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/", "/"),
        ("/products", "/products"),
        ("/products/a%2Fb%20c%C3%A9/100%25", "/products/a/b cé/100%"),
        ("/a+b//c/../d;x=1", "/a+b//c/../d;x=1"),
        ("/%zz%ff", "/%zz�"),
        ("*", "*"),
    ],
)
def test_a_path_is_decoded_once_and_kept_as_it_was_sent(raw: str, path: str, *, multi: bool) -> None:
    scope = alb.scope(event("GET", raw, multi=multi))
    assert (scope["raw_path"], scope["path"]) == (raw.encode(), path)


@pytest.mark.parametrize("query", ["a=1&a=2", "q=caf%C3%A9+x&q=1%2B1", "empty=&also=", "%26=%3D&a=b=c", "x=%zz&y=/?:@"])
def test_a_query_arrives_as_it_was_sent(query: str) -> None:
    assert alb.scope(event("GET", f"/?{query}"))["query_string"].decode() == query


def test_a_load_balancer_without_lists_leaves_the_last_of_repeated_keys() -> None:
    assert alb.scope(event("GET", "/?a=1&b=2&a=3", multi=False))["query_string"] == b"a=3&b=2"


def test_what_cannot_stand_in_a_query_is_encoded() -> None:
    given = event() | {"multiValueQueryStringParameters": {"ä b": ["1&x=2#", "é\n"], "k=": [""]}}
    assert alb.scope(given)["query_string"] == b"%C3%A4%20b=1%26x=2%23&%C3%A4%20b=%C3%A9%0A&k%3D="


@pytest.mark.parametrize("parameters", [{}, None])
@pytest.mark.parametrize("name", ["queryStringParameters", "multiValueQueryStringParameters"])
def test_no_query_is_an_empty_one(name: str, parameters: Any) -> None:
    given = {key: value for key, value in event().items() if "Query" not in key} | {name: parameters}
    assert alb.scope(given)["query_string"] == b""


@MODES
def test_headers_are_lower_case_bytes_and_keep_their_order(*, multi: bool) -> None:
    headers = alb.scope(event(headers=[("X-One", "1"), ("accept", "a, b"), ("x-utf", "é\t")], multi=multi))["headers"]
    assert headers[0] == (b"host", b"shop.example.com")
    assert headers[-3:] == [(b"x-one", b"1"), (b"accept", b"a, b"), (b"x-utf", "é\t".encode())]


def test_repeated_headers_stay_repeated() -> None:
    headers = alb.scope(event(headers=[("cookie", "a=1"), ("cookie", "b=2")]))["headers"]
    assert [value for name, value in headers if name == b"cookie"] == [b"a=1", b"b=2"]


@MODES
def test_a_health_check_gets_the_one_host_that_it_does_not_bring(*, multi: bool) -> None:
    names = [name for name, _ in alb.scope(health_check(multi=multi))["headers"]]
    assert names.count(b"host") == 1


@pytest.mark.parametrize("host", ["[::1]:8080", "a:b:c", "", ":", "x" * 300])
def test_an_odd_host_is_for_the_app_to_judge(host: str) -> None:
    assert (b"host", host.encode()) in alb.scope(event(headers=[("host", host)], multi=False))["headers"]


def test_nothing_is_taken_from_forwarded_headers() -> None:
    scope = alb.scope(event())
    assert (scope["client"], scope["server"], scope["scheme"]) == (None, None, "http")


@pytest.mark.parametrize(
    ("changed", "body"),
    [
        ({"body": "", "isBase64Encoded": False}, b""),
        ({"body": None, "isBase64Encoded": False}, b""),
        ({"body": "é{}", "isBase64Encoded": False}, "é{}".encode()),
        ({"body": "AP8=", "isBase64Encoded": True}, b"\0\xff"),
    ],
)
def test_a_body_is_exact(changed: Event, body: bytes) -> None:
    assert alb.body(event() | changed) == body


@pytest.mark.parametrize(
    "changed",
    [
        {"body": "AP8", "isBase64Encoded": True},
        {"body": "AP 8=", "isBase64Encoded": True},
        {"body": "é", "isBase64Encoded": True},
        {"body": "\ud800", "isBase64Encoded": False},
        {"body": "x", "isBase64Encoded": None},
        {"body": "x", "isBase64Encoded": "true"},
        {"body": 5},
        {"body": {}},
    ],
)
def test_a_body_that_cannot_be_read_is_refused(changed: Event) -> None:
    with pytest.raises(InvalidRequest):
        alb.body(event() | changed)


FOREIGN: Sequence[Any] = [None, [], "", 7, {}, {"Records": [{"Sns": {}}]}, {"version": "2.0", "requestContext": {}}]
# What a member of an event with lists can be by mistake.
MISTAKES: Mapping[str, Sequence[Any]] = {
    "requestContext": [None, [], {}, "elb", {"http": {}}],
    "path": [None, "", "products", "/a b", "/é", "/a?b", "/a#b", "/\n", ["/"], 1],
    "httpMethod": [None, "", "get", "GET\n", "G T", 5, "X" * 40],
    "multiValueHeaders": [
        *[None, [], "x", {"a": "b"}, {"a": [1]}, {"a": None}],
        *({name: ["x"]} for name in ("", "a b", "é", "a:", "a\n")),
        *({"a": [text]} for text in ("a\r\nb", "\0", "\x7f", "\ud800")),
        *({"a": [None]}, {"a": [{}]}),
    ],
    "multiValueQueryStringParameters": [[], "a=1", {"a": "1"}, {"a": [1]}, {"a": ["\ud800"]}],
}
SINGLE: Sequence[Any] = [None, [], {"a": ["b"]}, {"a": None}]


@pytest.mark.parametrize(
    "given",
    [
        *FOREIGN,
        *(event() | {key: value} for key, values in MISTAKES.items() for value in values),
        *(event(multi=False) | {"headers": headers} for headers in SINGLE),
        {key: value for key, value in event().items() if "Headers" not in key},
    ],
    ids=repr,
)
def test_what_no_load_balancer_sends_is_refused(given: Any) -> None:
    with pytest.raises(InvalidRequest):
        alb.scope(given)


@MODES
def test_an_answer_has_the_header_form_of_its_event(*, multi: bool) -> None:
    answer = alb.answer(event(multi=multi), 201, [(b"Content-Type", b"text/plain"), (b"x-a", b"\xe9")], b"hello")
    assert flaws(answer, multi=multi) == []
    assert (answer["statusCode"], answer["body"], header(answer, "x-a")) == (201, "hello", "é")


@pytest.mark.parametrize(("given", "multi"), [({}, True), (None, True), ({"headers": None}, False), (event(), True)])
def test_an_event_that_names_no_form_gets_that_of_our_target_groups(given: Any, *, multi: bool) -> None:
    assert flaws(alb.answer(given, 400, [], b""), multi=multi) == []


def test_cookies_stay_apart_in_either_form() -> None:
    cookies = [(b"set-cookie", f"c{number}=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT".encode()) for number in range(9)]
    lists = alb.answer(event(), 200, cookies, b"")["multiValueHeaders"]
    assert len(lists["set-cookie"]) == 9
    single = alb.answer(event(multi=False), 200, cookies, b"")["headers"]
    assert {name.lower() for name in single} == {"set-cookie"}
    assert list(single.values()) == [value.decode() for _, value in cookies]


def test_other_repeated_headers_become_one_list() -> None:
    vary = [(b"vary", b"accept"), (b"vary", b"origin")]
    assert alb.answer(event(multi=False), 200, vary, b"")["headers"] == {"vary": "accept, origin"}
    assert alb.answer(event(), 200, vary, b"")["multiValueHeaders"] == {"vary": ["accept", "origin"]}


def test_what_belongs_to_one_connection_is_left_out_and_no_line_can_be_forged() -> None:
    headers = [(b"Connection", b"close"), (b"transfer-encoding", b"chunked"), (b"x-a", b"1\r\nset-cookie: a=b")]
    assert alb.answer(event(), 200, headers, b"")["multiValueHeaders"] == {"x-a": ["1  set-cookie: a=b"]}


@pytest.mark.parametrize(
    ("media_type", "body", "encoded"),
    [
        ("application/problem+json", '{"title": "é"}'.encode(), False),
        ("application/json; charset=utf-8", b"{}", False),
        ("text/csv; charset=utf-8", b"a,b\r\n", False),
        ("text/html", b"\xff", True),
        ("image/png", b"\x89PNG", True),
        ("image/svg+xml", b"<svg/>", True),
        ("", b"x", True),
        ("image/png", b"", False),
    ],
)
def test_text_is_sent_as_text_and_the_rest_in_base64(media_type: str, body: bytes, *, encoded: bool) -> None:
    answer = alb.answer(event(), 200, [(b"content-type", media_type.encode())], body)
    assert (answer["isBase64Encoded"], body_of(answer)) == (encoded, body)
    assert flaws(answer) == []


def test_compressed_text_is_no_text() -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-encoding", b"br")]
    assert alb.answer(event(), 200, headers, b"ascii by chance")["isBase64Encoded"]


@pytest.mark.parametrize(
    ("media_type", "unit", "escaped"),
    [(b"text/plain", "x", True), (b"text/plain", "é", True), (b"text/plain", "é", False), (b"image/png", "\0", True)],
)
def test_an_answer_may_be_as_large_as_the_load_balancer_takes(media_type: bytes, unit: str, *, escaped: bool) -> None:
    """The limit is on the JSON, which is longer than the body by base64, or by what the runtime escapes."""
    headers = [(b"content-type", media_type)]

    def size(count: int) -> int:
        answer = alb.answer(event(), 200, headers, (unit * count).encode(), escaped=escaped)
        return len(json.dumps(answer, ensure_ascii=escaped).encode())

    each = (size(6003) - size(3)) / 6000
    most = int((alb.MAX_ANSWER - size(3)) / each)
    assert alb.MAX_ANSWER - 20 < size(most) <= alb.MAX_ANSWER
    with pytest.raises(alb.AnswerTooLarge) as refused:
        size(most + 6)
    assert (refused.value.status, refused.value.retry_after) == (503, 60)
