"""Events as an Application Load Balancer makes them, and what it takes for an answer.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

Event = dict[str, Any]

LIMIT = 1024 * 1024  # bytes of the whole answer
GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/tandem/0123456789abcdef"
HEADERS = (
    ("host", "shop.example.com"),
    ("user-agent", "test"),
    ("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678"),
    ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
    ("x-forwarded-port", "443"),
    ("x-forwarded-proto", "https"),
)


def event(
    method: str = "GET",
    target: str = "/",
    *,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    multi: bool = True,
) -> Event:
    """What a request becomes, in either header mode: path and query as sent, the body in base64 unless it is text."""
    path, _, query = target.partition("?")
    pairs = [(key, value) for key, _, value in (pair.partition("=") for pair in query.split("&") if pair)]
    sent = {**dict(HEADERS), **dict(headers)}
    plain = not body or (sent.get("content-type", "").startswith(("text/", "application/json")))
    return {
        "requestContext": {"elb": {"targetGroupArn": GROUP}},
        "httpMethod": method,
        "path": path,
        **_named("queryStringParameters", pairs, multi=multi),
        **_named("headers", [*HEADERS, *headers], multi=multi),
        "body": body.decode() if plain else base64.b64encode(body).decode(),
        "isBase64Encoded": not plain,
    }


def health_check(path: str = "/healthz", *, multi: bool = True) -> Event:
    """As the load balancer asks by itself: without a Host."""
    return {
        **event("GET", path, multi=multi),
        **_named("headers", [("user-agent", "ELB-HealthChecker/2.0")], multi=multi),
    }


def _named(name: str, pairs: Sequence[tuple[str, str]], *, multi: bool) -> Event:
    if not multi:
        return {name: dict(pairs)}
    lists: dict[str, list[str]] = {}
    for key, value in pairs:
        lists.setdefault(key, []).append(value)
    return {f"multiValue{name[0].upper()}{name[1:]}": lists}


def flaws(answer: Any, *, multi: bool | None = None) -> list[str]:
    """Why the load balancer would answer 502 instead; nothing, when it would not. `multi` is the mode it wants."""
    if not isinstance(answer, dict):
        return ["it is no object"]
    found = [f"{key} is nothing it knows" for key in answer.keys() - KNOWN]
    status = answer.get("statusCode")
    if type(status) is not int or not 100 <= status <= 599:
        found.append(f"the status is {status!r}")
    if ("headers" in answer) == ("multiValueHeaders" in answer):
        found.append("it has both forms of headers, or neither")
    if multi is not None and ("multiValueHeaders" in answer) is not multi:
        found.append("its headers have the other form")
    found += _header_flaws(answer)
    if not isinstance(answer.get("isBase64Encoded"), bool) or not isinstance(answer.get("body"), str):
        found.append("the body is no text, or does not say whether it is base64")
    elif answer["isBase64Encoded"]:
        base64.b64decode(answer["body"], validate=True)
    size = len(json.dumps(answer, allow_nan=False))  # escaped, as the older runtimes write it: the longer form
    if size > LIMIT:
        found.append(f"it has {size} bytes")
    return found


KNOWN = {"statusCode", "statusDescription", "headers", "multiValueHeaders", "body", "isBase64Encoded"}


def _header_flaws(answer: Mapping[str, Any]) -> list[str]:
    single, multi = answer.get("headers", {}), answer.get("multiValueHeaders", {})
    if not isinstance(single, dict) or not isinstance(multi, dict):
        return ["its headers are no object"]
    wrong = [name for name, value in single.items() if not isinstance(value, str)]
    for name, values in multi.items():
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            wrong.append(name)
    lines = [*single.items(), *((name, value) for name, values in multi.items() for value in values)]
    wrong += [name for name, value in lines if not name or any(sign in name + str(value) for sign in "\r\n\0")]
    return [f"header {name!r} is malformed" for name in wrong]


def body_of(answer: Mapping[str, Any]) -> bytes:
    text: str = answer["body"]
    return base64.b64decode(text) if answer["isBase64Encoded"] else text.encode()


def header(answer: Mapping[str, Any], name: str) -> str | None:
    """The first value of a header, in whichever form; None without one."""
    if "multiValueHeaders" in answer:
        values: list[str] = answer["multiValueHeaders"].get(name, [])
        return values[0] if values else None
    value: str | None = answer["headers"].get(name)
    return value
