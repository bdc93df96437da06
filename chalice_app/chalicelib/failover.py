"""Which runtime should answer for a service: a decision over what is known, and nothing else.

The listener rules of the service are the only store: their weights say what is, their tags what was decided. So the
controller, the operator's command and a deployment see the same thing, and whoever comes next finishes what somebody
left half done.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

SKEW = timedelta(minutes=1)  # between our clock and whoever wrote a tag
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Runtime(StrEnum):
    FARGATE = "fargate"
    LAMBDA = "lambda"


class State(StrEnum):
    OK = "OK"
    ALARM = "ALARM"
    UNKNOWN = "INSUFFICIENT_DATA"
    MISSING = "MISSING"  # no alarm of that name


class Why(StrEnum):
    """Why nothing moves. The first five stand against a move that an alarm or a half-done move asks for."""

    HELD = "held"
    RESTING = "resting"
    DATABASE = "database"
    FALLBACK = "fallback-unhealthy"
    CONTAINERS = "containers-unhealthy"
    SETTLED = "settled"
    WAITING = "waiting-for-ok"


class Evidence(StrEnum):
    """What costs a call, and is looked at only when the decision hangs on it."""

    FALLBACK = "fallback"
    CONTAINERS = "containers"


@dataclass(frozen=True, slots=True)
class Hold:
    """A person's word that nothing moves; `until` None is until it is released."""

    until: datetime | None = None

    def stands(self, now: datetime) -> bool:
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True)
class Note:
    """What the tags of a rule say; all empty where nobody has ever moved it."""

    runtime: Runtime | None = None
    since: datetime | None = None
    reason: str = ""
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A listener rule: the weights of the containers' group and of the function's, 0 to 999, and its note."""

    arn: str
    fargate: int
    fallback: int
    note: Note = field(default_factory=Note)

    @property
    def runtime(self) -> Runtime | None:
        """Who answers. Containers that share with functions are in use; None when both weights are 0."""
        if self.fargate:
            return Runtime.FARGATE
        return Runtime.LAMBDA if self.fallback else None


@dataclass(frozen=True, slots=True)
class Alarm:
    name: str
    state: State
    since: datetime | None = None  # of the state


@dataclass(frozen=True, slots=True)
class Containers:
    """Targets of the containers' group. One that is leaving counts for nothing."""

    healthy: int
    others: int

    @property
    def gone(self) -> bool:
        return not self.healthy

    @property
    def ready(self) -> bool:
        return self.healthy > self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    rules: tuple[Rule, ...]
    alarms: tuple[Alarm, ...]  # that move the service
    database: tuple[Alarm, ...] = ()  # that forbid moving it to Lambda: the same database stands behind both
    fallback: bool | None = None  # does the function answer; None: nobody has asked
    containers: Containers | None = None  # None: nobody has looked


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    rest: timedelta  # least time between two moves
    healthy: timedelta  # all alarms OK for as long before it goes back


@dataclass(frozen=True, slots=True)
class Look:
    """Decide again with this."""

    at: Evidence


@dataclass(frozen=True, slots=True)
class Stay:
    """`refused` when something asks for a move that may not be."""

    why: Why
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """Note this on every rule, then give these rules their weights. No rules: only the note is missing."""

    to: Runtime
    rules: tuple[str, ...]
    since: datetime
    reason: str
    fresh: bool = True  # False: completes what was decided before


Decision = Look | Stay | Move


def recorded(rules: tuple[Rule, ...], now: datetime) -> Note:
    """What was decided last, of all rules. Without any note, the weights are the decision, of unknown age."""
    notes = [_credible(rule.note, now) for rule in rules if rule.note.runtime]
    if notes:
        return max(notes, key=lambda note: note.since or _EARLIEST)
    everywhere = bool(rules) and all(rule.runtime is Runtime.LAMBDA for rule in rules)
    return Note(Runtime.LAMBDA if everywhere else Runtime.FARGATE)


def held(rules: tuple[Rule, ...], now: datetime) -> Hold | None:
    """The hold that stands longest; one on any rule holds the service."""
    holds = [rule.note.hold for rule in rules if rule.note.hold and rule.note.hold.stands(now)]
    return max(holds, key=lambda hold: hold.until.timestamp() if hold.until else float("inf"), default=None)


def decide(situation: Situation, policy: Policy, now: datetime) -> Decision:
    """The next step. Asked again with the same situation it says the same; after its step has been taken, Stay."""
    note = recorded(situation.rules, now)
    alarming = [alarm.name for alarm in situation.alarms if alarm.state is State.ALARM]
    if held(situation.rules, now):
        return Stay(Why.HELD, refused=bool(alarming) and note.runtime is Runtime.FARGATE)
    if note.runtime is Runtime.FARGATE:
        return _leave(situation, policy, now, note, alarming) if alarming else _complete(situation, note, now)
    return _return(situation, policy, now, note)


def _leave(situation: Situation, policy: Policy, now: datetime, note: Note, alarming: list[str]) -> Decision:
    """Containers → functions. Within the rest only when no container is left: then staying helps nobody."""
    if note.since and now < note.since + policy.rest:
        if situation.containers is None:
            return Look(Evidence.CONTAINERS)
        if not situation.containers.gone:
            return Stay(Why.RESTING, refused=True)
    return _obstacle(situation, Runtime.LAMBDA) or Move(
        Runtime.LAMBDA, _elsewhere(situation.rules, Runtime.LAMBDA), now, f"alarm {', '.join(alarming)}"
    )


def _return(situation: Situation, policy: Policy, now: datetime, note: Note) -> Decision:
    """Functions → containers, when everything has been well for long enough; until then, functions everywhere."""
    if note.since is None:
        return Move(Runtime.LAMBDA, (), now, note.reason or "found on functions", fresh=False)
    if now < note.since + policy.rest or not _well(situation.alarms, now - policy.healthy):
        return _complete(situation, note, now)
    obstacle = _obstacle(situation, Runtime.FARGATE)
    if obstacle is None:
        reason = f"healthy for {round(policy.healthy.total_seconds() / 60, 1):g} minutes"
        return Move(Runtime.FARGATE, _elsewhere(situation.rules, Runtime.FARGATE), now, reason)
    return obstacle if isinstance(obstacle, Look) else _complete(situation, note, now)


def _complete(situation: Situation, note: Note, now: datetime) -> Decision:
    """Rules that are not where the note says: a move failed half way, or a deployment put old weights back."""
    runtime = note.runtime or Runtime.FARGATE
    astray = _elsewhere(situation.rules, runtime)
    if not astray:
        return Stay(Why.SETTLED if runtime is Runtime.FARGATE else Why.WAITING)
    return _obstacle(situation, runtime) or Move(runtime, astray, note.since or now, note.reason, fresh=False)


def _obstacle(situation: Situation, to: Runtime) -> Look | Stay | None:
    """What stands against moving there, or has to be looked at first."""
    if to is Runtime.FARGATE:
        if situation.containers is None:
            return Look(Evidence.CONTAINERS)
        return None if situation.containers.ready else Stay(Why.CONTAINERS, refused=True)
    if any(alarm.state is State.ALARM for alarm in situation.database):
        return Stay(Why.DATABASE, refused=True)
    if situation.fallback is None:
        return Look(Evidence.FALLBACK)
    return None if situation.fallback else Stay(Why.FALLBACK, refused=True)


def _well(alarms: tuple[Alarm, ...], since: datetime) -> bool:
    """All OK since then; an alarm that is missing or has no data vouches for nothing, and neither does none at all."""
    return bool(alarms) and all(alarm.state is State.OK and alarm.since and alarm.since <= since for alarm in alarms)


def _elsewhere(rules: tuple[Rule, ...], runtime: Runtime) -> tuple[str, ...]:
    return tuple(rule.arn for rule in rules if rule.runtime is not runtime)


def _credible(note: Note, now: datetime) -> Note:
    """A time that has not come yet is a wrong one, and would stop everything until then."""
    if note.since and note.since > now + SKEW:
        return Note(note.runtime, None, note.reason, note.hold)
    return note
