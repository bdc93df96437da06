"""What CloudFormation does to a stack, as it happens; and of what went wrong, what went wrong first."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scripts.releases.clock import Clock
from scripts.releases.live import Can, can, describe
from scripts.terminal import Problem

STACK = "AWS::CloudFormation::Stack"
BEGUN = {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"}
LATE = 120.0  # seconds after which what was begun should show


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    resource: str
    type: str
    status: str
    reason: str
    at: datetime
    physical_id: str
    token: str
    of_stack: bool

    @property
    def ended(self) -> bool:
        return self.status.endswith(("_COMPLETE", "_FAILED"))


@dataclass(frozen=True, slots=True)
class Told:
    """A resource at its end, and the seconds since it was begun."""

    event: Event
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is DELETE_COMPLETE where the stack has gone. Events in the order in which they happened."""

    status: str
    events: tuple[Event, ...]


Tell = Callable[[Told], None]


def follow(cloudformation: Any, stack: str, *, token: str | None, tell: Tell, clock: Clock) -> Outcome:
    """Until CloudFormation rests: what was begun with the token, else whatever is under way. `stack` is an id.
    Raises Problem when nothing was begun."""
    told: set[str] = set()
    end = clock.now() + LATE
    while True:
        events = _operation(cloudformation, stack, token)
        begun = _ending(events, told, tell)
        status = (describe(cloudformation, stack) or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"]
        if can(status) is not Can.WAIT and (begun or token is None):
            return Outcome(status, events)
        if not begun and clock.now() > end:
            raise Problem(f"CloudFormation has not begun with {stack} in {LATE:.0f} s; run this again.")
        clock.sleep(clock.pause)


def _ending(events: Sequence[Event], told: set[str], tell: Tell) -> bool:
    """Tell what has ended since the last look. Whether anything has begun."""
    since: dict[str, datetime] = {}
    for event in events:
        since.setdefault(event.resource, event.at)
        if event.ended and not event.of_stack:
            if event.id not in told:
                told.add(event.id)
                tell(Told(event, (event.at - since[event.resource]).total_seconds()))
            since.pop(event.resource)
    return bool(events)


def _operation(cloudformation: Any, stack: str, token: str | None) -> tuple[Event, ...]:
    """The events of one operation: those with the token, else those since the stack was last begun with."""
    found: list[Event] = []
    for event in _newest_first(cloudformation, stack):
        if token is not None and event.token != token:
            break
        found.append(event)
        if token is None and event.of_stack and event.status in BEGUN:
            break
    return tuple(reversed(found))


def _newest_first(cloudformation: Any, stack: str) -> Iterator[Event]:
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
        yield from (_event(given) for given in page["StackEvents"])


def _event(given: Mapping[str, Any]) -> Event:
    return Event(
        id=given["EventId"],
        resource=given["LogicalResourceId"],
        type=given["ResourceType"],
        status=given["ResourceStatus"],
        reason=given.get("ResourceStatusReason", ""),
        at=given["Timestamp"],
        physical_id=given.get("PhysicalResourceId", ""),
        token=given.get("ClientRequestToken", ""),
        of_stack=given["ResourceType"] == STACK and given.get("PhysicalResourceId") in {given["StackId"], ""},
    )


def first_cause(cloudformation: Any, outcome: Outcome) -> Event | None:
    """The first failure that is not the echo of another; of a stack in the stack, the failure in there."""
    for event in outcome.events:
        if event.status.endswith("_FAILED") and not event.of_stack and "cancelled" not in event.reason.lower():
            return _inside(cloudformation, event) or event
    return None


def _inside(cloudformation: Any, event: Event) -> Event | None:
    if event.type != STACK or not event.physical_id:
        return None
    events = tuple(reversed(list(_newest_first(cloudformation, event.physical_id))))
    return first_cause(cloudformation, Outcome("", events))
