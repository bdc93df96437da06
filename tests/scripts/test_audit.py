"""`audit`: every lock is asked about, and one finding is a failure."""

import argparse
import sys
from pathlib import Path

import pytest

from scripts import audit
from scripts.lock import LOCKS
from scripts.places import ROOT


def test_every_lock_is_asked_about_as_it_is() -> None:
    checks = audit.checks(Path("pip-audit"), Path("zizmor"), {})
    assert [f"{lock}.txt" for lock in LOCKS] == list(checks)[:-1]
    assert {str(path.relative_to(ROOT)) for path in ROOT.glob("requirements/*.txt")} <= set(checks)
    assert checks["requirements/service.txt"][-1] == "requirements/service.txt"
    assert "--strict" in checks["requirements/service.txt"]


def test_without_a_token_nobody_is_asked_about_actions() -> None:
    assert "--offline" in audit.checks(Path("a"), Path("b"), {})["workflows"]
    assert "--offline" not in audit.checks(Path("a"), Path("b"), {"GH_TOKEN": "x"})["workflows"]


@pytest.mark.parametrize(("code", "said"), [(0, "Nothing is known."), (1, "Found something in workflows.")])
def test_one_finding_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, said: str
) -> None:
    monkeypatch.setattr(audit, "tool", lambda *_: Path("x"))
    script = f"import sys; print('CVE'); sys.exit({code})"
    checks = {"a.txt": [sys.executable, "-c", ""], "workflows": [sys.executable, "-c", script]}
    monkeypatch.setattr(audit, "checks", lambda *_: checks)
    assert audit.run(argparse.Namespace()) == code
    out = capsys.readouterr().out
    assert said in out
    assert ("CVE" in out) is (code == 1)
