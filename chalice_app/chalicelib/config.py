"""The settings of the operations app, read once from the environment; whatever is malformed stops the start.

The build reads them too, with what the templates will set, so that a bad route is found there and not by an alarm.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar, get_args

from chalicelib import values

T = TypeVar("T")
Policy = Literal["post", "quiet", "drop"]
DEFAULT = "default"  # the route of whatever no other route wants

_ARN = re.compile(r"arn:[\w-]+:secretsmanager:[\w-]*:\d*:secret:\S+")
_MENTION = re.compile(r"<!(?:here|channel|everyone)>|<@[UW][A-Z0-9]+>|<!subteam\^S[A-Z0-9]+>")


class ConfigError(Exception):
    """A setting is missing or malformed; the message names its key and never its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where messages of one severity go. `webhook` is a URL, or the name of one in the Slack secret.

    `mention` is Slack's own markup and is written only on an alarm that has just been raised.
    """

    channel: str | None = None
    webhook: str | None = None
    mention: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """One service of the failover controller; `rules`, `fargate` and `fallback` are ARNs, alarms are names."""

    rules: tuple[str, ...]
    fargate: str
    fallback: str
    function: str
    alarms: tuple[str, ...] = ()
    database_alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleanup:
    """What may be cleaned. `options` holds what the cleaners read besides, as it was given."""

    repositories: tuple[str, ...] = ()
    log_prefixes: tuple[str, ...] = ()
    retention_days: int = 7
    delete: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """How changes are told. More than `changes` of one alarm within `minutes` become one summary.

    `quiet` is one grey line without a mention; `drop` is a metric and a line in the log. Addresses in `emails` are
    secrets here: they are redacted like keys.
    """

    insufficient_data: Policy = "quiet"
    ok_from_insufficient_data: Policy = "quiet"
    changes: int = 5
    minutes: int = 10
    emails: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """`slack_secret` is the ARN of a secret, or its content; `runbooks` and `table` are empty where there is none."""

    environment: str = "local"
    version: str = "dev"
    slack_secret: str = field(default="", repr=False)
    routes: Mapping[str, Route] = field(default_factory=lambda: {DEFAULT: Route()})
    table: str = ""
    failover: Mapping[str, Fallback] = field(default_factory=dict)
    healthy_minutes: float = 5
    hold_minutes: float = 10
    cleanup: Cleanup = field(default_factory=Cleanup)
    notices: Notices = field(default_factory=Notices)
    runbooks: str = ""

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read and check. Raises ConfigError."""
        secret = _read(env, "SLACK_SECRET", _slack_secret, "")
        routes = _read(env, "ROUTES", _routes, "{}")
        _check_webhooks(routes, secret)
        return cls(
            environment=env.get("ENVIRONMENT", "local"),
            version=env.get("VERSION", "dev"),
            slack_secret=secret,
            routes=routes,
            table=env.get("TABLE", ""),
            failover=_read(env, "FAILOVER", _failover, "{}"),
            healthy_minutes=_read(env, "HEALTHY_MINUTES", values.minutes, "5"),
            hold_minutes=_read(env, "HOLD_MINUTES", values.minutes, "10"),
            cleanup=_read(env, "CLEANUP", _cleanup, "{}"),
            notices=_read(env, "NOTICES", _notices, "{}"),
            runbooks=_read(env, "RUNBOOKS", values.address, ""),
        )


def slack_document(text: str) -> Mapping[str, Any]:
    """The Slack secret's JSON: `{"webhook": URL, "webhooks": {name: URL}}` or `{"token": …, "channel": …}`.

    Raises ValueError without quoting it.
    """
    document = values.members(json.loads(text), "webhook", "webhooks", "token", "channel", "api")
    for url in (document.get("webhook"), *document.get("webhooks", {}).values()):
        if url is not None:
            values.address(url)
    if not (document.get("webhook") or document.get("webhooks") or document.get("token")):
        raise ValueError("a webhook or a token is required")
    return document


def _read(env: Mapping[str, str], key: str, cast: Callable[[str], T], default: str) -> T:
    try:
        return cast(env.get(key, default) or default)
    except (ValueError, TypeError, KeyError, AttributeError):
        # The cause is left out on purpose: it quotes the value, which may be a secret.
        raise ConfigError(f"{key} is malformed") from None


def _check_webhooks(routes: Mapping[str, Route], secret: str) -> None:
    """That the webhooks which routes name exist, if the secret is here; in the store it is found out by using it."""
    known = slack_document(secret).get("webhooks", {}) if secret and not _ARN.fullmatch(secret) else None
    for route in routes.values():
        if known is not None and route.webhook and values.NAME.fullmatch(route.webhook) and route.webhook not in known:
            raise ConfigError("ROUTES names a webhook that SLACK_SECRET does not have")


def _slack_secret(text: str) -> str:
    if text and not _ARN.fullmatch(text):
        slack_document(text)
    return text


def _routes(text: str) -> Mapping[str, Route]:
    routes = {values.name(severity): _route(entry) for severity, entry in json.loads(text).items()}
    if routes.get(DEFAULT, Route()).mention:
        raise ValueError("what has no route of its own calls nobody")
    return {DEFAULT: Route()} | routes


def _route(entry: Mapping[str, Any]) -> Route:
    route = Route(**values.strings(values.members(entry, "channel", "webhook", "mention")))
    if route.channel and route.webhook:
        raise ValueError("a webhook has its channel built in")
    if route.mention and not _MENTION.fullmatch(route.mention):
        raise ValueError("not a mention")
    if route.webhook and not values.NAME.fullmatch(route.webhook):
        values.address(route.webhook)
    return route


def _failover(text: str) -> Mapping[str, Fallback]:
    return {values.name(service): _fallback(entry) for service, entry in json.loads(text).items()}


def _fallback(entry: Mapping[str, Any]) -> Fallback:
    lists = {key: values.texts(entry.get(key, ())) for key in ("rules", "alarms", "database_alarms")}
    values.members(entry, *lists, "fargate", "fallback", "function")
    if not lists["rules"]:
        raise ValueError("a service without a rule cannot be moved")
    return Fallback(
        **lists,
        fargate=values.text(entry["fargate"]),
        fallback=values.text(entry["fallback"]),
        function=values.text(entry["function"]),
    )


def _cleanup(text: str) -> Cleanup:
    entry = dict(json.loads(text))
    return Cleanup(
        repositories=values.texts(entry.pop("repositories", ())),
        log_prefixes=values.texts(entry.pop("log_prefixes", ())),
        retention_days=values.positive(entry.pop("retention_days", 7)),
        delete=values.boolean(entry.pop("delete", False)),
        options=entry,
    )


def _notices(text: str) -> Notices:
    entry = json.loads(text)
    policies = ("insufficient_data", "ok_from_insufficient_data")
    values.members(entry, *policies, "changes", "minutes", "emails")
    given: dict[str, Any] = {key: _policy(entry[key]) for key in policies if key in entry}
    given |= {key: values.positive(entry[key]) for key in ("changes", "minutes") if key in entry}
    return Notices(**given, emails=values.texts(entry.get("emails", ())))


def _policy(value: Any) -> Policy:
    if value not in get_args(Policy):
        raise ValueError("post, quiet or drop")
    policy: Policy = value
    return policy
