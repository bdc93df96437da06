"""The five functions as Lambda calls them: through Chalice and Powertools, with the real wiring."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.metrics.provider.cold_start import reset_cold_start_flag
from chalice.test import Client
from moto import mock_aws

import app
from chalicelib import controller, images, logs, redaction, settling, wiring
from chalicelib.messages import Message
from chalicelib.telemetry import HandlerFailed, logger
from scripts.places import ROOT
from tests.chalice_app import payloads
from tests.chalice_app.slack_server import Behaviour, SlackServer, serving
from tests.stubs.context import Context

HANDLERS = ("notify", "failover", "reconcile", "clean_images", "clean_logs")
TOKEN = "xoxb-2048-2048-inTheTestsOfTheApp"


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A new sandbox: nothing is cached, nothing is hidden, and the first invocation is a cold start."""
    monkeypatch.setattr(redaction, "_hidden", set())
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("ENVIRONMENT", "test")
    caches = (wiring._config, wiring._vault, wiring._secrets, wiring._ledger, wiring.client)
    reset_cold_start_flag()  # type: ignore[no-untyped-call]
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def settings(slack: SlackServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def given(**env: str) -> None:
        for key, value in ({"SLACK_SECRET": json.dumps({"webhook": slack.webhook})} | env).items():
            monkeypatch.setenv(key, value)

    return given


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the other handlers call, in its place a list of who was called."""
    called: list[str] = []

    def standing_in(name: str) -> Callable[..., dict[str, Any]]:
        def run(operations: Any, **_: Any) -> dict[str, Any]:
            called.append(name)
            operations.announce(Message(title=f"{name} was here"))
            return {}

        return run

    monkeypatch.setattr(controller, "run", standing_in("controller"))
    monkeypatch.setattr(images, "clean", standing_in("images"))
    monkeypatch.setattr(logs, "clean", standing_in("logs"))
    return called


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    return [line for line in lines if "_aws" in line]


def test_the_app_has_these_five_handlers_and_their_occasions() -> None:
    assert set(app.app.handler_map) == set(HANDLERS)
    sources: dict[str, Any] = {source.name: source for source in app.app.event_sources}
    assert {name for name, source in sources.items() if hasattr(source, "topic")} == {"notify", "failover"}
    assert sources["reconcile"].schedule_expression.to_string() == "rate(1 minute)"
    assert sources["clean_images"].schedule_expression.to_string() == "rate(1 day)"


@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("event", [{}, payloads.batch(payloads.metric()), {"id": "x", "detail": None}])
def test_every_handler_takes_any_event_and_leaves_a_metric(
    name: str,
    event: dict[str, Any],
    others: list[str],
    settings: Callable[..., None],
    slack: SlackServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings()
    with Client(app.app) as client:
        client.lambda_.invoke(name, event)
    (line,) = emitted(capsys)
    assert line["Invocations"] == [1.0]
    assert (line["environment"], line["service"]) == ("test", "operations")
    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Tandem/Operations"
    assert len(slack.got) == 1
    assert len(others) == (0 if name == "notify" else 1)


def test_an_alarm_reaches_slack(settings: Callable[..., None], slack: SlackServer) -> None:
    settings()
    event = payloads.batch(payloads.metric(), payloads.composite())
    assert app.notify(event, Context()) == {"records": 2}
    titles = [got.body["attachments"][0]["fallback"] for got in slack.got]
    assert titles == ["ALARM: tandem-test-database-cpuutilization", "ALARM: tandem-test-shop-down"]


def test_a_handler_that_cannot_deliver_raises_and_counts_it(
    settings: Callable[..., None], slack: SlackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    settings()
    slack.behaviours.append(Behaviour(status=404, body="no_service"))
    with pytest.raises(HandlerFailed, match="DeliveryFailed"):
        app.notify(payloads.batch(payloads.metric()), Context())
    (line,) = emitted(capsys)
    assert line["SlackDeliveryFailed"] == [1.0]


def test_what_lambda_writes_about_an_error_holds_no_secret(
    settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Any) -> None:
        raise ValueError(f"no such token: {TOKEN}")

    settings()
    monkeypatch.setattr(images, "clean", failing)
    with pytest.raises(HandlerFailed) as raised:
        app.clean_images({}, Context())
    assert TOKEN not in str(raised.value)
    assert raised.value.__suppress_context__


def test_settings_that_are_malformed_stop_the_handler(settings: Callable[..., None], slack: SlackServer) -> None:
    settings(ROUTES="{")
    with pytest.raises(HandlerFailed, match="ROUTES is malformed"):
        app.notify(payloads.batch(payloads.metric()), Context())
    assert slack.got == []


def test_the_look_by_the_clock_settles_alarms_even_when_the_controller_fails(
    settings: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Any) -> None:
        raise RuntimeError("ELB is away")

    settled: list[Any] = []
    settings()
    monkeypatch.setattr(controller, "run", failing)
    monkeypatch.setattr(settling, "settle", settled.append)
    with pytest.raises(HandlerFailed, match="ELB is away"):
        app.reconcile({}, Context())
    assert len(settled) == 1


def test_table_and_secret_are_found_in_aws(settings: Callable[..., None], slack: SlackServer) -> None:
    with mock_aws():
        content = json.dumps({"token": TOKEN, "channel": "#alarms", "api": f"{slack.url}/api"})
        made = boto3.client("secretsmanager").create_secret(Name="slack", SecretString=content)
        boto3.client("dynamodb").create_table(
            TableName="memory",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        settings(SLACK_SECRET=made["ARN"], TABLE="memory")
        for _ in range(2):
            app.notify(payloads.batch(payloads.metric(), payloads.recovery(payloads.metric())), Context())
    assert [got.path for got in slack.got] == ["/api/chat.postMessage", "/api/chat.postMessage", "/api/chat.update"]
    assert {got.authorization for got in slack.got} == {f"Bearer {TOKEN}"}
    assert slack.got[1].body["thread_ts"] == "1763847601.000100"


def test_a_line_of_the_log_says_whose_it_is(settings: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    settings(SLACK_SECRET="")
    app.notify(payloads.batch("hello"), Context())
    (record,) = [record for record in caplog.records if record.name == "operations.slack"]
    formatter = logger.registered_formatter
    assert isinstance(formatter, logging.Formatter)
    line = json.loads(formatter.format(record))
    assert (line["service"], line["function_name"], line["level"]) == ("operations", "test-ops-notify", "WARNING")
    assert line["message"] == "Slack is not set up"


def test_starting_loads_neither_boto3_nor_what_stands_on_it() -> None:
    """What is imported at the start is paid for by every cold start; the number of modules does not vary by machine."""
    program = (
        "import sys; before = set(sys.modules); import app; new = set(sys.modules) - before;"
        "print(len(new)); print(*sorted(name for name in new if name.count('.') == 0))"
    )
    done = subprocess.run(  # noqa: S603 # ourselves
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT / "chalice_app",
        capture_output=True,
        text=True,
        check=True,
    )
    number, names = done.stdout.splitlines()
    assert int(number) < 160  # 138 when this was written, of which Chalice and Powertools bring nearly all
    heavy = {"boto3", "aws_xray_sdk", "urllib3", "pydantic", "asyncio", "requests"}
    assert not heavy & set(names.split())
