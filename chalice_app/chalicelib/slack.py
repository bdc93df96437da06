"""Slack as the handlers see it: post a message, change one. Which channel, which way, how often to try is here."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass

from chalicelib.blocks import Payload, recoloured, render
from chalicelib.config import DEFAULT, Config, Route
from chalicelib.credentials import Credentials, Vault
from chalicelib.delivery import DeliveryFailed, deliver
from chalicelib.messages import Message, Posted, Tone
from chalicelib.operations import Count, Time
from chalicelib.sending import Request, Send

# words with which Slack says that credentials are not, or no longer, good
STALE = {
    "account_inactive",
    "invalid_auth",
    "invalid_token",
    "no_service",
    "not_authed",
    "token_expired",
    "token_revoked",
}

log = logging.getLogger("operations.slack")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """Posts with a bot's token, which can answer in threads and change messages, or else by webhooks, which cannot."""

    config: Config
    vault: Vault
    send: Send
    time: Time
    count: Count

    def post(self, message: Message, *, thread: Posted | None = None) -> Posted:
        """Post it where its severity goes, or into the thread of another message. Raises DeliveryFailed.

        Where Slack is not set up the message goes to the log, and is counted as SlackNotConfigured.
        """
        route = self.config.routes.get(message.severity) or self.config.routes[DEFAULT]
        payload = render(message, route.mention)
        if thread is None or not thread.ts:
            return self._deliver(payload, lambda credentials: _post(credentials, route, payload))
        try:
            return self._deliver(payload, lambda credentials: _reply(credentials, thread, payload))
        except DeliveryFailed as failed:
            if not failed.reason:
                raise
            log.warning("a thread is gone", extra={"said": failed.reason})
            return self._deliver(payload, lambda credentials: _post(credentials, route, payload))

    def replace(self, posted: Posted, message: Message) -> Posted:
        """Say something else in the place of an earlier message. Raises DeliveryFailed."""
        payload = render(message)
        return self._deliver(payload, lambda credentials: _update(credentials, posted, payload))

    def recolour(self, posted: Posted, tone: Tone) -> None:
        """Show that what a message told is over. That is a kindness: when it fails, it is counted and no more."""
        if not (posted.ts and posted.rendered):
            return
        payload = recoloured(json.loads(posted.rendered), tone)
        try:
            self._deliver(payload, lambda credentials: _update(credentials, posted, payload))
        except DeliveryFailed as failed:
            log.warning("a message keeps its colour", extra={"said": str(failed)})

    def _deliver(self, payload: Payload, addressed: "Addressing") -> Posted:
        try:
            credentials = self.vault.read()
            if credentials is None:
                self.count("SlackNotConfigured")
                log.warning("Slack is not set up", extra={"unheard": payload["attachments"][0]})
                return Posted()
            return self._sent(payload, addressed(credentials), addressed, credentials)
        except DeliveryFailed:
            self.count("SlackDeliveryFailed")
            raise

    def _sent(self, payload: Payload, request: Request, addressed: "Addressing", credentials: Credentials) -> Posted:
        try:
            answer = deliver(request, self.send, self.time)
        except DeliveryFailed as failed:
            fresh = self.vault.read(again=True) if failed.reason in STALE else None
            if fresh is None or fresh == credentials:
                raise
            answer = deliver(addressed(fresh), self.send, self.time)
        said = answer.document()
        return Posted(channel=str(said.get("channel", "")), ts=str(said.get("ts", "")), rendered=json.dumps(payload))


Addressing = Callable[[Credentials], Request]


def _post(credentials: Credentials, route: Route, payload: Payload) -> Request:
    url = credentials.webhook(route)
    if url and (route.webhook or not credentials.token):
        return Request(url=url, body=payload)
    channel = route.channel or credentials.channel
    if not (credentials.token and channel):
        raise DeliveryFailed("the route has neither a webhook nor a channel")
    return _call(credentials, "chat.postMessage", payload | {"channel": channel})


def _reply(credentials: Credentials, thread: Posted, payload: Payload) -> Request:
    return _call(credentials, "chat.postMessage", payload | {"channel": thread.channel, "thread_ts": thread.ts})


def _update(credentials: Credentials, posted: Posted, payload: Payload) -> Request:
    """A text that was there is taken away only by an empty one."""
    return _call(credentials, "chat.update", {"text": "", **payload, "channel": posted.channel, "ts": posted.ts})


def _call(credentials: Credentials, method: str, body: Payload) -> Request:
    return Request(url=f"{credentials.api}/{method}", body=body, token=credentials.token)
