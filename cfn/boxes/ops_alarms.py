"""Who watches the watchman: alarms about the way to Slack, which go by e-mail alone."""

from collections.abc import Mapping
from dataclasses import replace

from troposphere import GetAtt, Template, sqs

from cfn.alarms import BELOW, Limit, alarm
from cfn.boxes.alerts import Alerts
from cfn.environments import Environment
from cfn.metrics import FUNCTION_ERRORS, INVOCATIONS, QUEUED, SLACK_FAILED
from cfn.operations import Handler
from cfn.wiring import Value

SERVICE = "operations"  # what the app calls itself where it counts (`chalice_app/chalicelib/telemetry.py`)


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
        reason = f"{handler.what}: it failed. Its log says why; Lambda tries an event {handler.retries} times more."
        alarm(template, environment, by_mail, _parts(handler.name, "errors"), reason, FUNCTION_ERRORS.of(name), once)
    for title, queue in queues.items():
        series = QUEUED.of(GetAtt(queue, "QueueName"))
        alarm(template, environment, by_mail, _parts(title), QUEUES[title], series, once)
    slack = SLACK_FAILED.of(environment.name, SERVICE)
    reason = "Slack takes no messages: whoever relies on it hears nothing. Alarms still come by e-mail."
    alarm(template, environment, by_mail, _parts("slack"), reason, slack, once)
    for handler, name in functions.items():
        if handler.schedule == "rate(1 minute)":
            reason = "Nobody has looked after the failover for five minutes: neither a move nor a way back happens."
            silent = Limit(threshold=1, comparison=BELOW, periods=5, datapoints=5, missing="breaching")
            parts = _parts(handler.name, "silent")
            alarm(template, environment, by_mail, parts, reason, INVOCATIONS.of(name), silent)


QUEUES = {
    "unheard": "SNS could not hand alarms over to the operations app: they lie in this queue, for two weeks.",
    "failed": "The operations app failed at events for good: they lie in this queue, for two weeks.",
}


def _parts(*words: str) -> tuple[str, ...]:
    return "ops", *(word.replace("_", "-") for word in words)
