"""Which services a change concerns."""

import subprocess

import pytest

from scripts import affected as verb
from scripts.__main__ import main
from scripts.affected import affected, changed
from scripts.places import ROOT

ALL = ["product", "order", "frontend"]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([], []),
        (["README.md", "cfn/stacks.py", "tests/services/order/test_model.py"], []),
        (["services/order/model.py"], ["order"]),
        (["services/frontend/static/shop.css", "services/product/sql/0004_x.sql"], ["product", "frontend"]),
        (["services/order/model.py", "services/chassis/wire.py"], ALL),
        (["requirements/service.txt"], ALL),
        (["requirements/lint.txt"], []),
        (["Dockerfile"], ALL),
        (["scripts/builds/interpreter.py"], ALL),
        (None, ALL),
    ],
)
def test_a_service_is_named_when_what_it_ships_has_changed(files: list[str] | None, expected: list[str]) -> None:
    assert affected(files) == expected


def test_every_path_that_concerns_all_is_there() -> None:
    assert [path for path in verb.OF_ALL if not (ROOT / path).exists()] == []


def test_without_a_commit_or_with_an_unknown_one_all_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert changed("") is None
    assert changed("no-such-commit") is None
    assert changed("--output=x") is None
    assert main(["affected"]) == 0
    assert capsys.readouterr().out.splitlines() == ALL


def test_what_git_says_is_what_counts() -> None:
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False).returncode:  # noqa: S607
        pytest.skip("not a git checkout")
    assert changed("HEAD") is not None
