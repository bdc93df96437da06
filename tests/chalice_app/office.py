"""A desk to test with: a clock that only sleeping moves, an outbox instead of Slack, a ledger in a dictionary."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.config import Config
from chalicelib.credentials import Vault
from chalicelib.memory import Memory
from chalicelib.notices import Desk
from chalicelib.once import Entry, Once
from chalicelib.operations import Time
from chalicelib.sending import Answer, Request
from chalicelib.slack import Slack
from tests.stubs.metrics import Metrics
from tests.stubs.parameters import Secrets

WEBHOOK = "https://hooks.slack.com/services/T0/B0/aVeryQuietPlace"
BY_WEBHOOK = json.dumps({"webhook": WEBHOOK})
BY_TOKEN = json.dumps({"token": "xoxb-0000-0000-aBotWithAName", "channel": "#alarms"})
START = datetime(2026, 11, 22, 21, 41, tzinfo=UTC)


@dataclass(slots=True)
class Clock:
    """`left` are the seconds that this invocation has; time that passes between two takes none of them."""

    moment: datetime = START
    left: float = 25.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.left -= seconds
        self.move(seconds)

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)

    @property
    def time(self) -> Time:
        return Time(now=lambda: self.moment, sleep=self.sleep, remaining=lambda: self.left)


@dataclass(slots=True)
class Outbox:
    """Takes what Slack would. `answers` come first, one a request; then all is taken but what holds `indigestible`."""

    answers: list[Answer | Exception] = field(default_factory=list)
    indigestible: str = ""
    sent: list[Request] = field(default_factory=list)
    tried: list[Request] = field(default_factory=list)

    def __call__(self, request: Request, timeout: float) -> Answer:
        assert 0 < timeout <= 5
        self.tried.append(request)
        answer = self.answers.pop(0) if self.answers else self._taken(request)
        if isinstance(answer, Exception):
            raise answer
        if answer.status == 200 and answer.document().get("ok", True):
            self.sent.append(request)
        return answer

    def _taken(self, request: Request) -> Answer:
        if self.indigestible and self.indigestible in json.dumps(request.body):
            return Answer(status=500)
        said = {"ok": True, "channel": "C024BE91L", "ts": f"17638476{len(self.tried):02}.000100"}
        return Answer(status=200, text=json.dumps(said) if request.token else "ok")

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        return [request.body for request in self.sent]

    @property
    def titles(self) -> list[str]:
        return [body["attachments"][0]["fallback"] for body in self.bodies]


@dataclass(slots=True)
class Book:
    """A ledger; with `reachable` off every call fails."""

    entries: dict[str, Entry] = field(default_factory=dict)
    reachable: bool = True

    def begin(self, key: str, seconds: float) -> Entry:
        assert self.reachable
        assert seconds > 0
        found: Entry = self.entries.get(key, "new")
        self.entries.setdefault(key, "busy")
        return found

    def finish(self, key: str) -> None:
        assert self.reachable
        self.entries[key] = "done"

    def abandon(self, key: str) -> None:
        assert self.reachable
        del self.entries[key]


@dataclass(slots=True)
class Office:
    """Everything that a desk is made of. `env` are settings besides the secret; `client` a DynamoDB client, if any."""

    secret: str = BY_WEBHOOK
    env: Mapping[str, str] = field(default_factory=dict)
    client: Callable[[], Any] | None = None
    clock: Clock = field(default_factory=Clock)
    outbox: Outbox = field(default_factory=Outbox)
    book: Book = field(default_factory=Book)
    metrics: Metrics = field(default_factory=Metrics)
    secrets: Secrets = field(default_factory=Secrets)

    @property
    def desk(self) -> Desk:
        config = Config.from_env({"ENVIRONMENT": "test", "SLACK_SECRET": self.secret, **self.env})
        config = replace(config, table="memory" if self.client else "")
        time, count = self.clock.time, self.metrics
        slack = Slack(
            config=config, vault=Vault(self.secret, lambda: self.secrets), send=self.outbox, time=time, count=count
        )
        memory = Memory(table=config.table, client=self.client or dict, now=time.now, count=count)
        once = Once(ledger=lambda: self.book, time=time, count=count)
        return Desk(config=config, slack=slack, once=once, memory=memory, time=time, count=count)
