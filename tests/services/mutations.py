"""Events of a load balancer, damaged: by what a client can send, and by what nobody should ever send."""

import copy
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from tests.services.alb_events import Event

Mutation = Callable[[Random, Event], Any]

JUNK: Sequence[Any] = (
    *(None, True, False, 0, -1, 2**70, 1.5, "", " ", "x", "null", "é", "\ud800", "\0", "a\r\nb", "%", "%00", "%zz"),
    *([], {}, [None], [[]], [1, "x"], {"": ""}, {"a": None}, {"a": {"b": []}}, {"a": ["b"]}, {"a": "b"}),
    *("x" * 5000, ["x"] * 200, {str(number): str(number) for number in range(100)}),
)
FOREIGN: Sequence[Any] = (
    *(None, [], "", 0, {}, {"run": "backgrounds"}, {"Records": [{"EventSource": "aws:sns", "Sns": {}}]}),
    {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}, "headers": {}},
    {"httpMethod": "GET", "path": "/", "resource": "/", "requestContext": {"stage": "x"}, "multiValueHeaders": None},
    {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}},
)
# What the internet sends, by header.
HEADERS: Mapping[str, Sequence[str]] = {
    "host": ("", "[::1]:8080", "a:b:c", "a b", "é", "x" * 9000, "%00", "localhost:99999999"),
    "content-length": ("", "-1", "5, 5", "9" * 40, "0x10", "65537", "٠"),
    "content-type": ("", "text/csv", "application/json;;", "multipart/form-data", "é/é", "*/*"),
    "x-forwarded-for": ("", ",", "a, b, c", "::1", "é", "1.1.1.1," * 99),
    "x-request-id": ("", "short", "a" * 65, "good-id-1", "é" * 10),
    "x-deadline-ms": ("0", "-5", "x", "1e9", "99999999", "1"),
    "authorization": ("", "Bearer", "Bearer ....", "Tandem a.b.c.d", "Basic YTpi", "Bearer é"),
    "if-none-match": ("*", '"1"', 'W/"', "é"),
    "if-match": ("*", '"1"', '"x"', '"1", "2"', "é"),
    "idempotency-key": ("", "a" * 256, "a b", "é"),
    "cookie": ("a=b; a=é", "=;=" * 900),
    "transfer-encoding": ("chunked",),
    "expect": ("100-continue",),
    "cloudfront-viewer-address": ("1.2.3.4:1", "::", "é", ":" * 99),
    "x-amzn-trace-id": ("", "Root=", "x" * 3000),
    "bad name": ("x",),
    "é": ("x",),
    "": ("x",),
}
PATHS = (
    *("", "/", "//", "*", "/../..", "/%2e%2e/%2f", "/%00", "/%ff%fe", "/é", "/a b", "/?", "/#", "no-slash"),
    *("/products/9999999999999999999999", "/products/-1", "/products/1/", "/orders/x", "/products/%F0%9F%92%A9"),
    *("/products/stock/../1", "/products/1;x", "/api/products/1%2F..%2F2", "/docs", "/" + "a/" * 300, "/" + "x" * 9000),
)
METHODS = ("", "get", "GET ", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "DELETE", "PATCH", "X" * 99, "G\nET")
VALUES = (
    *("", "+", "%", "%zz", "%00", "é", "\ud800", "-1", "1e309", "9" * 400, "a&b=c", "#", "\n", "true", "[]"),
    "x" * 5000,
)
BODIES = (
    *("", "{", "[]", "null", "{}", "NaN", '{"a":1,"a":2}', "\ud800", "\0", "é", "[" * 3000, '{"x":' * 500, "9" * 5000),
    *('{"lines":[]}', '{"lines":[{"product_id":1,"qty":-1}]}', '{"lines":null}', '{"name":"\\ud800"}', "a,b\n1"),
    *("x" * 70_000, "AAAA", "AAA", "A===", "////"),
)


def mutated(random: Random, event: Event) -> Any:
    """The event with one to three mutations. The same seed gives the same one."""
    found: Any = copy.deepcopy(event)
    for _ in range(random.choice((1, 2, 2, 3))):
        if isinstance(found, dict):
            found = random.choice(MUTATIONS)(random, found)
    return found


def _replace_member(random: Random, event: Event) -> Event:
    if event:
        event[random.choice(list(event))] = copy.deepcopy(random.choice(JUNK))
    return event


def _drop_member(random: Random, event: Event) -> Event:
    event.pop(random.choice(list(event)), None) if event else None
    return event


def _rename_member(random: Random, event: Event) -> Event:
    if event:
        name = random.choice(list(event))
        event[random.choice((name.lower(), name + "s", "headers", "multiValueHeaders", ""))] = event.pop(name)
    return event


def _replace_within(random: Random, event: Event) -> Event:
    """One value at some depth, such as one header's list."""
    inner: Any = event
    while isinstance(inner, dict | list) and inner:
        key = random.choice(list(inner)) if isinstance(inner, dict) else random.randrange(len(inner))
        if not isinstance(inner[key], dict | list) or not inner[key] or random.random() < 0.3:
            inner[key] = copy.deepcopy(random.choice(JUNK))
            break
        inner = inner[key]
    return event


def _set_header(random: Random, event: Event) -> Event:
    name = random.choice(list(HEADERS))
    value = random.choice(HEADERS[name])
    if isinstance(event.get("multiValueHeaders"), dict):
        event["multiValueHeaders"][name] = random.choice(([value], [value, value], []))
    elif isinstance(event.get("headers"), dict):
        event["headers"][name] = value
    return event


def _many_headers(random: Random, event: Event) -> Event:
    lists = isinstance(event.get("multiValueHeaders"), dict)
    headers = event.get("multiValueHeaders" if lists else "headers")
    if isinstance(headers, dict):
        value = "x" * random.choice((1, 200, 3000))
        headers |= {f"x-{number}": [value] if lists else value for number in range(random.choice((10, 60, 90)))}
    return event


def _set_query(random: Random, event: Event) -> Event:
    name, value = random.choice(("q", "limit", "cursor", "sort", "min_price", "é", "", "a&b")), random.choice(VALUES)
    if isinstance(event.get("multiValueQueryStringParameters"), dict):
        event["multiValueQueryStringParameters"][name] = random.choice(([value], [value, "1"], []))
    elif isinstance(event.get("queryStringParameters"), dict):
        event["queryStringParameters"][name] = value
    return event


def _set(name: str, values: Sequence[Any]) -> Mutation:
    def change(random: Random, event: Event) -> Event:
        return {**event, name: random.choice(values)}

    return change


MUTATIONS: Sequence[Mutation] = (
    _replace_member,
    _drop_member,
    _rename_member,
    _replace_member,
    _drop_member,
    _replace_within,
    _replace_within,
    _replace_within,
    _set_header,
    _set_header,
    _many_headers,
    _set_query,
    _set("path", PATHS),
    _set("httpMethod", METHODS),
    _set("body", BODIES),
    _set("isBase64Encoded", (True, False, True, None, "true", 1)),
    lambda random, _: copy.deepcopy(random.choice(FOREIGN)),
)
