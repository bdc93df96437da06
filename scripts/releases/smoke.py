"""Whether the shop answers at its own address, from the outside, with what was just deployed. Changes nothing."""

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from scripts.releases.clock import Clock
from scripts.terminal import Problem

HEALTH = {"product": "/products/healthz", "order": "/orders/healthz", "frontend": "/api/healthz"}
PAGES = ("/", "/products?limit=1")
PATIENCE = 180.0  # seconds: names and certificates of a new distribution take their time to get around
Fetch = Callable[[str], tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class Expected:
    """The version of each service; no version where its functions answer, which follow later."""

    versions: Mapping[str, str | None]


def fetched(url: str) -> tuple[int, bytes]:
    """Status 0 when nobody answers."""
    try:
        with urlopen(Request(url, headers={"User-Agent": "tandem-smoke"}), timeout=15) as answer:  # noqa: S310
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()
    except (URLError, ssl.SSLError, ConnectionError, TimeoutError):
        return 0, b""


def check(url: str, expected: Expected, *, clock: Clock, fetch: Fetch = fetched) -> None:
    """Raises Problem with what is still wrong at the end of the patience."""
    end = clock.now() + PATIENCE
    while wrong := _wrong(url, expected, fetch):
        if clock.now() >= end:
            raise Problem(wrong)
        clock.sleep(clock.pause)


def _wrong(url: str, expected: Expected, fetch: Fetch) -> str:
    for service, version in expected.versions.items():
        status, body = fetch(url + HEALTH[service])
        said = _health(body)
        if status != 200 or said.get("service") != service:
            return f"{url}{HEALTH[service]} answers {status or 'nothing'}: {service} is not there."
        if version is not None and said.get("version") != version:
            return f"{service} answers as version {said.get('version')}, not {version}."
    for page in PAGES:
        status, _ = fetch(url + page)
        if status != 200:
            return f"{url}{page} answers {status or 'nothing'}."
    return ""


def _health(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
