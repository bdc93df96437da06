"""A request as the event that a function gets ("Use Lambda functions as targets of an Application Load Balancer")."""

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from multidict import CIMultiDict

from scripts.twin.deployment.values import TargetGroup

AS_IT_IS = re.compile(r"text/.*|application/(json|javascript|xml)")
Pairs = Iterable[tuple[str, str]]


def event(
    group: TargetGroup, *, method: str, path: str, query: str, headers: CIMultiDict[str], body: bytes
) -> dict[str, Any]:
    """Path and query stay encoded. With multi-value headers every value is kept, without them the last one."""
    text, encoded = packed(body, headers)
    pairs = [(name.lower(), value) for name, value in headers.items()]
    return {
        "requestContext": {"elb": {"targetGroupArn": group.arn}},
        "httpMethod": method,
        "path": path,
        **named("QueryStringParameters", parameters(query), multiple=group.multi_value_headers),
        **named("Headers", pairs, multiple=group.multi_value_headers),
        "body": text,
        "isBase64Encoded": encoded,
    }


def health_event(group: TargetGroup) -> dict[str, Any]:
    """A health check has no Host and one header."""
    headers = CIMultiDict({"User-Agent": "ELB-HealthChecker/2.0"})
    return event(group, method="GET", path=group.health.path, query="", headers=headers, body=b"")


def named(name: str, pairs: Pairs, *, multiple: bool) -> dict[str, Mapping[str, str | Sequence[str]]]:
    """`headers` or `multiValueHeaders`, and so for the query."""
    if not multiple:
        return {name[0].lower() + name[1:]: dict(pairs)}
    collected: dict[str, list[str]] = {}
    for key, value in pairs:
        collected.setdefault(key, []).append(value)
    return {f"multiValue{name}": collected}


def parameters(query: str) -> list[tuple[str, str]]:
    """The pairs of a query string, not decoded; a key alone has an empty value."""
    parts = (part.partition("=") for part in query.split("&") if part)
    return [(key, value) for key, _, value in parts]


def packed(body: bytes, headers: CIMultiDict[str]) -> tuple[str, bool]:
    """The body as text, and whether that is Base64: it is for anything compressed, and for all but a few types.

    Bytes that are no UTF-8 in a body that should be text: undocumented, and replaced here.
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body:
        return "", False
    if "content-encoding" in headers or not AS_IT_IS.fullmatch(kind):
        return base64.b64encode(body).decode("ascii"), True
    return body.decode("utf-8", "replace"), False
