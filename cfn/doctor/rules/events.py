"""Whom alarms and events reach, and which traces are kept."""

import json
from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.metrics import ALARM, COMPOSITE, TOPIC
from cfn.doctor.rules.tasks import runtimes
from cfn.doctor.services import services
from cfn.doctor.values import dig, items, number

rule = Rules()


@rule("TND-OBS-06", "The topic lets CloudWatch speak, and only that", Severity.ERROR)
def topics(world: World) -> Iterator[Fault]:
    """A topic with a key or a policy of its own drops what its policy does not name. Somebody has to be subscribed."""
    for topic in world.of(TOPIC):
        if not world.all_at([a.get("AlarmActions") for a in world.users(topic, ALARM, COMPOSITE)], TOPIC):
            continue
        policies = [p for p in world.users(topic, "AWS::SNS::TopicPolicy") if topic in world.all_at(p.get("Topics"))]
        found = [s for p in policies for s in items(p.get("PolicyDocument", "Statement"))]
        if not any(_lets_publish(s, topic, world) for s in found):
            yield Fault(
                topic, "", "its policy does not let CloudWatch publish", "allow cloudwatch.amazonaws.com sns:Publish"
            )
        for policy in policies:
            for s in items(policy.get("PolicyDocument", "Statement")):
                everybody = s.get("Principal") == "*" or dig(s, "Principal", "AWS") == "*"
                if s.get("Effect") == "Allow" and (everybody and not s.get("Condition")):
                    yield Fault(policy, "PolicyDocument", "anybody may publish", "name the principal")
        subscriptions = world.users(topic, "AWS::SNS::Subscription")
        if not any(one.get("Protocol") == "email" for one in subscriptions):
            yield Fault(topic, "", "nobody is subscribed", "subscribe an e-mail address")


def _lets_publish(statement: dict[str, Any], topic: Resource, world: World) -> bool:
    return (
        statement.get("Effect") == "Allow"
        and "cloudwatch.amazonaws.com" in items(dig(statement, "Principal", "Service"))
        and bool({"sns:Publish", "SNS:Publish"} & set(map(str, items(statement.get("Action")))))
        and topic in world.all_at(statement.get("Resource"))
    )


@rule("TND-OBS-13", "Events of the database reach somebody")
def events(world: World) -> Iterator[Fault]:
    """A failover, a restart and a full disk are events, not metrics; the topic must let RDS publish them."""
    wanted = {"availability", "failover", "failure", "low storage", "maintenance", "recovery"}
    heard = world.of("AWS::RDS::EventSubscription")
    for database in world.of("AWS::RDS::DBInstance"):
        own = [s for s in heard if database in world.all_at(s.get("SourceIds"))]
        if not own and not database.get("SourceDBInstanceIdentifier"):
            yield Fault(database, "", "nobody hears of its events", "add an event subscription")
        for subscription in own:
            if missing := wanted - set(items(subscription.get("EventCategories"))):
                wrong = f"{', '.join(sorted(missing))} is not among its events"
                yield Fault(subscription, "EventCategories", wrong, "add it")
            topic = world.at(subscription.get("SnsTopicArn"), TOPIC)
            policies = world.users(topic, "AWS::SNS::TopicPolicy") if topic else []
            if topic and not any("events.rds.amazonaws.com" in str(p.get("PolicyDocument")) for p in policies):
                yield Fault(topic, "", "RDS may not publish to it", "allow events.rds.amazonaws.com sns:Publish")


@rule("TND-OBS-14", "Some rule samples what no other names, and none is there for nothing")
def sampling(world: World) -> Iterator[Fault]:
    """The services ask their rules in order, and the first that fits decides."""
    for found in services(world):
        for resource, path, given in runtimes(found):
            for wrong, right in _doubts(given.get("TRACE_SAMPLING", "[]")):
                yield Fault(resource, path, f"of its rules for traces {wrong}", right)


def _doubts(text: object) -> Iterator[tuple[str, str]]:
    try:
        made = [one for one in items(json.loads(str(text))) if isinstance(one, dict)]
    except ValueError:
        made = []
    shares = [(number(one.get("reservoir", 0)), number(one.get("rate", 1))) for one in made]
    if any(kept is None or rate is None or not 0 <= rate <= 1 or not 0 <= kept <= 20 for kept, rate in shares):
        yield "one keeps what cannot be kept", "give a share from 0 to 1, and at most 20 a second"
    everything = [one.get("path", "*") == "*" and one.get("method", "*") == "*" for one in made]
    if everything[-1:] != [True] or not any(map(bool, shares[-1])):
        yield "none keeps some of the rest", "let the last one take some of the path *"
    if any(everything[:-1]):
        yield "one stands behind one that takes everything", "put that one last"


@rule("TND-OBS-10", "Traces are grouped", Severity.WARNING)
def traces(world: World) -> Iterator[Fault]:
    """What is looked for among traces are faults and what took long."""
    for group in world.of("AWS::XRay::Group"):
        if not group.get("FilterExpression"):
            yield Fault(group, "FilterExpression", "it groups everything", "filter")
