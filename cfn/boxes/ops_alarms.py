"""Who watches the watchman: alarms about the way to Slack, which go by e-mail alone."""

from collections.abc import Mapping
from dataclasses import replace

from troposphere import GetAtt, Template, sqs

from cfn.alarms import BELOW, Limit, Series, alarm
from cfn.boxes.alerts import Alerts
from cfn.environments import Environment
from cfn.operations import Handler
from cfn.wiring import Value

# What the app counts itself (`chalice_app/chalicelib/telemetry.py`).
NAMESPACE, SERVICE = "Tandem/Operations", "operations"


def watch(
    template: Template,
    environment: Environment,
    alerts: Alerts,
    functions: Mapping[Handler, Value],
    queues: Mapping[str, sqs.Queue],
) -> None:
    by_mail = replace(alerts, topic=alerts.mail)
    once = Limit(threshold=0, period=300, periods=1, datapoints=1)
    for handler, name in functions.items():
        series = _of_function("Errors", name)
        reason = f"{handler.what}: it failed. Its log says why; Lambda tries an event {handler.retries} times more."
        alarm(template, environment, by_mail, _parts(handler.name, "errors"), reason, series, once)
    for title, queue in queues.items():
        dimensions = {"QueueName": GetAtt(queue, "QueueName")}
        series = Series(
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            statistic="Maximum",
            dimensions=dimensions,
        )
        alarm(template, environment, by_mail, _parts(title), QUEUES[title], series, once)
    slack = Series(
        namespace=NAMESPACE,
        metric="SlackDeliveryFailed",
        statistic="Sum",
        dimensions={"service": SERVICE, "environment": environment.name},
    )
    reason = "Slack takes no messages: whoever relies on it hears nothing. Alarms still come by e-mail."
    alarm(template, environment, by_mail, _parts("slack"), reason, slack, once)
    for handler, name in functions.items():
        if handler.schedule == "rate(1 minute)":
            reason = "Nobody has looked after the failover for five minutes: neither a move nor a way back happens."
            silent = Limit(threshold=1, comparison=BELOW, periods=5, datapoints=5, missing="breaching")
            series = _of_function("Invocations", name)
            alarm(template, environment, by_mail, _parts(handler.name, "silent"), reason, series, silent)


QUEUES = {
    "unheard": "SNS could not hand alarms over to the operations app: they lie in this queue, for two weeks.",
    "failed": "The operations app failed at events for good: they lie in this queue, for two weeks.",
}


def _parts(*words: str) -> tuple[str, ...]:
    return "ops", *(word.replace("_", "-") for word in words)


def _of_function(metric: str, name: Value) -> Series:
    return Series(namespace="AWS/Lambda", metric=metric, statistic="Sum", dimensions={"FunctionName": name})
