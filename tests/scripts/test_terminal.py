"""Steps as a person, a pipe and CI see them."""

import io

import pytest

from scripts.terminal import Terminal


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environment", "rich"),
    [
        (Screen(), {}, True),
        (Screen(), {"CI": "true"}, False),
        (Screen(), {"NO_COLOR": "1"}, False),
        (Screen(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_a_terminal_that_wants_it(stream: io.StringIO, environment: dict[str, str], rich: bool) -> None:
    terminal = Terminal(stream, environment)
    with terminal.step("PostgreSQL") as step:
        step.detail = "127.0.0.1:5432"
    assert ("\x1b" in stream.getvalue()) is rich
    assert "127.0.0.1:5432" in stream.getvalue()


def test_a_step_ends_in_one_line_with_its_time() -> None:
    stream = io.StringIO()
    with Terminal(stream, {}).step("migrations") as step:
        step.detail = "up to date"
    assert stream.getvalue() == "  ok  migrations                      0.00 s   up to date\n"


def test_a_step_that_fails_says_so_and_lets_the_error_through() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError, match="why"), Terminal(stream, {}).step("migrations"):
        raise ValueError("why")
    assert stream.getvalue() == "  no  migrations\n"
