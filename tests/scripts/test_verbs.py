"""The command line: verbs are found by name, and what goes wrong is one sentence."""

import argparse
import errno
import importlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import __main__ as command
from scripts import reset, test
from scripts.places import ROOT
from scripts.terminal import Problem
from scripts.twin.lock import held


def verb(run: object, **members: object) -> SimpleNamespace:
    return SimpleNamespace(SUMMARY="x", __doc__="x", arguments=lambda _: None, run=run, **members)


def perform(monkeypatch: pytest.MonkeyPatch, module: SimpleNamespace, *arguments: str) -> int:
    monkeypatch.setattr(importlib, "import_module", lambda _: module)
    return command.perform("x", list(arguments))


def test_a_module_with_a_summary_is_a_verb_and_no_other_is(tmp_path: Path) -> None:
    (tmp_path / "sell.py").write_text('"""Sell."""\n\nSUMMARY = "sell something"\n')
    (tmp_path / "paint.py").write_text('"""Colours."""\n\nHUE = "SUMMARY"\n')
    assert command.summaries(tmp_path) == {"sell": "sell something"}
    assert "  sell       sell something" in command.usage(command.summaries(tmp_path))


def test_the_verbs_of_the_readme_are_there() -> None:
    verbs = command.summaries(Path(command.__file__).parent)
    assert {"up", "test", "migrate", "seed", "psql", "reset", "lock"} <= verbs.keys()


def test_no_verb_and_help_list_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([]) == command.main(["--help"]) == 0
    assert capsys.readouterr().out.count("run the whole platform on this machine") == 2


def test_an_unknown_verb_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["upp"]) == 2
    assert capsys.readouterr().err == "tandem: there is no verb 'upp'; scripts/tandem --help lists them.\n"


def test_an_unknown_option_is_refused_unless_the_verb_passes_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit):
        perform(monkeypatch, verb(lambda _: 0), "--speed")
    seen: list[list[str]] = []

    def take(options: argparse.Namespace) -> int:
        seen.append(options.rest)
        return 0

    passing = verb(take)
    passing.arguments = lambda parser: parser.set_defaults(rest=[])
    assert perform(monkeypatch, passing, "-k", "name", "--speed", "tests/x") == 0
    assert seen == [["-k", "name", "--speed", "tests/x"]]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Problem("the port is taken."), "tandem: the port is taken.\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "tandem: Permission denied: /x\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/y"), "tandem: No space left on device: /y\n"),
    ],
)
def test_what_a_person_can_act_on_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, said: str
) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise error

    assert perform(monkeypatch, verb(fail)) == 1
    assert capsys.readouterr().err == said


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: argparse.Namespace) -> int:
        raise FileNotFoundError(errno.ENOENT, "No such file", "/z")

    with pytest.raises(FileNotFoundError):
        perform(monkeypatch, verb(fail))


# --- reset ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / ".local"
    (folder / "logs").mkdir(parents=True)
    (folder / "secrets.json").touch()
    monkeypatch.setattr(reset, "LOCAL", folder)
    monkeypatch.setattr(reset, "settle", lambda _: (None, None, folder / "pg18"))
    (folder / "pg18").mkdir()
    return folder


def test_reset_forgets_everything(local: Path) -> None:
    assert reset.run(argparse.Namespace(yes=True)) == 0
    assert {path.suffix for path in local.iterdir()} == {".lock"}


@pytest.mark.parametrize("lock", ["up.lock", "pg18.lock"])
def test_reset_refuses_while_something_runs(local: Path, lock: str) -> None:
    with held(local / lock), pytest.raises(Problem, match="is using the data; stop it first"):
        reset.run(argparse.Namespace(yes=True))
    assert (local / "secrets.json").exists()


def test_reset_asks_and_without_anybody_to_ask_does_nothing(local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    with pytest.raises(Problem, match="add --yes"):
        reset.run(argparse.Namespace(yes=False))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert reset.run(argparse.Namespace(yes=False)) == 1
    assert (local / "secrets.json").exists()


# --- test -----------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed while the command is tested."""
    monkeypatch.setattr(test, "chromium", lambda: None)


# Says what it was asked for, and fails when its first word is among that.
SUITE = ("-c", "import sys; print('ran', *sys.argv[2:]); sys.exit(sys.argv[1] in sys.argv[2:])")


@pytest.mark.parametrize(
    ("check", "failing", "code"),
    [
        ("pass", "nothing", 0),
        ("raise SystemExit('E501')", "nothing", 1),
        ("pass", test.COMPUTING[0], 1),
        ("pass", test.DRIVING[0], 1),
        ("pass", test.WAITING[0], 1),
    ],
)
def test_one_failure_anywhere_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], check: str, failing: str, code: int
) -> None:
    monkeypatch.setattr(test, "CHECKS", {"style": ("timeit", "-n1", "-r1", check)})
    monkeypatch.setattr(test, "PYTEST", (*SUITE, failing))
    assert test.run(argparse.Namespace(rest=[])) == code
    said = capfd.readouterr().out
    assert ("Everything passed." in said) is (code == 0)
    assert ("E501" in said) is ("E501" in check)
    assert said.count("ran ") == 3


def test_nothing_is_tested_twice_and_nothing_left_out() -> None:
    for file in (ROOT / "tests").rglob("test_*.py"):
        assert sum(takes(lane, file) for lane in test.LANES) == 1, file
    assert [path for path in (*test.COMPUTING, *test.DRIVING) if not (ROOT / path).exists()] == []


def takes(lane: Sequence[str], file: Path) -> bool:
    """As pytest reads its arguments."""
    without = [ROOT / path.removeprefix("--ignore=") for path in lane if path.startswith("--ignore=")]
    within = [ROOT / path for path in lane if not path.startswith("--ignore=")]
    return any(file.is_relative_to(path) for path in within) and not any(file.is_relative_to(path) for path in without)


def test_with_arguments_only_the_chosen_tests_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(test, "passes", lambda *_: pytest.fail("no other check was asked for"))
    monkeypatch.setattr(test, "PYTEST", (*SUITE, "nothing"))
    assert test.run(argparse.Namespace(rest=["-k", "stock"])) == 0
    assert "ran -k stock\n" in capfd.readouterr().out
