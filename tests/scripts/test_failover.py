"""The operator's verb against the twin's control plane, and what it says when AWS says no."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from cfn.environments import ENVIRONMENTS, LOCAL
from chalicelib import rules
from scripts import failover, switchboard
from scripts.__main__ import main
from scripts.terminal import Problem
from scripts.twin.control.app import control_plane
from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.balancer import LoadBalancer
from tests.scripts.twin.balancing import served
from tests.scripts.twin.deployments import group_of, local


class Operator:
    """Says `tandem failover` on a twin whose containers of the product service are healthy."""

    def __init__(self, url: str, balancer: LoadBalancer, capture: pytest.CaptureFixture[str]) -> None:
        self.url, self.balancer, self._capture = url, balancer, capture

    def say(self, *words: str) -> str:
        """What is printed; a refusal is printed, too."""
        main(["failover", *words, "--env", "local", "--endpoint", self.url])
        printed = self._capture.readouterr()
        return printed.out + printed.err

    def placed(self, service: str = "product") -> dict[str, Any]:
        (one,) = [one for one in json.loads(self.say("status", "--json")) if one["service"] == service]
        return dict(one)

    @property
    def tags(self) -> dict[str, str]:
        rule = next(rule for rule in self.balancer.account.deployment.rules if rule.service == "product")
        return {key: value for key, value in rule.tags.items() if key.startswith("tandem:")}


@pytest.fixture
def operator(capsys: pytest.CaptureFixture[str]) -> Iterator[Operator]:
    balancer = LoadBalancer(Account(local(), lambda _: None), hurry=1)
    started: list[int] = []
    with twin(balancer, started):
        group = balancer.groups[group_of(local(), "product", "fargate").arn]
        balancer.register(group.value.arn, "127.0.0.1:1")
        group.targets[0].healthy = True
        yield Operator(f"http://127.0.0.1:{started[0]}", balancer, capsys)


@contextlib.contextmanager
def twin(balancer: LoadBalancer, started: list[int]) -> Iterator[None]:
    """Its control plane in a thread of its own: boto3 blocks."""
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served(control_plane(balancer)) as port:
            started.append(port)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        over.set()
        thread.join()


def test_status_shows_a_row_for_each_service(operator: Operator) -> None:
    head, *rows = operator.say("status").splitlines()
    assert head.split()[:3] == ["service", "answered", "by"]
    assert [row.split()[:3] for row in rows] == [
        [service.name, "containers", "100/0"] for service in sorted(LOCAL.services, key=lambda one: one.priority)
    ]
    assert "1 of 1 healthy" in rows[0]
    assert "1 registered" in rows[0]


def test_a_move_by_hand_moves_holds_and_says_who(operator: Operator) -> None:
    assert "0/100" in operator.say("to-lambda", "--service", "product", "--reason", "load test")
    placed = operator.placed()
    assert (placed["weights"], placed["hold"]) == ({"fargate": 0, "lambda": 100}, "until released")
    assert placed["reason"].startswith("by hand: ")
    assert placed["reason"].endswith(" - load test")
    assert operator.placed("order")["weights"] == {"fargate": 100, "lambda": 0}
    since = operator.tags[rules.SINCE]
    operator.say("to-lambda", "--service", "product", "--for", "30m")
    assert operator.tags[rules.SINCE] == since
    assert operator.tags[rules.HOLD].startswith("until 2")
    operator.say("to-fargate", "--service", "product")
    assert operator.placed()["weights"] == {"fargate": 100, "lambda": 0}


def test_hold_and_release_leave_weights_and_state_alone(operator: Operator) -> None:
    operator.say("to-lambda", "--service", "product")
    operator.say("release")
    assert rules.HOLD not in operator.tags
    assert operator.tags[rules.RUNTIME] == "lambda"
    operator.say("hold", "--for", "2h")
    assert operator.tags[rules.HOLD].startswith("until 2")
    assert operator.tags[rules.RUNTIME] == "lambda"
    assert operator.placed()["weights"] == {"fargate": 0, "lambda": 100}


def test_nobody_is_sent_where_nobody_answers_unless_forced(operator: Operator) -> None:
    operator.say("to-lambda", "--service", "product")
    operator.balancer.groups[group_of(local(), "product", "fargate").arn].targets[0].healthy = False
    assert "No container of product is healthy; --force" in operator.say("to-fargate", "--service", "product")
    assert operator.placed()["weights"] == {"fargate": 0, "lambda": 100}
    operator.say("to-fargate", "--service", "product", "--force")
    assert operator.placed()["weights"] == {"fargate": 100, "lambda": 0}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("status", "--env", "mars"), "There is no environment 'mars'"),
        (("status", "--service", "cart"), "There is no service 'cart'; there are product, order, frontend."),
        (("to-lambda",), "Say what moves: --service product, or --all."),
        (("hold", "--for", "soon"), "--for takes a time such as 30m, 2h or 1d, not 'soon'."),
        (("release", "--for", "1h"), "release holds nothing"),
        (("status", "--endpoint", "http://127.0.0.1:9"), "Nothing answers at http://127.0.0.1:9: is"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_done_is_one_sentence(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    env = () if "--env" in words else ("--env", "local")
    assert main(["failover", *words, *env]) == 1
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NoCredentialsError(), "There are no AWS credentials"),
        (EndpointConnectionError(endpoint_url="https://x"), "AWS cannot be reached"),
        ("ExpiredToken", "expired or are not valid"),
        ("InvalidClientTokenId", "expired or are not valid"),
        ("TargetGroupNotFoundException", "There is no environment dev in this account and region"),
        ("AccessDenied", "You may not do this: no"),
        ("Throttling", "AWS refused ModifyRule: no"),
        (rules.Unsuitable("The rule x does not"), "The rule x does not"),
    ],
    ids=str,
)
def test_what_aws_refuses_is_one_sentence(error: Exception | str, sentence: str) -> None:
    raised = error if isinstance(error, Exception) else refusal(error)

    def action() -> None:
        raise raised

    with pytest.raises(Problem, match=sentence):
        switchboard.in_sentences(action, ENVIRONMENTS["dev"], "")


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "ModifyRule")


@pytest.mark.parametrize(("text", "expected"), [("30m", {"minutes": 30}), ("2h", {"hours": 2}), ("1d", {"days": 1})])
def test_a_duration_is_a_number_and_a_unit(text: str, expected: dict[str, int]) -> None:
    assert failover.duration(text) == timedelta(**expected)


@pytest.mark.parametrize("text", ["", "0m", "-1h", "1w", "1.5h", "10", "99999999d"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(Problem):
        failover.duration(text)
