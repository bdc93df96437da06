"""Seals: what comes back is what went out, from us, for this purpose, and in time."""

import pytest

from services.chassis.auth import Sessions
from services.chassis.seals import Seals

KEYS = {"new": b"n" * 32, "old": b"o" * 32}


def seals(purpose: str = "cart", *, now: float = 1000.0, keys: dict[str, bytes] = KEYS) -> Seals:
    return Seals(keys, purpose, 60, clock=lambda: now)


@pytest.mark.parametrize("text", ["", "a", "ab", "abc", "Mug “Harbour” · 1.690\n", "x" * 5000])
def test_a_sealed_text_is_opened(text: str) -> None:
    sealed = seals().seal(text)
    assert seals().opened(sealed) == text
    assert all(character.isalnum() or character in "-_." for character in sealed)


def test_a_seal_is_good_for_its_time_and_its_purpose() -> None:
    sealed = seals().seal("text")
    assert seals(now=1059.0).opened(sealed) == "text"
    assert seals(now=1060.0).opened(sealed) is None
    assert seals("form").opened(sealed) is None


def test_every_key_verifies_and_the_first_one_signs() -> None:
    sealed = seals(keys={"old": KEYS["old"]}).seal("text")
    assert seals().opened(sealed) == "text"
    assert seals().seal("text").startswith("new.")
    assert seals(keys={"new": KEYS["new"]}).opened(sealed) is None
    assert seals(keys={"old": b"x" * 32}).opened(sealed) is None


def test_no_changed_character_goes_unnoticed() -> None:
    sealed = seals().seal("two of these")
    for place, character in enumerate(sealed):
        changed = sealed[:place] + ("A" if character != "A" else "B") + sealed[place + 1 :]
        opened = seals().opened(changed)
        # The last character of a base64 text has bits that say nothing.
        assert opened is None or (place == len(sealed) - 1 and opened == "two of these"), place


def test_a_session_is_no_seal_and_a_seal_no_session() -> None:
    sessions = Sessions(KEYS)
    token = sessions.issue().token
    assert seals("").opened(token) is None
    assert seals().opened("") is None
    assert seals().opened("...") is None
