"""Where a message goes, by which way, and what happens when the credentials have changed."""

import json
from dataclasses import replace

import pytest

from chalicelib.credentials import Vault
from chalicelib.delivery import DeliveryFailed
from chalicelib.messages import Message, Posted
from chalicelib.redaction import redact
from chalicelib.sending import Answer
from chalicelib.slack import Slack
from chalicelib.wiring import announce
from tests.chalice_app.office import BY_TOKEN, WEBHOOK, Office
from tests.stubs.parameters import Secrets

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:tandem-test-slack-AbCdEf"
ROUTES = {
    "critical": {"channel": "#pager", "mention": "<!here>"},
    "warning": {"webhook": "quiet"},
    "default": {"channel": "#alarms-all"},
}
CRITICAL = Message(title="down", severity="critical", mention=True)
PLAIN = Message(title="so-so")


def office(secret: str = BY_TOKEN, routes: object = ROUTES) -> Office:
    return Office(secret=secret, env={"ROUTES": json.dumps(routes)})


def by_hooks(**hooks: str) -> str:
    return json.dumps({"webhook": WEBHOOK, "webhooks": hooks})


def with_secrets(secrets: Secrets) -> tuple[Slack, Office]:
    made = Office(secret=ARN)
    return replace(made.desk.slack, vault=Vault(ARN, lambda: secrets)), made


def test_a_bot_posts_to_the_channel_of_the_severity() -> None:
    here = office(routes={name: route for name, route in ROUTES.items() if name != "warning"})
    posted = here.desk.slack.post(CRITICAL)
    here.desk.slack.post(PLAIN)
    here.desk.slack.post(replace(PLAIN, severity="unheard-of"))
    assert [body["channel"] for body in here.outbox.bodies] == ["#pager", "#alarms-all", "#alarms-all"]
    assert here.outbox.sent[0].url == "https://slack.com/api/chat.postMessage"
    assert (posted.channel, posted.ts) == ("C024BE91L", "1763847601.000100")


def test_only_the_route_with_a_mention_calls_somebody() -> None:
    here = office(routes={"critical": {"mention": "<!here>"}})
    for message in (CRITICAL, replace(CRITICAL, severity="default"), replace(CRITICAL, mention=False)):
        here.desk.slack.post(message)
    assert [body.get("text") for body in here.outbox.bodies] == ["<!here> down", None, None]


def test_webhooks_are_chosen_by_name_and_the_default_one_takes_the_rest() -> None:
    here = office(by_hooks(quiet=f"{WEBHOOK}/quiet"), {"warning": {"webhook": "quiet"}})
    here.desk.slack.post(replace(PLAIN, severity="warning"))
    here.desk.slack.post(CRITICAL)
    assert [request.url for request in here.outbox.sent] == [f"{WEBHOOK}/quiet", WEBHOOK]
    assert "channel" not in here.outbox.bodies[0]


def test_a_route_may_name_the_address_of_its_webhook() -> None:
    here = office(routes={"warning": {"webhook": f"{WEBHOOK}/direct"}})
    here.desk.slack.post(replace(PLAIN, severity="warning"))
    assert here.outbox.sent[0].url == f"{WEBHOOK}/direct"


def test_a_bot_without_a_channel_fails_and_is_counted() -> None:
    here = office(json.dumps({"token": "xoxb-0000-0000-x"}), {})
    with pytest.raises(DeliveryFailed, match="neither a webhook nor a channel"):
        here.desk.slack.post(PLAIN)
    assert here.metrics.counted == {"SlackDeliveryFailed": 1}


def test_where_slack_is_not_set_up_the_message_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    here = office("", {})
    assert here.desk.slack.post(replace(PLAIN, text="all of it")) == Posted()
    assert here.metrics.counted == {"SlackNotConfigured": 1}
    assert "all of it" in json.dumps(caplog.records[-1].__dict__["unheard"])


def test_a_token_that_slack_no_longer_knows_is_asked_for_again_once() -> None:
    secrets = Secrets({ARN: BY_TOKEN})
    slack, here = with_secrets(secrets)
    slack.post(PLAIN)
    secrets.values[ARN] = BY_TOKEN.replace("xoxb-0000", "xoxb-1111")
    here.outbox.answers.append(Answer(status=200, text='{"ok": false, "error": "token_revoked"}'))
    slack.post(PLAIN)
    assert here.outbox.sent[-1].token.startswith("xoxb-1111")
    assert secrets.asked == 2


def test_a_token_that_is_the_same_is_not_tried_again() -> None:
    slack, here = with_secrets(Secrets({ARN: BY_TOKEN}))
    here.outbox.answers.append(Answer(status=200, text='{"ok": false, "error": "invalid_auth"}'))
    with pytest.raises(DeliveryFailed):
        slack.post(PLAIN)
    assert len(here.outbox.tried) == 1
    assert here.metrics.counted == {"SlackDeliveryFailed": 1}


def test_an_old_secret_serves_while_the_store_is_away() -> None:
    secrets = Secrets({ARN: BY_TOKEN})
    slack, here = with_secrets(secrets)
    slack.post(PLAIN)
    secrets.expire()
    secrets.reachable = False
    slack.post(PLAIN)
    assert len(here.outbox.sent) == 2


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"webhook": "ftp://x"}', '{"tokn": "x"}', '{"token": 5}'])
def test_without_a_secret_that_can_be_read_a_message_fails(content: str) -> None:
    slack, here = with_secrets(Secrets({ARN: content}))
    with pytest.raises(DeliveryFailed) as raised:
        slack.post(PLAIN)
    assert content not in str(raised.value) or not content
    assert here.metrics.counted == {"SlackDeliveryFailed": 1}


def test_a_secret_that_nobody_has_filled_in_is_no_slack() -> None:
    slack, here = with_secrets(Secrets({ARN: "{}"}))
    slack.post(PLAIN)
    assert here.outbox.tried == []
    assert here.metrics.counted == {"SlackNotConfigured": 1}


def test_credentials_are_hidden_as_soon_as_they_are_known() -> None:
    token = "an-unusual-token-for-a-stand-in"
    slack, _ = with_secrets(Secrets({ARN: json.dumps({"token": token, "channel": "#c"})}))
    slack.post(PLAIN)
    assert token not in redact(f"the token is {token}!")


def test_a_reply_to_a_thread_that_is_gone_is_posted_where_it_belongs() -> None:
    here = office(routes={})
    here.outbox.answers.append(Answer(status=200, text='{"ok": false, "error": "thread_not_found"}'))
    here.desk.slack.post(PLAIN, thread=Posted(channel="C1", ts="1.2", rendered="{}"))
    assert here.outbox.tried[0].body["thread_ts"] == "1.2"
    assert "thread_ts" not in here.outbox.bodies[0]


def test_a_reply_to_what_a_webhook_posted_is_a_message_of_its_own() -> None:
    here = office(by_hooks(), {})
    here.desk.slack.post(PLAIN, thread=Posted(rendered="{}"))
    assert "thread_ts" not in here.outbox.bodies[0]


def test_a_colour_that_cannot_be_changed_fails_nothing() -> None:
    here = office(routes={})
    posted = here.desk.slack.post(replace(CRITICAL, tone="alarm"))
    here.outbox.answers.append(Answer(status=200, text='{"ok": false, "error": "cant_update_message"}'))
    here.desk.slack.recolour(posted, "ok")
    here.desk.slack.recolour(Posted(), "ok")
    assert len(here.outbox.tried) == 2


def test_announcing_never_raises() -> None:
    here = office(routes={})
    here.clock.left = 0
    announce(here.desk.slack, PLAIN)
    assert here.metrics.counted == {"SlackDeliveryFailed": 1}
