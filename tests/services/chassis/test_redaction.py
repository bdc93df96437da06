"""What is taken out of a text, what stays, and that looking for it is quick whatever the text is."""

import time

import pytest

from services.chassis.auth import InternalRequest, Sessions, Signer, new_admin_key
from services.chassis.redaction import redact, suspicious
from services.chassis.seals import Seals

KEYS = {"k1": bytes(32)}
SESSION = Sessions(KEYS).issue().token
SIGNATURE = Signer(KEYS).sign(InternalRequest("GET", "/", b"", "product"))
SEAL = Seals(KEYS, "form", 60).seal("what a visitor sees")
ADMIN, _ = new_admin_key("boss", [])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"no session {SESSION}, sorry", "no session [redacted], sorry"),
        (f"bad seal: {SEAL}", "bad seal: [redacted]"),
        (f"{{'Authorization': '{SIGNATURE}', 'Host': 'a'}}", "{'Authorization': 'Tandem [redacted]', 'Host': 'a'}"),
        (f"who is {ADMIN}?", "who is [redacted]?"),
        ("Authorization: Bearer abc.def-ghi", "Authorization: Bearer [redacted]"),
        ("it said Bearer%20abcdefghijk", "it said Bearer%20[redacted]"),
        ('{"x-origin-verify": "abc", "a": 1}', '{"x-origin-verify": "[redacted]", "a": 1}'),
        ("Cookie: session=a b; cart=c\nnext", "Cookie: [redacted]\nnext"),
        ("[(b'cookie', b'session=a; cart=c')]", "[(b'cookie', b'[redacted]')]"),
        ("postgresql://role:p%40ss@host:5432/db is away", "postgresql://[redacted]@host:5432/db is away"),
        ("DATABASE_PASSWORD=hunter2 and api_key: abc", "DATABASE_PASSWORD=[redacted] and api_key: [redacted]"),
        ("ann.o'neill+shop@mail.example.org wrote", "[redacted] wrote"),
        ("/account?user=ann%40example.org", "[redacted]"),
        ("GET https://shop.example/find?q=gift failed", "GET https://shop.example/find?[redacted] failed"),
        ("token=eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "token=[redacted]"),
        ("is eyJhbGciOiJI.eyJzdWIiOiIx.c2ln one", "is [redacted] one"),
        (
            "[type=int_parsing, input_value='Ann, 5 Main St', input_type=str]",
            "[type=int_parsing, input_value=[redacted], input_type=str]",
        ),
    ],
)
def test_credentials_and_addresses_are_taken_out(text: str, left: str) -> None:
    assert redact(text) == left
    assert suspicious(text)


@pytest.mark.parametrize(
    "text",
    [
        "request",
        "/products/reservations/{order_id}/confirm",
        "2026-01-01T00:00:00.000+00:00",
        "0b9f3a52-7f0e-4a4e-9d2c-3f1f6a3a4a11",
        '  File "/app/services/order/service/protocol.py", line 57, in drive\n    raise NoDecision("token") from error',
        "http://127.0.0.1:8082/products",
        "SERVICE_KEYS is missing",
        "the secret of version 1.20.3 at 203.0.113.9",
        "every database connection is busy: 42P01 relation @ 5",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        *("a", "-", "a.", "a.b@", "cookie=", "v1.a.", "://", "bearer ", "token", "http://?", "1.123456789."),
        *("eyJaaaaaaaa.", "input_value=", "adm_a_", "x.1234567890.a", "%40", "password='"),
    ],
)
def test_no_text_is_looked_at_for_long(piece: str) -> None:
    """What a client can make us look at has at most the size of a body."""
    text = piece * (64_000 // len(piece))
    began = time.process_time()
    redact(text + "@")
    assert time.process_time() - began < 3.0
