"""5,000 events that nobody would send: none is unhandled, none is lost, and no secret in them leaves."""

import copy
import io
import json
import logging
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

import app
from chalicelib import redaction, telemetry, wiring
from chalicelib.records import records
from chalicelib.sending import Answer
from chalicelib.telemetry import HandlerFailed
from tests.chalice_app.mutation import mutated
from tests.chalice_app.office import Office
from tests.chalice_app.secrets_in_text import MARKER
from tests.stubs.context import Context

EVENTS, PARTS = 5_000, 10


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the app writes to its log, as it is written on Lambda."""
    monkeypatch.setattr(redaction, "_hidden", set())
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(telemetry.Formatter())
    logger = logging.getLogger(telemetry.SERVICE)
    others = logger.handlers[:]
    logger.handlers[:], logger.propagate = [handler], False
    yield stream
    logger.handlers[:], logger.propagate = others, True


@pytest.mark.parametrize("part", range(PARTS))
def test_no_event_is_unhandled_or_lost_and_no_secret_leaves(
    part: int, logged: io.StringIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(part, EVENTS, PARTS):
        event, tail = mutated(number)
        assert MARKER in tail
        before, office = copy.deepcopy(event), Office()
        away = number % 11 == 0
        office.outbox.answers += [Answer(status=404, text="no_service")] * 10 * away
        monkeypatch.setattr(wiring, "desk", lambda _, office=office: office.desk)
        with pytest.raises(HandlerFailed, match=r"^DeliveryFailed: ") if away else nullcontext():
            app.notify(event, Context())
        assert event == before
        told = office.metrics.counted
        expected = len(records(event))
        done = sum(told[name] for name in ("Posted", "Quiet", "Repeated", "Dropped", "SlackDeliveryFailed"))
        assert done == expected, (number, told)
        assert MARKER not in json.dumps(office.outbox.bodies, ensure_ascii=False), number
    assert MARKER not in capsys.readouterr().out
    assert MARKER not in logged.getvalue()
    assert "a message has not been told" in logged.getvalue()
