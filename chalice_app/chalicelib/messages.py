"""What is said in Slack, before anybody thinks of Slack's markup: plain text, never trusted, escaped when written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Tone = Literal["alarm", "ok", "unknown", "notice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `severity` chooses the route (`critical`, or anything that ROUTES names), `tone` the colour.

    `fields` are short facts by name, `links` URLs by what they show. `mention` asks for the route's mention. A `quiet`
    message is one line: its title and its text.
    """

    title: str
    severity: str = "default"
    tone: Tone = "notice"
    text: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    mention: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """Where a message is. `ts` is Slack's name for it; a webhook does not tell, so there it is empty.

    `rendered` is what Slack got, for whoever wants to change it later.
    """

    channel: str = ""
    ts: str = ""
    rendered: str = ""
