"""One request to Slack, with what the standard library has: no redirect is followed, and nothing is retried."""

import http.client
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

LARGEST_ANSWER = 256 * 1024


class Unreachable(Exception):
    """No answer came. Whether the request did arrive is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    url: str = field(repr=False)
    body: Mapping[str, Any] = field(repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`retry_after` in seconds, if it was said."""

    status: int
    text: str = field(default="", repr=False)
    retry_after: float | None = None

    def document(self) -> Mapping[str, Any]:
        """The JSON object of the answer, or an empty one: a webhook answers `ok` in plain text."""
        try:
            document = json.loads(self.text)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


Send = Callable[[Request, float], Answer]


def send(request: Request, timeout: float) -> Answer:
    """POST it as JSON. `timeout` is in seconds, for connecting and for each wait. Raises Unreachable."""
    parts = urlsplit(request.url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if request.token:
        headers["Authorization"] = f"Bearer {request.token}"
    try:
        connection.request("POST", target, json.dumps(request.body).encode(), headers)
        response = connection.getresponse()
        text = response.read(LARGEST_ANSWER).decode("utf-8", "replace")
        return Answer(status=response.status, text=text, retry_after=_seconds(response.getheader("Retry-After")))
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(type(error).__name__) from None  # what it says may hold the address, which is a secret
    finally:
        connection.close()


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text or ""))
    except ValueError:
        return None
