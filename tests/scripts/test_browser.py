"""Which browser the browser tests get, and what is added to drive it."""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

import pytest

from scripts import bootstrap, screenshots, test
from scripts.browser import chromium
from scripts.terminal import Problem, Terminal


def browsers(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ([], None),
        (["google-chrome"], "google-chrome"),
        (["microsoft-edge", "chromium-browser"], "chromium-browser"),
        (["google-chrome", "chromium"], "chromium"),
    ],
)
def test_the_first_chromium_on_the_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: list[str], found: str | None
) -> None:
    browsers(tmp_path, there)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert chromium() == (found and str(tmp_path / found))


def test_a_person_may_name_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browsers(tmp_path, ["chromium", "mine"])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "mine"))
    assert chromium() == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("browser", "current", "added"), [(None, False, []), ("chromium", True, []), ("chromium", False, ["browser"])]
)
def test_the_driver_is_added_once_and_only_where_there_is_a_browser(
    monkeypatch: pytest.MonkeyPatch, browser: str | None, current: bool, added: list[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(test, "chromium", lambda: browser)
    monkeypatch.setattr(bootstrap, "current", lambda _: current)
    monkeypatch.setattr(bootstrap, "add", asked.append)
    test.drive_a_browser(Terminal(io.StringIO()))
    assert asked == added


def test_a_driver_that_cannot_be_had_is_one_sentence_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(_: str) -> None:
        raise bootstrap.BootstrapError("packages could not be downloaded")

    monkeypatch.setattr(test, "chromium", lambda: "chromium")
    monkeypatch.setattr(bootstrap, "current", lambda _: False)
    monkeypatch.setattr(bootstrap, "add", offline)
    said = io.StringIO()
    test.drive_a_browser(Terminal(said))
    assert "packages could not be downloaded" in said.getvalue()


def test_pictures_without_a_browser_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(screenshots, "chromium", lambda: None)
    with pytest.raises(Problem, match="install Chromium"):
        screenshots.run(argparse.Namespace(url="http://127.0.0.1:1", out=tmp_path / "pictures"))
    assert not (tmp_path / "pictures").exists()
