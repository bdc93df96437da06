"""Moves services between containers and functions: looks, decides, looks again, acts, and only then tells.

Whatever woke it up, it reads what is true from AWS. So a lost, doubled or late message costs nothing but the minute
until the next scheduled run, and two runs at once come to the same end.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib import announcements, evidence, rules
from chalicelib.config import Fallback
from chalicelib.failover import (
    Alarm,
    Decision,
    Evidence,
    Look,
    Move,
    Note,
    Policy,
    Runtime,
    Situation,
    State,
    Stay,
    decide,
    recorded,
)
from chalicelib.operations import Operations

log = logging.getLogger("operations.failover")


class ControlFailed(Exception):
    """Some services could not be looked after; the others were."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a service was left. `said` is what the fallback answered, where it was asked."""

    service: str
    runtime: Runtime
    decision: Decision
    said: str = ""

    def report(self) -> dict[str, Any]:
        moved = self.decision.rules if isinstance(self.decision, Move) else ()
        why = self.decision.why.value if isinstance(self.decision, Stay) else getattr(self.decision, "reason", "")
        return {"service": self.service, "runtime": self.runtime.value, "moved": list(moved), "why": why}


def run(operations: Operations, *, by_alarm: bool = False) -> dict[str, Any]:
    """Look after every service once, those in alarm first. Raises ControlFailed when one of them could not be.

    A refusal is told when an alarm was the occasion; by the clock it would be told every minute.
    """
    services = operations.config.failover
    names = {name for one in services.values() for name in (*one.alarms, *one.database_alarms)}
    alarms = evidence.alarms(operations.client("cloudwatch"), names) if names else {}
    outcomes: list[Outcome] = []
    failures: list[str] = []
    for service in _urgent_first(services, alarms):
        try:
            outcomes.append(control(operations, service, services[service], alarms))
        except Exception as error:
            log.exception("a service could not be looked after", extra={"failover_service": service})
            operations.count("FailoverFailed")
            failures.append(f"{service}: {type(error).__name__}: {error}")
    for outcome in outcomes:  # only now: a slow Slack must not keep the next service waiting
        _tell(operations, outcome, refusals=by_alarm)
    if failures:
        raise ControlFailed("; ".join(failures))
    return {"services": [outcome.report() for outcome in outcomes]}


def control(operations: Operations, service: str, fallback: Fallback, alarms: Mapping[str, Alarm]) -> Outcome:
    """One service: decide, act, count. Raises rules.Unsuitable and what the load balancer's client raises."""
    elbv2 = operations.client("elbv2")
    groups = rules.Groups(fallback.fargate, fallback.fallback)
    live = rules.read(elbv2, fallback.rules, groups)
    situation = Situation(
        rules=tuple(one.rule for one in live),
        alarms=tuple(alarms[name] for name in fallback.alarms),
        database=tuple(alarms[name] for name in fallback.database_alarms),
    )
    decision, situation, said = _considered(operations, situation, fallback)
    if isinstance(decision, Move):  # the evidence took time: somebody may have moved it, or held it, meanwhile
        live = rules.read(elbv2, fallback.rules, groups)
        situation = replace(situation, rules=tuple(one.rule for one in live))
        decision, situation, said = _considered(operations, situation, fallback, said)
    if isinstance(decision, Move):
        rules.move(elbv2, live, groups, Note(decision.to, decision.since, decision.reason), decision.rules)
    runtime = decision.to if isinstance(decision, Move) else recorded(situation.rules, operations.time.now()).runtime
    outcome = Outcome(service, runtime or Runtime.FARGATE, decision, said)
    _count(operations, outcome)
    return outcome


def _considered(
    operations: Operations, situation: Situation, fallback: Fallback, said: str = ""
) -> tuple[Decision, Situation, str]:
    """The decision, with as much evidence as it asks for; each piece is fetched once at most."""
    while True:
        decision = decide(situation, _policy(operations), operations.time.now())
        if not isinstance(decision, Look):
            return decision, situation, said
        if decision.at is Evidence.FALLBACK:
            functions = operations.client("lambda")
            answer = evidence.probe(functions, fallback.function, fallback.fallback)
            situation, said = replace(situation, fallback=answer.healthy), answer.said
        else:
            found = evidence.containers(operations.client("elbv2"), fallback.fargate)
            situation = replace(situation, containers=found)


def _policy(operations: Operations) -> Policy:
    config = operations.config
    return Policy(rest=timedelta(minutes=config.hold_minutes), healthy=timedelta(minutes=config.healthy_minutes))


def _urgent_first(services: Mapping[str, Fallback], alarms: Mapping[str, Alarm]) -> Iterable[str]:
    return sorted(services, key=lambda name: all(alarms[one].state is not State.ALARM for one in services[name].alarms))


def _count(operations: Operations, outcome: Outcome) -> None:
    service, decision = outcome.service, outcome.decision
    operations.count("FailoverState", float(outcome.runtime is Runtime.LAMBDA), service=service)
    if isinstance(decision, Move) and decision.rules:
        operations.count("FailoverMoves", service=service)
    if isinstance(decision, Stay) and decision.refused:
        operations.count("FailoverRefused", service=service, reason=decision.why.value)


def _tell(operations: Operations, outcome: Outcome, *, refusals: bool) -> None:
    decision, config = outcome.decision, operations.config
    log.info("failover", extra={"outcome": outcome.report(), "fallback_said": outcome.said})
    if isinstance(decision, Move) and decision.rules:
        message = announcements.moved(config.environment, outcome.service, decision, config.hold_minutes)
        announcements.tell(operations, message)
    if isinstance(decision, Stay) and decision.refused and refusals:
        message = announcements.refused(config.environment, outcome.service, decision, outcome.said)
        announcements.tell(operations, message)
