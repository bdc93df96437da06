"""No secret is read in what leaves, and what is no secret stays readable."""

import json
import logging
import random
from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib import redaction, telemetry
from chalicelib.blocks import LONGEST, render
from chalicelib.messages import Message
from chalicelib.redaction import MARK, redact
from tests.chalice_app.secrets_in_text import MARKER, seeded

SECRETS = seeded(random.Random(11))
AROUND = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda text: MARKER not in text)


@pytest.mark.parametrize(("text", "tail"), SECRETS.values(), ids=SECRETS)
def test_each_form_of_a_secret_is_taken_out(text: str, tail: str) -> None:
    assert tail in text
    clean = redact(f"before {text} after")
    assert tail not in clean
    assert MARK in clean
    assert clean.startswith("before ")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(SECRETS)), AROUND, AROUND, st.integers(0, 2**32))
def test_no_secret_leaves_in_a_message_whatever_stands_around_it(
    form: str, before: str, after: str, number: int
) -> None:
    text, tail = seeded(random.Random(number))[form]
    given = f"{before} {text} {after}"
    message = Message(title=given, text=given, fields={"f": given, given: "f"}, links={given: text, "x": given})
    assert tail not in json.dumps(render(message), ensure_ascii=False)


@pytest.mark.parametrize(
    "text",
    [
        "Threshold Crossed: 3 out of the last 3 datapoints [91.5 (22/11/26 21:35:00)] were greater than 80.0.",
        "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:tandem-prod-database-cpuutilization",
        "image sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/tandem-prod-order-down",
        "mail to anna@shop.example at 10:30, http://shop.example:8080/x@y",
        "tokens are short and passwords long",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_given_values_are_taken_out_in_either_case_and_nothing_short_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_hidden", set())
    redaction.hide(["anna@shop.example", "", "abc"])
    assert redact("to Anna@Shop.example, abc") == f"to {MARK}, abc"


def test_redacting_twice_is_redacting_once() -> None:
    text = redact("\n".join(text for text, _ in SECRETS.values()))
    assert redact(text) == text


@pytest.mark.parametrize("piece", ["a.", "eyJ", "adm_", '"', "password:", "http://", "AbC1", "bearer ", "-----BEGIN "])
def test_no_text_of_the_longest_length_takes_seconds(piece: str) -> None:
    """The slowest needs 0.2 s of CPU; a pattern that looks at everything again for every letter needs minutes."""
    started = process_time()
    redact(piece * (LONGEST // len(piece)))
    assert process_time() - started < 5


@pytest.mark.parametrize(("text", "tail"), SECRETS.values(), ids=SECRETS)
def test_no_secret_leaves_in_a_line_of_the_log(text: str, tail: str) -> None:
    try:
        raise ValueError(text)  # noqa: TRY301 # for its traceback
    except ValueError as error:
        caught = (type(error), error, error.__traceback__)
    record = logging.LogRecord("operations.x", logging.ERROR, __file__, 1, "said %s", (text,), caught)
    record.event = {"nested": [text]}
    record.password = tail
    line = telemetry.Formatter().format(record)
    assert tail not in line
    assert json.loads(line)["exception_name"] == "ValueError"
