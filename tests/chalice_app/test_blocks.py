"""What reaches Slack cannot call anybody, break its markup, or be longer than Slack takes."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.blocks import BLOCKS, CUT, FIELD, FIELDS, HEADER, SECTION, plain, recoloured, render
from chalicelib.messages import Message

NASTY = "<!channel> <!here> <@U123> <#C1> <https://evil.example|click> `code` & @channel @here @Everyone"

# a secret in the name of an alarm, as the addresses of the console encode it
HIDING = [
    "https://x.example/#alarm/a%20Bearer%20abcdefghijkl",
    "https://x.example/#group/$2522token$2522$253A$2520abcdef",
]


def texts(payload: Any) -> list[tuple[str, str]]:
    """Every text in a payload with its kind."""
    if isinstance(payload, list):
        return [text for entry in payload for text in texts(entry)]
    if not isinstance(payload, dict):
        return []
    if isinstance(payload.get("text"), str) and "type" in payload:
        return [(payload["type"], payload["text"])]
    return [text for value in payload.values() for text in texts(value)]


def blocks(payload: Any) -> list[Any]:
    found: list[Any] = payload["attachments"][0]["blocks"]
    return found


def test_nothing_in_a_message_can_call_somebody_or_become_a_link() -> None:
    payload = render(Message(title=NASTY, text=NASTY, fields={NASTY: NASTY}, mention=True))
    written = json.dumps(payload, ensure_ascii=False)
    assert not re.search(r"<[!@#h]|`|@(channel|here|everyone)", written, re.IGNORECASE)
    assert "&lt;!channel&gt;" in written
    assert "text" not in payload


def test_every_markdown_text_is_verbatim() -> None:
    payload = render(Message(title="t", text="x", fields={"a": "b"}, links={"Alarm": "https://a.example"}))
    markdown = [block.get("text") for block in blocks(payload)] + blocks(payload)[2]["fields"]
    assert all(text["verbatim"] for text in markdown if text and text["type"] == "mrkdwn")


def test_the_mention_is_written_only_when_the_message_asks_and_the_route_has_one() -> None:
    asking, silent = Message(title="t", mention=True), Message(title="t")
    assert render(asking, "<!here>")["text"] == "<!here> t"
    assert "text" not in render(silent, "<!here>")
    assert "text" not in render(asking, None)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "ftp://x.example/", "//x", "not a url", "https://", "http://[", "https://u:p@x/", *HIDING],
)
def test_what_is_no_web_address_or_holds_a_secret_is_no_link(url: str) -> None:
    assert "Alarm" not in json.dumps(render(Message(title="t", links={"Alarm": url})))


def test_a_link_cannot_be_ended_by_what_it_holds() -> None:
    payload = render(Message(title="t", links={"A|b>": "https://x.example/a b|c>d<e?f=1&g=2"}))
    (_, text) = texts(blocks(payload)[-1])[0]
    assert text == "<https://x.example/a%20b%7Cc%3Ed%3Ce?f=1&amp;g=2|A/b&gt;>"


def test_what_is_too_long_is_cut_where_it_can_be_seen() -> None:
    payload = render(Message(title="&" * 400, text="<" * 5000, fields={str(n): "v" * 3000 for n in range(900)}))
    header, section, *rest = blocks(payload)
    assert len(header["text"]["text"]) <= HEADER
    assert header["text"]["text"].endswith(f"&amp;{CUT}")
    assert len(section["text"]["text"]) <= SECTION
    assert section["text"]["text"].endswith(f"&lt;{CUT}")
    assert len(blocks(payload)) <= BLOCKS
    assert rest[-1]["fields"][-1]["text"].endswith(CUT)
    assert all(len(field["text"]) <= FIELD for block in rest for field in block["fields"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(), st.integers(len(CUT) + 6, 200))
def test_text_is_never_empty_or_longer_than_its_place(text: str, limit: int) -> None:
    written = plain(text, limit)
    assert 0 < len(written) <= limit
    assert not re.search(r"[<>`]|&(?!amp;|lt;|gt;)", written)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.builds(
        Message,
        title=st.text(),
        text=st.text(max_size=50),
        fields=st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=25),
        links=st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=9),
        mention=st.booleans(),
        quiet=st.booleans(),
    )
)
def test_every_message_is_within_the_limits_of_slack(message: Message) -> None:
    payload = render(message, "<!here>")
    json.dumps(payload).encode()
    assert 0 < len(blocks(payload)) <= BLOCKS
    for block in blocks(payload):
        assert block["type"] in {"header", "section", "context"}
        assert len(block.get("fields", [])) <= FIELDS
    for kind, text in texts(blocks(payload)):
        assert 0 < len(text) <= (HEADER if kind == "plain_text" else SECTION)
        assert not re.search(r"<[!@#]", text)


def test_what_is_not_seen_is_taken_out_before_secrets_are_looked_for() -> None:
    assert plain("xo\u200bxb-12345\u202e67890-abcdef", 100) == "[redacted]"


def test_half_a_secret_at_the_end_of_a_very_long_text_is_not_shown() -> None:
    """Everything before it is redacted to nearly nothing, so that the end of what is looked at comes into view."""
    secret = "xoxb-1234567890-abcdefghijkl"
    text = f"{'password=' + 'a' * 7900 + ' '}{'password=' + 'b' * 8070 + ' '}{secret}"
    assert "xox" not in plain(text, SECTION)


@pytest.mark.parametrize("letter", ["x", " x", "x ", "x" + " " * 9_000])
def test_a_very_long_text_is_shown_from_its_beginning(letter: str) -> None:
    assert plain(letter * 20_000, SECTION).strip().startswith("x")


def test_another_colour_keeps_the_words_and_drops_the_mention() -> None:
    payload = render(Message(title="t", tone="alarm", mention=True), "<!here>")
    changed = recoloured(payload, "ok")
    assert "text" not in changed
    assert changed["attachments"][0]["blocks"] == payload["attachments"][0]["blocks"]
    assert changed["attachments"][0]["color"] != payload["attachments"][0]["color"]


def test_a_quiet_message_is_one_line() -> None:
    payload = render(Message(title="OK: x", text="was ALARM", links={"Alarm": "https://a.example"}, quiet=True))
    assert texts(blocks(payload)) == [("mrkdwn", "OK: x · was ALARM · <https://a.example|Alarm>")]
