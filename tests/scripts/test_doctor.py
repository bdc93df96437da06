"""The command: what it prints and what it exits with."""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from scripts import doctor, synth
from scripts.terminal import Problem


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    doctor.arguments(parser)
    return parser.parse_args(words)


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """What synth writes for dev."""
    parser = argparse.ArgumentParser()
    synth.arguments(parser)
    assert synth.run(parser.parse_args(["--env", "dev", "--out", str(tmp_path)])) == 0
    return tmp_path / "dev"


def damage(folder: Path, name: str) -> None:
    """Deletes what the stack keeps of backups, and keeps the manifest true."""
    path = folder / name
    body: Any = json.loads(path.read_text())
    for resource in body["Resources"].values():
        if resource["Type"] == "AWS::RDS::DBInstance":
            resource["Properties"]["BackupRetentionPeriod"] = 0
    path.write_text(json.dumps(body))
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in manifest["stacks"]:
        if entry["template"] == name:
            entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_sound_templates_exit_with_0(templates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(options("--env", "dev", "--templates", str(templates))) == 0
    assert "nothing to find fault with" in capsys.readouterr().out


def test_without_templates_the_environment_is_rendered(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(options("--env", "lean")) == 0
    assert capsys.readouterr().out.startswith("lean: ")


def test_finding_is_a_table_that_says_what_is_wrong_where_and_how_to_mend_it(
    templates: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(templates, "data.json")
    assert doctor.run(options("--env", "dev", "--templates", str(templates))) == 1
    out = capsys.readouterr().out
    assert "TND-DAT-05  critical tandem-dev-data/Database BackupRetentionPeriod" in out
    assert "Backups are kept 0 days; keep them 7 to 35 days." in " ".join(out.split())
    assert "1 finding." in out


def test_json_is_for_machines(templates: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(templates, "data.json")
    assert doctor.run(options("--env", "dev", "--templates", str(templates), "--json")) == 1
    (report,) = json.loads(capsys.readouterr().out)
    (finding,) = report["findings"]
    assert (report["environment"], finding["rule"], finding["path"]) == ("dev", "TND-DAT-05", "BackupRetentionPeriod")


def test_rule_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(options("--explain", "tnd-edg-07")) == 0
    assert "Every path reaches the service that is meant" in capsys.readouterr().out


def test_rules_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.run(options("--rules")) == 0
    assert len(capsys.readouterr().out.splitlines()) > 100


@pytest.mark.parametrize(
    "words",
    [["--explain", "TND-NOT-01"], ["--env", "moon"], ["--templates", "x"], ["--env", "dev", "--templates", "/nowhere"]],
)
def test_bad_input_gets_one_sentence(words: list[str]) -> None:
    with pytest.raises(Problem) as caught:
        doctor.run(options(*words))
    assert "\n" not in str(caught.value)


def test_a_template_that_is_not_the_one_of_the_manifest_is_refused(templates: Path) -> None:
    path = templates / "network.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(Problem, match="render the templates again"):
        doctor.run(options("--env", "dev", "--templates", str(templates)))
