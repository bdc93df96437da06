"""What a handler works with: everything that is not a pure function, so that tests hand in others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from chalicelib.config import Config
from chalicelib.messages import Message


class Count(Protocol):
    """Adds to a metric of this invocation, or with dimensions to one of those."""

    def __call__(self, name: str, value: float = 1, **dimensions: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """`remaining` are the seconds of this invocation that may still be spent; `now` is aware."""

    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    remaining: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """`client` gives a boto3 client by service name, made once. `announce` tells Slack and never raises:
    what was done stays done when nobody could be told; it is logged, and counted as SlackDeliveryFailed.
    """

    config: Config
    count: Count
    time: Time
    client: Callable[[str], Any]
    announce: Callable[[Message], None]
