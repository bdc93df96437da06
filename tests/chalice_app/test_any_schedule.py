"""2,000 scheduled events that nobody would send: what a handler does hangs on AWS and not on what woke it."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import app
from chalicelib import settling, wiring
from chalicelib.config import Cleanup, Config
from tests.chalice_app.balancing import ALONE, CONFIG, DATABASE, ERRORS, Alarms, Balancer, Functions
from tests.chalice_app.log_groups import Groups
from tests.chalice_app.registry import Ecs, Events, ImageFunctions, Registry, Scheduler
from tests.chalice_app.stage import NOON, Stage
from tests.stubs.context import Context

EVENTS = 2_000
SCHEDULED = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "123456789012",
    "time": "2026-06-01T12:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:123456789012:rule/reconcile"],
    "detail": {},
}
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    1e308,
    "",
    "\x00",
    "\ud800",
    "x" * 10_000,
    [],
    {},
    [[[]]],
    {"": None},
    b"bytes",
    float("nan"),
)


def mutated(number: int) -> object:
    chance = random.Random(number)
    if chance.random() < 0.2:
        return chance.choice(VALUES)
    event: dict[Any, Any] = dict(SCHEDULED)
    for _ in range(chance.randint(1, 4)):
        key = chance.choice([*event, chance.choice(("Records", "detail", 7, ""))])
        if chance.random() < 0.4:
            event.pop(key, None)
        else:
            event[key] = chance.choice((*VALUES, dict(SCHEDULED)))
    return event


def moving() -> Stage:
    alarms = Alarms(dict.fromkeys((ALONE, ERRORS, DATABASE), ("OK", NOON - timedelta(hours=1))))
    clients: dict[str, Any] = {"elbv2": Balancer(), "cloudwatch": alarms, "lambda": Functions()}
    return Stage(CONFIG, clients.__getitem__)


def cleaning() -> Stage:
    groups, registry = Groups(), Registry()
    groups.add("tandem-dev-api", 7)
    registry.put("shop", "old", days=99)
    clients: dict[str, Any] = {
        "logs": groups,
        "ecr": registry,
        "ecs": Ecs(definitions={"first": "nginx"}),
        "lambda": ImageFunctions(),
        "events": Events(),
        "scheduler": Scheduler(),
    }
    config = Config(cleanup=Cleanup(repositories=("shop",), log_prefixes=("tandem-dev-",)))
    return Stage(config, clients.__getitem__)


@pytest.mark.parametrize(
    ("part", "handler", "make"),
    [
        (0, app.failover, moving),
        (1, app.reconcile, moving),
        (2, app.clean_images, cleaning),
        (3, app.clean_logs, cleaning),
    ],
    ids=["failover", "reconcile", "clean_images", "clean_logs"],
)
def test_no_scheduled_event_is_unhandled(
    part: int, handler: Callable[..., object], make: Callable[[], Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = make()
    monkeypatch.setattr(wiring, "operations", lambda _: stage.operations)
    monkeypatch.setattr(wiring, "desk", lambda _: None)
    monkeypatch.setattr(settling, "settle", lambda _: None)
    expected = handler(dict(SCHEDULED), Context())
    for number in range(part, EVENTS, 4):
        assert handler(mutated(number), Context()) == expected
