"""What wakes a function that nobody waits for: topics and schedules; and where an event stays that was lost."""

import re
from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World, fact
from cfn.doctor.metrics import ALARM, COMPOSITE, TOPIC, dimensions, metrics, spoken_for
from cfn.doctor.rules.fallback import RETRIES, SCHEDULE, twins
from cfn.doctor.statements import ROLE, may
from cfn.doctor.values import dig, items, number

rule = Rules()
FUNCTION = "AWS::Lambda::Function"
PERMISSION = "AWS::Lambda::Permission"
QUEUE = "AWS::SQS::Queue"
SUBSCRIPTION = "AWS::SNS::Subscription"
RATE = re.compile(r"rate\((?:1 (minute|hour|day)|([2-9]|[1-9]\d+) (minute|hour|day)s)\)|cron\(.+\)")


def listeners(world: World) -> Iterator[tuple[Resource, Resource, Resource]]:
    """Subscriptions of functions, with topic and function."""
    for subscription in world.of(SUBSCRIPTION):
        topic = world.at(subscription.get("TopicArn"), TOPIC)
        function = world.at(subscription.get("Endpoint"), FUNCTION)
        if topic and function:
            yield subscription, topic, function


@fact
def operations(world: World) -> list[Resource]:
    """Functions that a topic or a schedule wakes and that serve nobody."""
    woken = [function for _, _, function in listeners(world)]
    woken += [
        function for schedule in world.of(SCHEDULE) for function in world.all_at(schedule.get("Targets"), FUNCTION)
    ]
    serving = {function.key for function in twins(world)}
    return [function for key, function in {one.key: one for one in woken}.items() if key not in serving]


def permitted(world: World, function: Resource, caller: str, source: Resource) -> list[Resource]:
    return [
        p
        for p in world.users(function, PERMISSION)
        if p.get("Principal") == caller and world.at(p.get("SourceArn")) is source
    ]


@rule("TND-EVT-01", "Functions that listen to a topic may be called by it, and miss nothing")
def subscriptions(world: World) -> Iterator[Fault]:
    """Without the permission SNS drops the message; what it cannot deliver has to stay in a queue that it may write."""
    for subscription in world.of(SUBSCRIPTION):
        if subscription.get("Protocol") == "lambda" and not world.at(subscription.get("Endpoint"), FUNCTION):
            yield Fault(subscription, "Endpoint", "it calls no declared function", "use Arn of the function")
    for subscription, topic, function in listeners(world):
        if subscription.get("Protocol") != "lambda":
            yield Fault(subscription, "Protocol", f"a function by {subscription.get('Protocol')}", "use lambda")
        allowed = permitted(world, function, "sns.amazonaws.com", topic)
        if not allowed:
            yield Fault(subscription, "Endpoint", f"{topic} may not call {function}", "add a permission for the topic")
        elif not any(world.waits_for(subscription, one) for one in allowed):
            wrong = "messages before the permission are lost"
            yield Fault(subscription, "DependsOn", wrong, "let it depend on the permission")
        queue = world.at(dig(subscription.properties, "RedrivePolicy", "deadLetterTargetArn"), QUEUE)
        if not queue:
            yield Fault(subscription, "RedrivePolicy", "what cannot be delivered is lost", "name a queue for it")
        elif not _takes_from(world, queue, topic):
            yield Fault(queue, "", f"it takes nothing from {topic}", "allow sns.amazonaws.com sqs:SendMessage")


def _takes_from(world: World, queue: Resource, topic: Resource) -> bool:
    statements = [
        statement
        for policy in world.users(queue, "AWS::SQS::QueuePolicy")
        for statement in items(policy.get("PolicyDocument", "Statement"))
    ]
    return any(
        statement.get("Effect") == "Allow"
        and "sns.amazonaws.com" in items(dig(statement, "Principal", "Service"))
        and "sqs:SendMessage" in items(statement.get("Action"))
        and queue in world.all_at(statement.get("Resource"))
        and world.at(dig(statement, "Condition", "ArnEquals", "aws:SourceArn")) is topic
        for statement in statements
    )


@rule("TND-EVT-02", "What a function fails at with nobody waiting is kept")
def failures(world: World) -> Iterator[Fault]:
    """Lambda tries an event twice more, and then drops it, unless the function has a queue and may write to it. What
    comes every minute is not tried again: the next one is there sooner."""
    for function in operations(world):
        queue, role = (
            world.at(function.get("DeadLetterConfig", "TargetArn"), QUEUE),
            world.at(function.get("Role"), ROLE),
        )
        if not queue:
            yield Fault(function, "DeadLetterConfig", "what it fails at is lost", "name a queue for it")
        elif role and queue not in [q for s in may(world, role, "sqs:SendMessage") for q in world.all_at(s.resources)]:
            yield Fault(role, "Policies", f"it may not send to {queue}", "allow sqs:SendMessage on it")
        every_minute = any(one.get("ScheduleExpression") == "rate(1 minute)" for one in world.users(function, SCHEDULE))
        wanted = (0, 60) if every_minute else (2, 21600)
        found = [
            (number(one.get("MaximumRetryAttempts")), number(one.get("MaximumEventAgeInSeconds")))
            for one in world.users(function, RETRIES)
        ]
        if len(found) != 1 or found[0][0] != wanted[0] or (found[0][1] or 0) > wanted[1]:
            mend = f"add one EventInvokeConfig of {wanted[0]} retries within {wanted[1]} s"
            yield Fault(function, "", f"an event is tried as {found} says", mend)


@rule("TND-EVT-03", "Who watches the way of alarms does not use it, and everybody else does")
def queues(world: World) -> Iterator[Fault]:
    """Nobody looks by himself into a queue of lost events. An alarm about the way to Slack must not go there, and one
    about anything else must: the failover starts from it."""
    lossy = {topic.key for _, topic, _ in listeners(world)}
    watchmen = {function.key for function in operations(world)} | {queue.key for queue in world.of(QUEUE)}
    for queue in world.of(QUEUE):
        depth = [
            alarm
            for alarm in world.users(queue, ALARM)
            for _, metric in metrics(alarm)
            if metric.get("MetricName") == "ApproximateNumberOfMessagesVisible"
            and world.at(dimensions(metric).get("QueueName")) is queue
            and number(alarm.get("Threshold")) == 0
        ]
        if not depth:
            yield Fault(queue, "", "nobody hears of what lies in it", "add an alarm on its visible messages, above 0")
    for alarm in world.of(ALARM, COMPOSITE):
        if spoken_for(world, alarm):
            continue
        own = any(found.key in watchmen for found in world.all_at(alarm.get("Dimensions")))
        apart = own or "Slack" in str(alarm.get("MetricName"))
        for name in ("AlarmActions", "OKActions"):
            told = {topic.key for topic in world.all_at(alarm.get(name), TOPIC)}
            if lossy and apart and told & lossy:
                yield Fault(alarm, name, "it goes the way that it watches", "tell the topic of people alone")
            if lossy and not apart and not told & lossy:
                yield Fault(alarm, name, "the operations app does not hear of it", "tell the topic it listens to")


@rule("TND-EVT-04", "Schedules call a function that lets them")
def schedules(world: World) -> Iterator[Fault]:
    """A schedule without permission fires every minute into nothing, and its function is silent like one at rest."""
    for schedule in world.of(SCHEDULE):
        if not RATE.fullmatch(str(schedule.get("ScheduleExpression"))):
            wrong = f"{schedule.get('ScheduleExpression')} is no schedule"
            yield Fault(schedule, "ScheduleExpression", wrong, "write rate(1 minute), rate(2 days) or cron(…)")
        targets = items(schedule.get("Targets"))
        functions = [world.at(target.get("Arn"), FUNCTION) for target in targets]
        if len(targets) != 1 or not all(functions) or not all(target.get("Id") for target in targets):
            yield Fault(schedule, "Targets", f"{len(targets)} targets", "name one function, with an id")
        for function in filter(None, functions):
            if not permitted(world, function, "events.amazonaws.com", schedule):
                wrong = f"it may not call {function}"
                yield Fault(schedule, "Targets", wrong, "add a permission with the ARN of the schedule")


@rule("TND-EVT-05", "Queues and topics speak of themselves, and only over TLS")
def own_policies(world: World) -> Iterator[Fault]:
    """A statement about another queue allows nothing, and forbids nothing."""
    kinds = (("AWS::SQS::QueuePolicy", "Queues", QUEUE), ("AWS::SNS::TopicPolicy", "Topics", TOPIC))
    for kind, path, subject in kinds:
        for policy in world.of(kind):
            about = {found.key for found in world.all_at(policy.get(path), subject)}
            for index, statement in enumerate(items(policy.get("PolicyDocument", "Statement"))):
                if {found.key for found in world.all_at(statement.get("Resource"))} != about:
                    place = f"PolicyDocument.Statement.{index}.Resource"
                    yield Fault(policy, place, "it is about something else", "name what the policy belongs to")
                if (
                    subject == QUEUE
                    and statement.get("Effect") == "Deny"
                    and not {*items(statement["Action"])} >= TOUCHED
                ):
                    yield Fault(policy, f"PolicyDocument.Statement.{index}.Action", "a way is left", f"deny {TOUCHED}")
    for queue in world.of(QUEUE):
        policies = world.users(queue, "AWS::SQS::QueuePolicy")
        if not any(queue in world.all_at(one.get("Queues")) for one in policies):
            yield Fault(queue, "", "it can be asked without TLS", "add a queue policy that denies it")


TOUCHED = {"sqs:ReceiveMessage", "sqs:SendMessage"}
