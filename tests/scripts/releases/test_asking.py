"""Whoever deploys or deletes is asked before, in words, and a program has to say it in an option."""

from collections.abc import Sequence

import pytest

from scripts.deploy import confirm
from scripts.terminal import Problem


@pytest.fixture
def at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)


def asked(answer: str, answers: Sequence[str] = ("prod",)) -> None:
    confirm("To delete all of it, type prod:", answers, "--really prod", ask=lambda _: answer)


@pytest.mark.usefixtures("at_a_terminal")
def test_only_the_right_words_go_on() -> None:
    asked(" prod ")
    for answer in ("", "yes", "dev", "production"):
        with pytest.raises(Problem, match="nothing was changed"):
            asked(answer)


def test_where_nobody_can_answer_the_option_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(Problem, match="nobody is there to ask; say --really prod"):
        asked("prod")
