"""Trying until it has worked, cannot work, or time is up: 429 waits as long as Slack says, other faults back off."""

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.again import TryAgain
from chalicelib.operations import Time
from chalicelib.redaction import redact
from chalicelib.sending import Answer, Request, Send, Unreachable

TIMEOUT = 5.0  # seconds for connecting, and for each wait on an answer
LEAST = 0.5  # seconds that an attempt must have
LONGEST_WAIT = 30.0  # of a Retry-After; beyond it Lambda's own retry is the better wait
FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 8.0
ATTEMPTS = 8

# Errors that Slack's Web API reports with status 200 and that pass by themselves.
PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
LIMITED = {"ratelimited", "rate_limited"}

log = logging.getLogger("operations.delivery")


class DeliveryFailed(TryAgain):
    """Slack has not taken a message.

    `reason` is Slack's own word for a refusal (`invalid_auth`), or empty.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(redact(message))
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a message was not taken. `after` is the wait that Slack asks for, in seconds."""

    said: str
    again: bool = False
    after: float | None = None


TAKEN = Fault(said="")


def deliver(request: Request, send: Send, time: Time, *, jitter: Callable[[], float] = random.random) -> Answer:
    """The answer to an attempt that worked. `jitter` gives numbers from 0 to 1. Raises DeliveryFailed."""
    fault = Fault(said="there was no time to try")
    for attempt in range(ATTEMPTS):
        if time.remaining() < LEAST:
            break
        answer, fault = _attempt(request, send, min(TIMEOUT, time.remaining()))
        if answer is not None:
            return answer
        log.warning("Slack did not take a message", extra={"attempt": attempt + 1, "said": fault.said})
        if not fault.again:
            raise DeliveryFailed(f"Slack refused a message: {fault.said}", fault.said)
        wait = fault.after if fault.after is not None else _backoff(attempt, jitter)
        if wait > min(LONGEST_WAIT, time.remaining() - LEAST):
            break
        time.sleep(wait)
    raise DeliveryFailed(f"Slack could not be told in time: {fault.said}")


def _attempt(request: Request, send: Send, timeout: float) -> tuple[Answer | None, Fault]:
    try:
        answer = send(request, timeout)
    except Unreachable as error:
        return None, Fault(said=f"no answer ({error})", again=True)
    fault = _fault(answer, api=bool(request.token))
    return (None, fault) if fault else (answer, TAKEN)


def _fault(answer: Answer, *, api: bool) -> Fault | None:
    """The Web API answers 200 and `ok: false` for most of what is wrong; a webhook answers with a status and a word."""
    error = str(answer.document().get("error", "")) if api else answer.text.strip()
    said = redact(error[:60]) or f"status {answer.status}"
    if answer.status == 429 or (api and error in LIMITED):
        return Fault(said="too many requests", again=True, after=answer.retry_after)
    if answer.status >= 500 or (api and error in PASSING):
        return Fault(said=f"status {answer.status}", again=True)
    taken = answer.document().get("ok") is True if api else 200 <= answer.status < 300
    return None if taken else Fault(said=said)


def _backoff(attempt: int, jitter: Callable[[], float]) -> float:
    whole: float = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2**attempt)
    return whole / 2 + whole / 2 * jitter()
