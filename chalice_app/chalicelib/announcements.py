"""What the controller and the cleaners say in Slack about what they did, or did not."""

import logging
from collections.abc import Mapping
from typing import Any

from chalicelib.failover import Move, Runtime, Stay, Why
from chalicelib.messages import Message
from chalicelib.operations import Operations

log = logging.getLogger("operations.announcements")

_WHERE = {Runtime.LAMBDA: "Lambda", Runtime.FARGATE: "its containers"}
_REFUSALS = {
    Why.HELD: "Somebody holds it. `scripts/tandem failover release` lets it move again.",
    Why.RESTING: "It moved a short while ago, and some containers still answer their health check.",
    Why.DATABASE: "An alarm of the database is on, and the same database stands behind both runtimes.",
    Why.FALLBACK: "The function does not answer.",
    Why.CONTAINERS: "Too few containers are healthy to take the traffic back.",
}


def tell(operations: Operations, message: Message) -> None:
    """After the deed, and never in its way: what was done stays done when nobody could be told."""
    try:
        operations.announce(message)
    except Exception:
        log.exception("could not be announced", extra={"announcement": message.title})
        operations.count("AnnouncementFailed")


def moved(environment: str, service: str, decision: Move, rest_minutes: float) -> Message:
    away = decision.to is Runtime.LAMBDA
    title = f"{service} is answered by {_WHERE[decision.to]}"
    return Message(
        title=title if decision.fresh else f"{title} again: a move was incomplete",
        severity="critical" if away else "default",
        tone="alarm" if away else "ok",
        text=(
            "It goes back by itself when the alarms have been off for long enough,"
            f" after {rest_minutes:g} minutes at the earliest. `scripts/tandem failover` shows and changes this."
            if away
            else "The fallback is on guard again."
        ),
        fields={"Environment": environment, "Reason": decision.reason, "Rules moved": str(len(decision.rules))},
        mention=away and decision.fresh,
    )


def refused(environment: str, service: str, decision: Stay, said: str) -> Message:
    fields = {"Environment": environment, "Why": decision.why.value} | (
        {"The fallback said": said[:500]} if said else {}
    )
    return Message(
        title=f"{service} stays where it is",
        severity="critical",
        tone="alarm",
        text=_REFUSALS[decision.why],
        fields=fields,
    )


def cleaned(environment: str, what: str, report: Mapping[str, Any], facts: Mapping[str, object]) -> Message:
    """`report` has the verb of its mode, and an `error` when the run was given up."""
    error = report.get("error")
    return Message(
        title=f"{what}: {'given up, nothing was touched' if error else report['verb']}",
        tone="unknown" if error else "notice",
        text=str(error or ""),
        fields={"Environment": environment} | {name: str(value) for name, value in facts.items()},
    )
