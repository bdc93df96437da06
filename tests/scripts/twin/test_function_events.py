"""The event that a function gets and the answer it gives, form by form.

All of it is from "Use Lambda functions as targets of an Application Load Balancer" unless a test says otherwise.
"""

import base64
import json
from typing import Any

import pytest
from multidict import CIMultiDict

from scripts.twin.deployment.values import HealthCheck, TargetGroup
from scripts.twin.load_balancer.answers import ANSWER_LIMIT, BadAnswer, parsed
from scripts.twin.load_balancer.events import event, health_event

ARN = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/g/0123456789abcdef"


def group(*, multi: bool) -> TargetGroup:
    attributes = {"lambda.multi_value_headers.enabled": "true" if multi else "false"}
    return TargetGroup(arn=ARN, name="g", kind="lambda", attributes=attributes, health=HealthCheck(path="/up"))


def made(
    *, multi: bool = True, query: str = "", headers: Any = (), body: bytes = b"", path: str = "/"
) -> dict[str, Any]:
    return event(group(multi=multi), method="POST", path=path, query=query, headers=CIMultiDict(headers), body=body)


# --- events ---------------------------------------------------------------------------------------------------------


def test_an_event_has_the_documented_members_in_the_default_form() -> None:
    headers = [("Cookie", "name1=value1"), ("Cookie", "name2=value2"), ("X-Forwarded-Port", "80")]
    assert made(multi=False, path="/a%2Fb", query="&myKey=val1&myKey=val2", headers=headers) == {
        "requestContext": {"elb": {"targetGroupArn": ARN}},
        "httpMethod": "POST",
        "path": "/a%2Fb",
        "queryStringParameters": {"myKey": "val2"},
        "headers": {"cookie": "name2=value2", "x-forwarded-port": "80"},
        "body": "",
        "isBase64Encoded": False,
    }


def test_an_event_has_arrays_with_multi_value_headers() -> None:
    headers = [("Cookie", "name1=value1"), ("cookie", "name2=value2")]
    assert made(query="&myKey=val1&myKey=val2&other", headers=headers) == {
        "requestContext": {"elb": {"targetGroupArn": ARN}},
        "httpMethod": "POST",
        "path": "/",
        "multiValueQueryStringParameters": {"myKey": ["val1", "val2"], "other": [""]},
        "multiValueHeaders": {"cookie": ["name1=value1", "name2=value2"]},
        "body": "",
        "isBase64Encoded": False,
    }


def test_query_parameters_are_not_decoded() -> None:
    assert made(query="q=%C3%A4+b&a%20b=1")["multiValueQueryStringParameters"] == {"q": ["%C3%A4+b"], "a%20b": ["1"]}


@pytest.mark.parametrize(
    ("headers", "encoded"),
    [
        ({"Content-Type": "text/plain"}, False),
        ({"Content-Type": "text/csv; charset=utf-8"}, False),
        ({"Content-Type": "application/json"}, False),
        ({"Content-Type": "Application/JSON; charset=utf-8"}, False),
        ({"Content-Type": "application/javascript"}, False),
        ({"Content-Type": "application/xml"}, False),
        ({"Content-Type": "application/problem+json"}, True),
        ({"Content-Type": "multipart/form-data; boundary=x"}, True),
        ({"Content-Type": "application/octet-stream"}, True),
        ({}, True),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, True),
    ],
)
def test_a_body_is_base64_when_it_is_compressed_or_not_of_a_few_types(headers: dict[str, str], encoded: bool) -> None:
    sent = made(headers=headers, body=b'{"a": 1}')
    assert sent["isBase64Encoded"] is encoded
    assert sent["body"] == (base64.b64encode(b'{"a": 1}').decode() if encoded else '{"a": 1}')


def test_bytes_arrive_as_they_were_in_base64() -> None:
    body = bytes(range(256))
    assert base64.b64decode(made(body=body)["body"]) == body


@pytest.mark.parametrize("multi", [True, False])
def test_a_health_check_has_one_header_and_no_host(multi: bool) -> None:
    sent = health_event(group(multi=multi))
    form = {"multiValueHeaders": {"user-agent": ["ELB-HealthChecker/2.0"]}, "multiValueQueryStringParameters": {}}
    plain = {"headers": {"user-agent": "ELB-HealthChecker/2.0"}, "queryStringParameters": {}}
    common = {"httpMethod": "GET", "path": "/up", "body": "", "isBase64Encoded": False}
    assert sent == {"requestContext": {"elb": {"targetGroupArn": ARN}}, **common, **(form if multi else plain)}


# --- answers --------------------------------------------------------------------------------------------------------


def given(*, multi: bool = True, **members: Any) -> Any:
    return parsed(json.dumps(members).encode(), multi_value=multi)


def test_an_answer_in_each_form_becomes_status_headers_and_body() -> None:
    cookies = {"Set-Cookie": ["a=1", "b=2"], "Content-Type": ["text/plain"]}
    many = given(statusCode=201, statusDescription="201 Created", multiValueHeaders=cookies, body="grüezi")
    assert many.status == 201
    assert many.headers == [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"), (b"content-type", b"text/plain")]
    assert many.body == "grüezi".encode()
    one = given(multi=False, statusCode=200, headers={"Content-Type": "image/png"}, body="AAEC", isBase64Encoded=True)
    assert (one.headers, one.body) == ([(b"content-type", b"image/png")], b"\x00\x01\x02")


def test_the_body_may_be_left_out() -> None:
    assert given(statusCode=204).body == b""
    assert given(statusCode=204, body=None).body == b""


def test_headers_of_one_hop_are_not_honoured_and_the_length_is_computed() -> None:
    headers = {"Connection": ["close"], "Transfer-Encoding": ["chunked"], "Content-Length": ["7"], "X-Kept": ["1"]}
    answer = given(statusCode=200, multiValueHeaders=headers, body="abc")
    assert answer.headers == [(b"x-kept", b"1")]


@pytest.mark.parametrize(
    ("what", "payload"),
    [
        ("no JSON", b"hello"),
        ("no object", b'["statusCode", 200]'),
        ("null", b"null"),
        ("no status", b"{}"),
        ("status is text", b'{"statusCode": "200"}'),
        ("status is true", b'{"statusCode": true}'),
        ("no such status", b'{"statusCode": 999}'),
        ("an interim status", b'{"statusCode": 100}'),
        ("description is no text", b'{"statusCode": 200, "statusDescription": 200}'),
        ("body is no text", b'{"statusCode": 200, "body": {"a": 1}}'),
        ("flag is no boolean", b'{"statusCode": 200, "body": "", "isBase64Encoded": "no"}'),
        ("no Base64", b'{"statusCode": 200, "body": "%%%", "isBase64Encoded": true}'),
        ("headers are a list", b'{"statusCode": 200, "multiValueHeaders": [["a", "b"]]}'),
        ("values are no list", b'{"statusCode": 200, "multiValueHeaders": {"a": "b"}}'),
        ("a value is a number", b'{"statusCode": 200, "multiValueHeaders": {"a": [1]}}'),
        ("a line break", b'{"statusCode": 200, "multiValueHeaders": {"a": ["b\\r\\nc: d"]}}'),
        ("a name with a space", b'{"statusCode": 200, "multiValueHeaders": {"a b": ["c"]}}'),
        ("letters that no header has", '{"statusCode": 200, "multiValueHeaders": {"a": ["\u2603"]}}'.encode()),
    ],
)
def test_an_answer_that_is_not_of_the_documented_form_is_none(what: str, payload: bytes) -> None:
    """ "HTTP 502" in "Troubleshoot …": the target response is malformed or contains HTTP headers that are not valid."""
    with pytest.raises(BadAnswer):
        parsed(payload, multi_value=True)
    assert what


@pytest.mark.parametrize("multi", [True, False])
def test_headers_in_the_form_that_the_group_did_not_ask_for_are_refused(multi: bool) -> None:
    """ "You must use multiValueHeaders if you have enabled multi-value headers and headers otherwise."""
    wrong: dict[str, Any] = {"headers": {"a": "b"}} if multi else {"multiValueHeaders": {"a": ["b"]}}
    with pytest.raises(BadAnswer, match="the target group wants"):
        given(multi=multi, statusCode=200, **wrong)


def test_the_whole_json_counts_towards_the_limit_of_an_answer() -> None:
    """ "The maximum size of the response JSON that the Lambda function can send is 1 MB": Base64 counts."""
    envelope = len(json.dumps({"statusCode": 200, "body": ""}))
    assert len(given(statusCode=200, body="x" * (ANSWER_LIMIT - envelope)).body) == ANSWER_LIMIT - envelope
    with pytest.raises(BadAnswer, match="1048577 bytes"):
        given(statusCode=200, body="x" * (ANSWER_LIMIT - envelope + 1))


def test_the_headers_of_an_answer_have_a_limit() -> None:
    """ "HTTP headers" in "Quotas for your Application Load Balancers": entire response header 32 K."""
    with pytest.raises(BadAnswer, match="32 K"):
        given(statusCode=200, multiValueHeaders={"a": ["x" * 16_000, "y" * 16_000, "z" * 16_000]})
