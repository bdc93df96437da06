"""Kept copies: how long, how many, how large."""

from services.frontend.shelf import ENTRIES, ENTRY_BYTES, Shelf
from tests.services.frontend.stand_in import Clock


def test_a_copy_serves_for_thirty_seconds_and_knows_its_age() -> None:
    clock = Clock()
    shelf: Shelf[str] = Shelf(clock=clock)
    shelf.put("a", "copy", size=4)
    clock.now += 29.9
    assert shelf.find("a") == ("copy", 29)
    clock.now += 0.2
    assert shelf.find("a") is None
    assert len(shelf) == 0


def test_the_oldest_copy_makes_room() -> None:
    shelf: Shelf[int] = Shelf(clock=Clock())
    for number in range(ENTRIES + 1):
        shelf.put(str(number), number, size=1)
    assert len(shelf) == ENTRIES
    assert shelf.find("0") is None
    assert shelf.find("1") == (1, 0)


def test_a_copy_that_is_written_again_is_the_youngest() -> None:
    shelf: Shelf[int] = Shelf(clock=Clock())
    for number in range(ENTRIES):
        shelf.put(str(number), number, size=1)
    shelf.put("0", 7, size=1)
    shelf.put("one more", 1, size=1)
    assert shelf.find("0") == (7, 0)
    assert shelf.find("1") is None


def test_what_is_too_large_is_not_kept_and_replaces_what_was() -> None:
    shelf: Shelf[str] = Shelf(clock=Clock())
    shelf.put("a", "old", size=1)
    shelf.put("a", "new", size=ENTRY_BYTES + 1)
    assert shelf.find("a") is None
