"""A message in Slack's Block Kit: everything is redacted, escaped and cut here, because here it leaves.

Limits are those of Slack's reference for blocks: header 150 characters, text of a section 3000, ten fields of 2000 in a
section, fifty blocks. They are counted on the escaped text, and what is cut says so.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from chalicelib.messages import Message, Tone
from chalicelib.redaction import redact

HEADER, SECTION, FIELD, FIELDS, BLOCKS = 150, 3000, 2000, 10, 50
LINE = 300  # what a notification shows
LONGEST = 16_000  # characters that are looked at: five times what any place shows
LONGEST_WORD = 4_000  # characters; no secret is longer
CUT = "… (cut)"
NOTHING = "–"
COLOURS: Mapping[Tone, str] = {"alarm": "#d1242f", "ok": "#1a7f37", "unknown": "#bf8700", "notice": "#0969da"}
QUIET = "#8c959f"

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "'"}
_ESCAPED = str.maketrans(_ENTITIES)
# what is not seen, and what turns the direction of text around
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
_SUMMONS = re.compile(r"@(?=channel|here|everyone)", re.IGNORECASE)
_URL_SAFE = "!#$&'()*+,/:;=?@[]~%-._"

Payload = dict[str, Any]


def render(message: Message, mention: str | None = None) -> Payload:
    """The JSON that a webhook or chat.postMessage takes; `mention` is Slack's own markup and trusted."""
    title = plain(message.title, LINE)
    blocks = [_quiet(message)] if message.quiet else _blocks(message)
    colour = QUIET if message.quiet else COLOURS[message.tone]
    payload: Payload = {
        "attachments": [{"color": colour, "fallback": title, "blocks": blocks}],
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if mention and message.mention:
        payload["text"] = f"{mention} {title}"
    return payload


def recoloured(payload: Payload, tone: Tone) -> Payload:
    """The same message in another colour, and without its mention: nobody is called twice."""
    attachments = [{**attachment, "color": COLOURS[tone]} for attachment in payload.get("attachments", [])]
    return {**{key: value for key, value in payload.items() if key != "text"}, "attachments": attachments}


def plain(text: str, limit: int) -> str:
    """Redacted and escaped, in at most `limit` characters; never empty."""
    clean = _SUMMONS.sub("@\u2060", redact(_INVISIBLE.sub("", _beginning(text)))).strip()
    escaped = clean.translate(_ESCAPED)
    if len(escaped) > limit:
        escaped = cut([_ENTITIES.get(letter, letter) for letter in clean[: limit + 1]], limit)
    return escaped or NOTHING


def _beginning(text: str) -> str:
    """As much as is looked at, up to the end of a word: half a secret has no form to know it by."""
    if len(text) <= LONGEST:
        return text
    words = text[LONGEST - LONGEST_WORD : LONGEST].rsplit(maxsplit=1)
    return text[: LONGEST - LONGEST_WORD] + (words[0] if len(words) == 2 else "")


def cut(pieces: list[str], limit: int) -> str:
    """The pieces joined, or as many as fit with a note that there were more."""
    if sum(map(len, pieces)) <= limit:
        return "".join(pieces)
    room = limit - len(CUT)
    kept = []
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + CUT


def _blocks(message: Message) -> list[Payload]:
    blocks: list[Payload] = [{"type": "header", "text": {"type": "plain_text", "text": plain(message.title, HEADER)}}]
    if message.text.strip():
        blocks.append({"type": "section", "text": _markdown(plain(message.text, SECTION))})
    fields = [_field(name, value) for name, value in message.fields.items()]
    room = (BLOCKS - len(blocks) - 1) * FIELDS
    if len(fields) > room:
        fields = [*fields[: room - 1], _field("More", f"{len(fields) - room + 1} facts {CUT}")]
    blocks += [{"type": "section", "fields": fields[at : at + FIELDS]} for at in range(0, len(fields), FIELDS)]
    if links := _links(message.links):
        blocks.append({"type": "section", "text": _markdown(links)})
    return blocks


def _quiet(message: Message) -> Payload:
    line = f"{message.title} · {message.text}" if message.text.strip() else message.title
    links = _links(message.links, room=SECTION // 2)
    text = plain(line, SECTION // 2 - 3)
    return {"type": "context", "elements": [_markdown(f"{text} · {links}" if links else text)]}


def _field(name: str, value: str) -> Payload:
    return _markdown(f"*{plain(name, 100)}*\n{plain(value, FIELD - 110)}")


def _markdown(text: str) -> Payload:
    """`verbatim`: Slack turns no word into a link, a channel or a person."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _links(links: Mapping[str, str], room: int = SECTION) -> str:
    written = [_link(label, url) for label, url in links.items()]
    pieces = [one for one in written if one]
    joined = [piece if not at else f" · {piece}" for at, piece in enumerate(pieces)]
    return cut(joined, room) if joined else ""


def _link(label: str, url: str) -> str:
    """Nothing when it is no web address, or had to be redacted: a link that leads elsewhere helps nobody."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    written = (url, unquote(unquote(url.replace("$", "%"))))  # as it is, and as the console will read it
    if parts.scheme not in {"http", "https"} or not parts.netloc or any(redact(form) != form for form in written):
        return ""
    address = quote(url, safe=_URL_SAFE, errors="replace").replace("&", "&amp;")
    return f"<{address}|{plain(label, 75).replace('|', '/')}>"
