"""Secrets by reference: what is fetched, how often, and what serves while nothing can be."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities import parameters
from botocore.stub import Stubber

from services.chassis.errors import Unavailable
from services.chassis.secrets import LIFETIME, RETRY, Fetch, Reference, Secrets, Version, secrets_manager

ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:tandem-dev/order-AbCdEf"
OTHER = "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:keys-AbCdEf"


class Store:
    """Secrets Manager as far as we ask it. What is not in it cannot be read."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.asked: list[Version] = []

    def __call__(self, version: Version) -> str:
        self.asked.append(version)
        name = version.arn.rpartition(":")[2].rpartition("-")[0].rpartition("/")[2]
        return self.texts[name]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    return Store(order=json.dumps({"username": "order_svc", "password": "hunter2", "port": 5432}), keys="a key ring")


ENV = {
    "PLAIN": "value",
    "ELSEWHERE": "arn:aws:s3:::bucket",
    "DATABASE_USER": f"{ARN}:username::",
    "DATABASE_PASSWORD": f"{ARN}:password::",
    "KEYS": OTHER,
}


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        (ARN, Reference(Version(ARN))),
        (f"{ARN}:password::", Reference(Version(ARN), "password")),
        (f"{ARN}:::", Reference(Version(ARN))),
        (f"{ARN}::AWSPREVIOUS:", Reference(Version(ARN, "AWSPREVIOUS"))),
        (f"{ARN}:key:stage:id", Reference(Version(ARN, "stage", "id"), "key")),
        (f"{ARN}:password", None),
        (f" {ARN}", None),
        ("arn:aws:secretsmanager:us-east-1", None),
        ("arn:aws:ssm:us-east-1:123456789012:parameter/x", None),
        ("", None),
    ],
)
def test_a_reference_has_the_form_that_ecs_resolves(text: str, reference: Reference | None) -> None:
    assert Reference.parse(text) == reference


def test_references_are_replaced_and_all_else_stays(store: Store) -> None:
    assert Secrets(ENV, fetch=store).environment() == {
        "PLAIN": "value",
        "ELSEWHERE": "arn:aws:s3:::bucket",
        "DATABASE_USER": "order_svc",
        "DATABASE_PASSWORD": "hunter2",
        "KEYS": "a key ring",
    }


def test_a_member_that_is_no_text_is_given_as_json(store: Store) -> None:
    assert Secrets({"PORT": f"{ARN}:port::"}, fetch=store).environment() == {"PORT": "5432"}


def test_each_version_of_a_secret_is_fetched_once(store: Store) -> None:
    env = {**ENV, "OLD": f"{ARN}:password:AWSPREVIOUS:"}
    secrets = Secrets(env, fetch=store)
    assert secrets.environment() is secrets.environment()
    assert store.asked == [Version(ARN), Version(OTHER), Version(ARN, "AWSPREVIOUS")]


def test_an_environment_without_references_asks_nobody() -> None:
    """Nor loads the SDK, which is no dependency of ours where AWS does not bring it."""
    assert Secrets({"PLAIN": "value"}).environment() == {"PLAIN": "value"}


def test_the_environment_is_taken_once() -> None:
    """Lambda's runtime writes the trace of each event into it."""
    env = {"TRACE": "1"}
    secrets = Secrets(env)
    first = secrets.environment()
    env["TRACE"] = "2"
    assert secrets.environment() is first


def test_values_are_read_again_after_their_lifetime(store: Store, clock: Clock) -> None:
    secrets = Secrets(ENV, fetch=store, clock=clock)
    first = secrets.environment()
    clock.now = LIFETIME - 1
    store.texts["keys"] = "new keys"
    assert secrets.environment() is first
    clock.now = LIFETIME
    assert secrets.environment()["KEYS"] == "new keys"
    assert len(store.asked) == 4


def test_values_that_did_not_change_are_the_same_object(store: Store, clock: Clock) -> None:
    """By this the handler knows that it need not build the app anew."""
    secrets = Secrets(ENV, fetch=store, clock=clock)
    first = secrets.environment()
    clock.now = LIFETIME
    assert secrets.environment() is first
    assert len(store.asked) == 4


def test_old_values_serve_while_new_ones_cannot_be_read(
    store: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = Secrets(ENV, fetch=store, clock=clock)
    first = secrets.environment()
    texts, store.texts = store.texts, {}
    clock.now = LIFETIME
    assert secrets.environment() is first
    assert caplog.records[-1].getMessage() == "secrets not read"
    assert secrets.environment() is first
    assert len(store.asked) == 3, "it is not asked at every event"
    store.texts = texts | {"keys": "new keys"}
    clock.now += RETRY
    assert secrets.environment()["KEYS"] == "new keys"


@pytest.mark.parametrize("whole", ["not json", "[]", '{"user": "x"}', "null", "7"])
def test_old_values_serve_while_new_ones_make_no_sense(store: Store, clock: Clock, whole: str) -> None:
    secrets = Secrets(ENV, fetch=store, clock=clock)
    first = secrets.environment()
    store.texts["order"] = whole
    clock.now = LIFETIME
    assert secrets.environment() is first


def test_without_any_value_there_is_no_environment_and_the_next_event_asks_again(store: Store) -> None:
    secrets = Secrets(ENV, fetch=store)
    texts, store.texts = store.texts, {}
    for _ in range(2):
        with pytest.raises(Unavailable):
            secrets.environment()
    assert len(store.asked) == 2
    store.texts = texts
    assert secrets.environment()["KEYS"] == "a key ring"


def test_no_secret_is_quoted_when_it_makes_no_sense(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.texts["order"] = '{"hunter2": "hunter2"'
    with pytest.raises(Unavailable) as refused:
        Secrets(ENV, fetch=store).environment()
    assert "hunter2" not in caplog.text + str(refused.value) + repr(refused.value.__cause__)


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Fetch, Stubber]]:
    """Secrets Manager as boto3 speaks to it, through Powertools; every answer is told beforehand."""

    def made() -> tuple[Fetch, Stubber]:
        for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(key, "none")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        client = boto3.client("secretsmanager", region_name="us-east-1")
        given: dict[str, Any] = {}

        class Provider(parameters.SecretsProvider):
            def __init__(self, **options: Any) -> None:
                given.update(options)
                super().__init__(boto3_client=client)

        monkeypatch.setattr(parameters, "SecretsProvider", Provider)
        fetch = secrets_manager()
        config = given["boto_config"]
        assert 3 * (config.connect_timeout + config.read_timeout) < 10
        return fetch, Stubber(client)

    return made


def test_secrets_manager_is_asked_through_powertools(manager: Callable[[], tuple[Fetch, Stubber]]) -> None:
    fetch, stubber = manager()
    stubber.add_response("get_secret_value", {"SecretString": "text"}, {"SecretId": ARN})
    stubber.add_response("get_secret_value", {"SecretString": "newer"}, {"SecretId": ARN})
    old = {"SecretId": ARN, "VersionStage": "AWSPREVIOUS", "VersionId": "x" * 32}
    stubber.add_response("get_secret_value", {"SecretBinary": b"bytes"}, old)
    with stubber:
        assert [fetch(Version(ARN)), fetch(Version(ARN))] == ["text", "newer"]
        assert fetch(Version(ARN, "AWSPREVIOUS", "x" * 32)) == "bytes"
    stubber.assert_no_pending_responses()


def test_a_refusal_of_secrets_manager_is_an_unavailable_secret(manager: Callable[[], tuple[Fetch, Stubber]]) -> None:
    fetch, stubber = manager()
    stubber.add_client_error("get_secret_value", "AccessDeniedException", "User is not authorized", 400)
    with stubber, pytest.raises(Unavailable):
        Secrets({"KEYS": ARN}, fetch=fetch).environment()
