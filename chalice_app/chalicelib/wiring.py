"""Puts the operations app together: what lasts as long as the sandbox once, what belongs to an invocation each time."""

import functools
import logging
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from chalicelib import redaction, sending, telemetry
from chalicelib.config import Config
from chalicelib.credentials import Provider, Vault
from chalicelib.delivery import DeliveryFailed
from chalicelib.memory import Memory
from chalicelib.messages import Message
from chalicelib.notices import Desk
from chalicelib.once import Ledger, Once
from chalicelib.operations import Operations, Time
from chalicelib.slack import Slack

MARGIN = 1.0  # seconds that are left to Lambda, and to the line that says why we stop
PATIENT = {"ecr", "ecs", "events", "logs", "scheduler"}  # what only the clean-ups ask: some allow five calls a second

log = logging.getLogger("operations.wiring")


def operations(context: Any) -> Operations:
    """What a handler works with, for one invocation. Raises ConfigError."""
    slack = _slack(_time(context))
    return Operations(
        config=slack.config,
        count=telemetry.count,
        time=slack.time,
        client=client,
        announce=functools.partial(announce, slack),
    )


def desk(context: Any) -> Desk:
    """What alarms are told with, for one invocation. Raises ConfigError."""
    slack = _slack(_time(context))
    table = slack.config.table
    return Desk(
        config=slack.config,
        slack=slack,
        once=Once(ledger=functools.partial(_ledger, table) if table else None, time=slack.time, count=telemetry.count),
        memory=Memory(table=table, client=_dynamodb, now=slack.time.now, count=telemetry.count),
        time=slack.time,
        count=telemetry.count,
    )


def announce(slack: Slack, message: Message) -> None:
    """Tell Slack what has been done. It stays done when nobody can be told, so this never raises."""
    try:
        slack.post(message)
    except DeliveryFailed as failed:
        log.error("could not announce", extra={"title": message.title, "said": str(failed)})  # noqa: TRY400


@functools.cache
def client(service: str, *, connect: float = 2, read: float = 5, attempts: int = 3) -> Any:
    """A boto3 client that gives up while there is still time to say so. boto3 loads with the first of them."""
    import boto3  # noqa: PLC0415 # half a second of CPU that an import at the top would cost every start
    from botocore.config import Config as Options  # noqa: PLC0415

    patient = service in PATIENT
    options = Options(
        connect_timeout=connect,
        read_timeout=read,
        retries={"mode": "adaptive" if patient else "standard", "total_max_attempts": 10 if patient else attempts},
    )
    make: Callable[..., Any] = boto3.client
    return make(service, config=options)


def _dynamodb() -> Any:
    """Slack must not wait for what is a convenience."""
    return client("dynamodb", connect=1, read=1, attempts=2)


def _slack(moment: Time) -> Slack:
    return Slack(config=_config(), vault=_vault(), send=sending.send, time=moment, count=telemetry.count)


def _time(context: Any) -> Time:
    """Lambda's context knows how many milliseconds are left."""
    return Time(
        now=lambda: datetime.now(UTC),
        sleep=time.sleep,
        remaining=lambda: context.get_remaining_time_in_millis() / 1000 - MARGIN,
    )


@functools.cache
def _config() -> Config:
    config = Config.from_env(os.environ)
    redaction.hide(config.notices.emails)
    return config


@functools.cache
def _vault() -> Vault:
    return Vault(_config().slack_secret, _secrets)


@functools.cache
def _secrets() -> Provider:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider  # noqa: PLC0415 # loads boto3

    return SecretsProvider(boto3_client=client("secretsmanager"))


@functools.cache
def _ledger(table: str) -> Ledger:
    from chalicelib.ledger import PowertoolsLedger  # noqa: PLC0415 # loads boto3

    return PowertoolsLedger(_dynamodb(), table)
