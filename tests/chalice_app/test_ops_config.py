"""The settings of the operations app: whatever is malformed is found when they are read, and never quoted."""

import json
from typing import Any

import pytest

from chalicelib.config import DEFAULT, Config, ConfigError, Fallback, Notices, Route
from tests.chalice_app.office import BY_TOKEN, BY_WEBHOOK, WEBHOOK

ARN = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:tandem-dev-slack-AbCdEf"
FAILOVER = {
    "product": {
        "rules": ["arn:rule/1", "arn:rule/2"],
        "fargate": "arn:group/1",
        "fallback": "arn:group/2",
        "function": "tandem-dev-product",
        "alarms": ["a"],
        "database_alarms": ["b"],
    }
}


def test_everything_has_a_default() -> None:
    config = Config.from_env({})
    assert config == Config()
    assert config.routes == {DEFAULT: Route()}
    assert (config.healthy_minutes, config.hold_minutes, config.table) == (5, 10, "")


def test_everything_is_read() -> None:
    config = Config.from_env(
        {
            "ENVIRONMENT": "dev",
            "VERSION": "1.2.3",
            "SLACK_SECRET": ARN,
            "ROUTES": json.dumps({"critical": {"webhook": "pager", "mention": "<!subteam^S123>"}, "info": {}}),
            "TABLE": "t",
            "FAILOVER": json.dumps(FAILOVER),
            "HEALTHY_MINUTES": "3",
            "HOLD_MINUTES": "7",
            "CLEANUP": '{"repositories": ["r"], "log_prefixes": ["/l"], "retention_days": 30, "delete": true}',
            "NOTICES": '{"insufficient_data": "drop", "changes": 9, "minutes": 15, "emails": ["a@b.example"]}',
            "RUNBOOKS": "https://docs.example/runbooks",
        }
    )
    assert config.failover["product"] == Fallback(
        rules=("arn:rule/1", "arn:rule/2"),
        fargate="arn:group/1",
        fallback="arn:group/2",
        function="tandem-dev-product",
        alarms=("a",),
        database_alarms=("b",),
    )
    assert config.routes["critical"] == Route(webhook="pager", mention="<!subteam^S123>")
    assert config.notices == Notices(insufficient_data="drop", changes=9, minutes=15, emails=("a@b.example",))
    assert config.cleanup.delete
    assert (config.healthy_minutes, config.hold_minutes) == (3, 7)


@pytest.mark.parametrize("secret", ["", BY_TOKEN, BY_WEBHOOK, ARN, '{"webhook": "http://127.0.0.1:9/x"}'])
def test_a_secret_is_a_reference_or_the_thing_itself(secret: str) -> None:
    assert Config.from_env({"SLACK_SECRET": secret}).slack_secret == secret


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("SLACK_SECRET", "hunter2hunter2"),
        ("SLACK_SECRET", '{"webhook": "http://hooks.example/hunter2"}'),
        ("SLACK_SECRET", '{"token": ""}'),
        ("SLACK_SECRET", '{"password": "hunter2"}'),
        ("ROUTES", "[]"),
        ("ROUTES", '{"critical": "C1"}'),
        ("ROUTES", '{"Critical": {}}'),
        ("ROUTES", '{"critical": {"chanel": "C1"}}'),
        ("ROUTES", '{"critical": {"channel": "C1", "webhook": "pager"}}'),
        ("ROUTES", '{"critical": {"mention": "@channel"}}'),
        ("ROUTES", '{"critical": {"mention": "<!here> and more"}}'),
        ("ROUTES", '{"default": {"mention": "<!here>"}}'),
        ("ROUTES", '{"critical": {"webhook": "http://hooks.example"}}'),
        ("ROUTES", '{"critical": {"channel": 5}}'),
        ("FAILOVER", '{"product": {}}'),
        ("FAILOVER", json.dumps({"product": FAILOVER["product"] | {"rules": []}})),
        ("FAILOVER", json.dumps({"product": FAILOVER["product"] | {"rules": "arn"}})),
        ("FAILOVER", json.dumps({"product": FAILOVER["product"] | {"function": None}})),
        ("FAILOVER", json.dumps({"product": FAILOVER["product"] | {"alarm": []}})),
        ("HEALTHY_MINUTES", "0"),
        ("HOLD_MINUTES", "soon"),
        ("CLEANUP", '{"delete": "yes"}'),
        ("CLEANUP", '{"retention_days": 0}'),
        ("CLEANUP", "nothing"),
        ("NOTICES", '{"insufficient_data": "sometimes"}'),
        ("NOTICES", '{"changes": true}'),
        ("NOTICES", '{"change": 3}'),
        ("RUNBOOKS", "docs/operations.md"),
        ("RUNBOOKS", "http://docs.example"),
    ],
)
def test_what_is_malformed_is_named_and_not_quoted(key: str, value: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Config.from_env({key: value})
    assert key in str(raised.value)
    assert "hunter2" not in f"{raised.value!r}{raised.value.__cause__!r}"
    assert raised.value.__suppress_context__


def test_a_webhook_that_does_not_exist_is_found_where_the_secret_is_at_hand() -> None:
    routes = json.dumps({"critical": {"webhook": "pager"}})
    named = json.dumps({"webhook": WEBHOOK, "webhooks": {"pager": WEBHOOK}})
    assert "critical" in Config.from_env({"ROUTES": routes, "SLACK_SECRET": named}).routes
    with pytest.raises(ConfigError, match="a webhook that SLACK_SECRET does not have"):
        Config.from_env({"ROUTES": routes, "SLACK_SECRET": BY_WEBHOOK})


def test_a_configuration_does_not_show_its_secret() -> None:
    shown: Any = repr(Config.from_env({"SLACK_SECRET": BY_TOKEN}))
    assert "xoxb" not in shown
