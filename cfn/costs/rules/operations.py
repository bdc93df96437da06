"""What is not asked for by customers: functions that schedules and topics wake, their memory, and lost events."""

import re
from collections.abc import Iterator, Mapping

from cfn.costs.lines import Item
from cfn.costs.rules.bill import Bill, Rule
from cfn.costs.table import Unpriced
from cfn.costs.traffic import PER_MILLION
from cfn.doctor.graph import Resource

TABLE = "AWS::DynamoDB::Table"
SCHEDULE = "AWS::Events::Rule"
SUBSCRIPTION = "AWS::SNS::Subscription"
MESSAGES = 1000  # per thousand: what the assumption about e-mails counts in
TOUCHES = 3  # of the table, for one message: claimed, posted, and its thread
HOURS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}
RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")


def woken(function: Resource, bill: Bill) -> list[Resource]:
    """The schedules and subscriptions that call it."""
    return bill.world.users(function, SCHEDULE, SUBSCRIPTION)


def runs(function: Resource, bill: Bill) -> float:
    """A month: by its schedules, and once for each message of its topics."""
    return sum(_times(one, bill) for one in woken(function, bill))


def _times(waker: Resource, bill: Bill) -> float:
    if waker.type == SUBSCRIPTION:
        return bill.usage["notifications"] * MESSAGES
    rate = RATE.fullmatch(str(waker.get("ScheduleExpression")))
    if rate is None:
        raise Unpriced(f"{waker} has no rate, so nobody can say how often its function runs.")
    return bill.hours / (int(rate[1]) * HOURS[rate[2]])


def queue(_: Resource, __: Bill) -> Iterator[Item]:
    yield Item("ops", "sqs.requests", 0, "events lost on the way")


def table(_: Resource, bill: Bill) -> Iterator[Item]:
    touches = bill.usage["notifications"] * MESSAGES * TOUCHES / PER_MILLION
    yield Item("ops", "dynamodb.writes", touches, "writes")
    yield Item("ops", "dynamodb.reads", touches, "reads")


RULES: Mapping[str, Rule] = {TABLE: table, "AWS::SQS::Queue": queue}
