"""A function as it is configured, an invocation as it ends, and the words that Lambda uses for what went wrong."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from scripts.terminal import Problem

ACCOUNT, REGION = "000000000000", "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """`zip` is what runs, of any build for this machine; without one, that of `service` is built. Or `code` is a folder
    that is run as it is. `timeout` in seconds, `memory` in MiB; `concurrency` bounds the sandboxes that work at once.
    `dead_letters` is a file for the events of asynchronous invocations that failed for good, one JSON object a line."""

    name: str
    handler: str
    service: str = ""
    zip: Path | None = None
    code: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 28
    memory: int = 1024
    concurrency: int = 5
    dead_letters: Path | None = None

    @property
    def arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.name}"

    @classmethod
    def read(cls, members: Mapping[str, Any]) -> Self:
        """From an object of JSON. Raises Problem."""
        paths: dict[str, Any] = {key: Path(members[key]) for key in ("zip", "code", "dead_letters") if members.get(key)}
        try:
            return cls(**{**members, **paths})
        except TypeError as error:
            raise Problem(f"A function cannot be read: {error}.") from None


@dataclass(frozen=True, slots=True)
class Invocation:
    """How an invocation ended, as the Invoke API has it: `status` is 200 (202 for an event that was queued) or that of
    an error of the service; `payload` is JSON; `function_error` is "Unhandled" or None; `cold` says that a sandbox had
    to be started; `milliseconds` has that in it."""

    status: int
    payload: bytes
    function_error: str | None = None
    cold: bool = False
    milliseconds: float = 0.0
    kind: str = ""  # of the error of the service, as clients name it

    @property
    def failed(self) -> bool:
        return self.status >= 300 or self.function_error is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sandbox made of an event: JSON, and whether it is an error."""

    payload: bytes
    failed: bool = False


def failure(kind: str, message: str) -> Answer:
    return Answer(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


def refusal(status: int, kind: str, message: str, **more: str) -> Invocation:
    """An error of the Lambda service: the function has not run."""
    body = {"Type": "User", "Message": message, "message": message, **more}
    return Invocation(status, json.dumps(body).encode(), kind=kind)
