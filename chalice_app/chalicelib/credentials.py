"""What Slack wants to see, out of the secret store: kept for minutes, asked for again when Slack refuses it, and used
beyond its time when the store cannot be reached, because an old token works until it is revoked.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.config import Route, slack_document
from chalicelib.delivery import DeliveryFailed
from chalicelib.redaction import hide

API = "https://slack.com/api"
ARN = "arn:"
FRESH = 300  # seconds
UNFILLED = "{}"

log = logging.getLogger("operations.credentials")


class Provider(Protocol):
    """Powertools' provider of secrets, as far as it is used here."""

    def get(self, name: str, *, max_age: int, force_fetch: bool) -> str | bytes | dict[str, object] | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of a bot (`token`, with the `channel` it posts to by default) or of webhooks by name; "" is the default one."""

    token: str = field(default="", repr=False)
    channel: str = ""
    webhooks: dict[str, str] = field(default_factory=dict, repr=False)
    api: str = API

    def webhook(self, route: Route) -> str:
        """The URL that this route posts to: its own, else the default one; or an empty string."""
        if route.webhook and "://" in route.webhook:
            return route.webhook
        return self.webhooks.get(route.webhook or "") or self.webhooks.get("", "")


class Vault:
    """Reads the secret when it is needed. `reference` is its ARN, or its content, or empty.

    One that holds an empty object, as the templates make it, is a secret that nobody has filled in yet.
    """

    def __init__(self, reference: str, provider: Callable[[], Provider]) -> None:
        self._reference = reference
        self._provider = provider
        self._last: Credentials | None = None

    def read(self, *, again: bool = False) -> Credentials | None:
        """The credentials, or None where Slack is not set up; `again` asks the store. Raises DeliveryFailed."""
        if not self._reference:
            return None
        try:
            text = self._fetch(again)
            if text.strip() == UNFILLED and self._last is None:
                return None
            self._last = _credentials(text)
        except Exception as error:  # noqa: BLE001 # whatever the store or its content has, an older secret is better
            log.warning("the Slack secret cannot be read", extra={"error": type(error).__name__})
            if self._last is None:
                raise DeliveryFailed("the Slack secret cannot be read") from None
        return self._last

    def _fetch(self, again: bool) -> str:
        if not self._reference.startswith(ARN):
            return self._reference
        value = self._provider().get(self._reference, max_age=FRESH, force_fetch=again)
        if not isinstance(value, str):
            raise TypeError("a secret with text is required")
        return value


def _credentials(text: str) -> Credentials:
    document = slack_document(text)
    default = {"": document["webhook"]} if document.get("webhook") else {}
    found = Credentials(
        token=document.get("token") or "",
        channel=document.get("channel") or "",
        webhooks={**document.get("webhooks", {}), **default},
        api=(document.get("api") or API).rstrip("/"),
    )
    hide([found.token, *found.webhooks.values()])
    return found
