"""The listener rules of a service as the load balancer keeps them: reading, noting, and moving them.

Used by the controller and by the operator's command, so that both leave the same traces. `elbv2` is a boto3 client.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from chalicelib.failover import Hold, Note, Rule, Runtime
from chalicelib.paging import chunks

RUNTIME = "tandem:failover"
SINCE = "tandem:failover-since"
REASON = "tandem:failover-reason"
HOLD = "tandem:failover-hold"

WEIGHTS = {Runtime.FARGATE: (100, 0), Runtime.LAMBDA: (0, 100)}
_UNTAGGABLE = re.compile(r"[^\w +\-=.:/@]")  # what a value of a tag may not hold
_DESCRIBED = 20  # resources that DescribeTags takes at once


class Unsuitable(Exception):
    """A rule that does not forward to both groups of its service, so that nothing can be moved."""


@dataclass(frozen=True, slots=True)
class Groups:
    """ARNs of the two target groups of a service."""

    fargate: str
    fallback: str


@dataclass(frozen=True, slots=True)
class Live:
    """A rule of this moment, with its actions as the load balancer gave them."""

    rule: Rule
    actions: Sequence[Mapping[str, Any]]


def read(elbv2: Any, arns: Sequence[str], groups: Groups) -> tuple[Live, ...]:
    """The rules with weights and notes. Raises Unsuitable, and what the client raises."""
    described = elbv2.describe_rules(RuleArns=list(arns))["Rules"]
    if missing := set(arns) - {rule["RuleArn"] for rule in described}:
        raise Unsuitable(f"There is no rule {', '.join(sorted(missing))}.")
    return with_notes(elbv2, described, groups)


def with_notes(elbv2: Any, described: Sequence[Mapping[str, Any]], groups: Groups) -> tuple[Live, ...]:
    tags = _tags(elbv2, [rule["RuleArn"] for rule in described])
    return tuple(_live(rule, tags.get(rule["RuleArn"], {}), groups) for rule in described)


def move(elbv2: Any, rules: Sequence[Live], groups: Groups, note: Note, moved: Sequence[str]) -> None:
    """Note on every rule, then weights on those of `moved`.

    In this order a failure half way leaves a decision that the next run completes, and never a move nobody knows of. A
    rule that fails does not keep the others back; the first error is raised at the end.
    """
    write(elbv2, rules, note)
    failures: list[Exception] = []
    for live in rules:
        if live.rule.arn not in moved or note.runtime is None:
            continue
        try:
            elbv2.modify_rule(RuleArn=live.rule.arn, Actions=shifted(live.actions, groups, note.runtime))
        except Exception as error:  # noqa: BLE001 - whatever it is, the next rule is asked for too
            failures.append(error)
    if failures:
        raise failures[0]


def write(elbv2: Any, rules: Sequence[Live], note: Note) -> None:
    """Make the tags of all rules say the note, all of it: an empty hold takes the old one away."""
    arns = [live.rule.arn for live in rules]
    if given := _as_tags(note):
        elbv2.add_tags(ResourceArns=arns, Tags=[{"Key": key, "Value": value} for key, value in given.items()])
    if note.hold is None and (held := [live.rule.arn for live in rules if live.rule.note.hold]):
        elbv2.remove_tags(ResourceArns=held, TagKeys=[HOLD])


def shifted(actions: Sequence[Mapping[str, Any]], groups: Groups, to: Runtime) -> list[dict[str, Any]]:
    """The actions with the weights of that runtime; other actions, other groups and stickiness stay as they are."""
    fargate, fallback = WEIGHTS[to]
    weights = {groups.fargate: fargate, groups.fallback: fallback}
    return [_with_weights(action, weights) for action in actions]


def parsed(text: str) -> datetime | None:
    """A time as tags carry it; None when it is none. Without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _live(rule: Mapping[str, Any], tags: Mapping[str, str], groups: Groups) -> Live:
    weights: dict[str, int] = {}
    for action in rule["Actions"]:
        for group in action.get("ForwardConfig", {}).get("TargetGroups", ()):
            weights[group["TargetGroupArn"]] = group.get("Weight", 1)
    if not {groups.fargate, groups.fallback} <= weights.keys():
        raise Unsuitable(f"The rule {rule['RuleArn']} does not forward to both {groups.fargate} and {groups.fallback}.")
    own = Rule(rule["RuleArn"], weights[groups.fargate], weights[groups.fallback], _note(tags))
    return Live(own, rule["Actions"])


def _with_weights(action: Mapping[str, Any], weights: Mapping[str, int]) -> dict[str, Any]:
    kept = dict(action)
    if "AuthenticateOidcConfig" in kept:  # its secret is never shown, and would be missing from what we send back
        kept["AuthenticateOidcConfig"] = {**kept["AuthenticateOidcConfig"], "UseExistingClientSecret": True}
    if "ForwardConfig" not in kept:
        return kept
    kept.pop("TargetGroupArn", None)  # the short form for one group; with two it contradicts
    kept["ForwardConfig"] = {
        **kept["ForwardConfig"],
        "TargetGroups": [
            {**group, "Weight": weights.get(group["TargetGroupArn"], group.get("Weight", 1))}
            for group in kept["ForwardConfig"]["TargetGroups"]
        ],
    }
    return kept


def _tags(elbv2: Any, arns: Sequence[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for some in chunks(arns, _DESCRIBED):
        for one in elbv2.describe_tags(ResourceArns=some)["TagDescriptions"]:
            found[one["ResourceArn"]] = {tag["Key"]: tag.get("Value", "") for tag in one["Tags"]}
    return found


def _note(tags: Mapping[str, str]) -> Note:
    """Tags that a person has mistyped say nothing, except a hold: that one holds until it is released."""
    runtime = Runtime(tags[RUNTIME]) if tags.get(RUNTIME) in list(Runtime) else None
    note = Note(runtime, parsed(tags.get(SINCE, "")), tags.get(REASON, ""))
    return replace(note, hold=Hold(parsed(tags[HOLD].removeprefix("until ")))) if HOLD in tags else note


def _as_tags(note: Note) -> dict[str, str]:
    values = {
        RUNTIME: note.runtime.value if note.runtime else "",
        SINCE: written(note.since) if note.since else "",
        REASON: _UNTAGGABLE.sub(" ", note.reason)[:256].strip(),
    }
    if note.hold:
        values[HOLD] = f"until {written(note.hold.until)}" if note.hold.until else "manual"
    return {key: value for key, value in values.items() if value}
