"""How often a message is tried, and how long is waited: by a clock that is set, and over real sockets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.delivery import LONGEST_WAIT, DeliveryFailed, deliver
from chalicelib.sending import Answer, Request, Unreachable, send
from tests.chalice_app.office import Clock, Outbox
from tests.chalice_app.slack_server import RESET, Behaviour, SlackServer, closed_port, serving

BY_HOOK = Request(url="https://hooks.example/x", body={"a": 1})
BY_API = Request(url="https://slack.example/api/chat.postMessage", body={"a": 1}, token="xoxb-test")
LIMITED = Answer(status=429, text="", retry_after=3)


def attempt(request: Request, *answers: Answer | Exception, left: float = 25.0) -> tuple[Outbox, Clock]:
    outbox, clock = Outbox(answers=list(answers)), Clock(left=left)
    deliver(request, outbox, clock.time, jitter=lambda: 1.0)
    return outbox, clock


def refusal(request: Request, *answers: Answer | Exception, left: float = 25.0) -> tuple[DeliveryFailed, Outbox, Clock]:
    outbox, clock = Outbox(answers=list(answers)), Clock(left=left)
    with pytest.raises(DeliveryFailed) as raised:
        deliver(request, outbox, clock.time, jitter=lambda: 1.0)
    return raised.value, outbox, clock


def api(error: str) -> Answer:
    return Answer(status=200, text=json.dumps({"ok": False, "error": error}))


def test_too_many_requests_waits_as_long_as_slack_says() -> None:
    _, clock = attempt(BY_HOOK, LIMITED, Answer(status=429, retry_after=1.5))
    assert clock.slept == [3, 1.5]


def test_an_answer_that_says_no_time_waits_like_any_other_fault() -> None:
    _, clock = attempt(BY_HOOK, Answer(status=429))
    assert clock.slept == [0.5]


def test_a_wait_beyond_the_cap_or_the_budget_is_left_to_lambda() -> None:
    for left, asked in ((1000.0, LONGEST_WAIT + 1), (5.0, 5.0)):
        _, outbox, clock = refusal(BY_HOOK, Answer(status=429, retry_after=asked), left=left)
        assert clock.slept == []
        assert len(outbox.tried) == 1


@pytest.mark.parametrize("fault", [Answer(status=500), Answer(status=503), Unreachable("ConnectionResetError")])
def test_other_faults_back_off_exponentially(fault: Answer | Exception) -> None:
    _, clock = attempt(BY_HOOK, *[fault] * 5)
    assert clock.slept == [0.5, 1, 2, 4, 8]


def test_backing_off_is_shortened_by_chance_but_never_by_more_than_half() -> None:
    clock = Clock()
    deliver(BY_HOOK, Outbox(answers=[Answer(status=500)] * 3), clock.time, jitter=lambda: 0.0)
    assert clock.slept == [0.25, 0.5, 1]


def test_it_stops_before_the_time_is_up() -> None:
    _, outbox, clock = refusal(BY_HOOK, *[Answer(status=500)] * 50, left=7.0)
    assert clock.left > 0
    assert len(outbox.tried) == 4


def test_without_time_nothing_is_tried_and_that_is_a_failure() -> None:
    failed, outbox, _ = refusal(BY_HOOK, left=0.1)
    assert outbox.tried == []
    assert "no time" in str(failed)


def test_with_all_the_time_in_the_world_the_attempts_are_counted() -> None:
    _, outbox, _ = refusal(BY_HOOK, *[Answer(status=500)] * 50, left=1e6)
    assert len(outbox.tried) == 8


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 410, 413])
def test_no_other_refusal_is_tried_again(status: int) -> None:
    failed, outbox, clock = refusal(BY_HOOK, Answer(status=status, text="no_service"))
    assert (len(outbox.tried), clock.slept) == (1, [])
    assert failed.reason == "no_service"


def test_what_the_web_api_refuses_with_status_200_is_refused() -> None:
    failed, outbox, _ = refusal(BY_API, api("channel_not_found"))
    assert (failed.reason, len(outbox.tried)) == ("channel_not_found", 1)


def test_what_the_web_api_says_to_try_again_is_tried_again() -> None:
    outbox, _ = attempt(BY_API, api("internal_error"), api("ratelimited"), LIMITED)
    assert len(outbox.tried) == 4


def test_an_answer_that_is_not_slack_s_is_no_success() -> None:
    failed, _, _ = refusal(BY_API, Answer(status=200, text="<html>a proxy</html>"))
    assert "status 200" in str(failed)


def test_what_slack_says_is_redacted() -> None:
    failed, _, _ = refusal(BY_HOOK, Answer(status=400, text="bad xoxb-123456789-abcdef"))
    assert "xoxb" not in f"{failed} {failed.reason}"


# over real sockets


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with serving() as server:
        yield server


def over(slack: SlackServer, left: float = 25.0, **options: Any) -> tuple[Answer, Clock]:
    clock = Clock(left=left)
    request = Request(url=f"{slack.webhook}?a=1", body={"text": "ünï"}, **options)
    return deliver(request, send, clock.time, jitter=lambda: 1.0), clock


def test_a_message_arrives_as_json(slack: SlackServer) -> None:
    slack.behaviours.append(Behaviour(body='{"ok": true}'))
    over(slack, token="xoxb-test")
    (got,) = slack.got
    assert (got.path, got.body) == ("/services/T0/B0/secret?a=1", {"text": "ünï"})
    assert got.authorization == "Bearer xoxb-test"


def test_every_fault_of_a_server_that_passes_is_passed_over(slack: SlackServer) -> None:
    slack.behaviours += [
        Behaviour(status=429, headers=(("Retry-After", "2"),)),
        Behaviour(status=500),
        RESET,
        Behaviour(status=503, headers=(("Retry-After", "soon"),)),
    ]
    answer, clock = over(slack)
    assert (answer.status, answer.text) == (200, "ok")
    assert clock.slept == [2, 1, 2, 4]
    assert len(slack.got) == 5


def test_a_server_that_does_not_answer_is_waited_for_only_so_long(slack: SlackServer) -> None:
    slack.behaviours.append(Behaviour(pause=30))
    with pytest.raises(Unreachable, match="TimeoutError"):
        send(Request(url=slack.webhook, body={}), 0.1)


def test_a_redirect_is_not_followed(slack: SlackServer) -> None:
    slack.behaviours.append(Behaviour(status=302, headers=(("Location", f"{slack.url}/elsewhere"),)))
    with pytest.raises(DeliveryFailed):
        over(slack)
    assert len(slack.got) == 1


def test_a_place_where_nobody_listens_is_unreachable_and_not_named() -> None:
    with pytest.raises(Unreachable) as raised:
        send(Request(url=f"http://127.0.0.1:{closed_port()}/secret", body={}), 1)
    assert str(raised.value) == "ConnectionRefusedError"
