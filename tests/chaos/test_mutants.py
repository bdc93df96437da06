"""The tests of the protocol are as strong as the guards they would miss."""

import pytest

from tests.chaos.hunt import hunt
from tests.chaos.mutants import MUTANTS


def test_every_mutant_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 15


@pytest.mark.slow
def test_no_guard_can_be_taken_away_unnoticed() -> None:
    verdicts = list(hunt(MUTANTS))
    troubles = {verdict.mutant.name: verdict.trouble for verdict in verdicts if verdict.trouble}
    assert troubles == {}
    assert len(verdicts) == len(MUTANTS) + 1
