"""Linters over every stack of every environment, against the one reviewed list of exceptions."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from cfn.linting import Complaint, Exemption, cfn_lint_complaints, checkov_complaints, exemptions, judge
from scripts.places import LOCAL
from tests.cfn.rendered import Rendered

CFN_LINT = Path(sys.executable).with_name("cfn-lint")
WORKERS = 2
LISTED = exemptions()


@pytest.fixture(scope="module")
def folder(deployments: dict[str, Rendered], tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("templates")
    for name, deployment in deployments.items():
        (root / name).mkdir()
        for stack in deployment.stacks:
            (root / name / f"{stack.row.name}.json").write_text(stack.body)
    return root


def cfn_lint(templates: list[Path]) -> list[Any]:
    command = [str(CFN_LINT), "--format", "json", "--regions", "us-east-1", "--template", *map(str, templates)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own environment
    assert run.stdout.startswith("["), run.stderr
    found: list[Any] = json.loads(run.stdout)
    return found


def lint(templates: list[Path], cache: pytest.Cache) -> list[Complaint]:
    """Each template costs half a second: what was clean, byte for byte and in this version, is not asked again."""
    tool = version("cfn-lint")
    clean = set(cache.get(f"tandem/clean-{tool}", []))
    asked = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in templates}
    new = [path for path, digest in asked.items() if digest not in clean]
    with ThreadPoolExecutor(WORKERS) as pool:
        batches = [batch for start in range(WORKERS) if (batch := new[start::WORKERS])]
        matches = [match for report in pool.map(cfn_lint, batches) for match in report]
    guilty = {match["Filename"] for match in matches}
    cache.set(f"tandem/clean-{tool}", sorted(digest for path, digest in asked.items() if str(path) not in guilty))
    return list(cfn_lint_complaints(matches))


def test_cfn_lint_has_no_error_and_no_warning_without_a_written_reason(
    folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    planted = tmp_path / "planted.json"  # so that silence means something
    planted.write_text((folder / "dev" / "rotation.json").read_text().replace('Days":30', 'Days":"soon"'))
    templates = sorted(path for path in folder.rglob("*.json") if "nameless" not in path.parts)
    templates += [folder / "nameless" / f"{stack}.json" for stack in ("network", "platform", "cdn")]
    cache = request.config.cache
    assert cache is not None
    found = lint([*templates, planted], cache)
    assert [one.rule for one in found if one.where == "planted/AdminRotation"] == ["E3012"]
    verdict = judge("cfn-lint", (one for one in found if not one.where.startswith("planted/")), LISTED)
    assert not verdict.unexpected, "\n".join(map(str, verdict.unexpected))
    assert not verdict.stale, verdict.stale


def checkov() -> str | None:
    """An environment of its own: its dependencies fit nobody else's. TANDEM_CHECKOV names it, or `.local/checkov`."""
    return os.environ.get("TANDEM_CHECKOV") or shutil.which("checkov", path=str(LOCAL / "checkov" / "bin"))


@pytest.mark.slow
@pytest.mark.skipif(not checkov(), reason="checkov is not installed: TANDEM_CHECKOV names it, or .local/checkov has it")
def test_checkov_finds_nothing_beyond_the_reviewed_exceptions(folder: Path) -> None:
    shutil.rmtree(folder / "nameless")  # what no installation has needs no exception
    command = [str(checkov()), "--directory", str(folder), "--framework", "cloudformation", "--output", "json"]
    run = subprocess.run([*command, "--quiet", "--skip-download"], capture_output=True, text=True, check=False)  # noqa: S603
    verdict = judge("checkov", checkov_complaints(json.loads(run.stdout)), LISTED)
    assert not verdict.unexpected, "\n".join(map(str, verdict.unexpected))
    assert not verdict.stale, verdict.stale


def complaint(rule: str = "CKV_1", where: str = "data/Database") -> Complaint:
    return Complaint("checkov", rule, where, "…")


def exemption(rule: str = "CKV_1", where: str = "data/*") -> Exemption:
    return Exemption("checkov", rule, where, "because")


def test_a_complaint_without_an_exception_is_unexpected() -> None:
    verdict = judge("checkov", [complaint(where="cdn/Bucket"), complaint(rule="CKV_2"), complaint()], [exemption()])
    assert [(one.rule, one.where) for one in verdict.unexpected] == [
        ("CKV_1", "cdn/Bucket"),
        ("CKV_2", "data/Database"),
    ]
    assert verdict.stale == ()


def test_an_exception_that_nothing_needs_is_stale() -> None:
    needed, unneeded = exemption(), exemption(rule="CKV_2")
    assert judge("checkov", [complaint()], [needed, unneeded]).stale == (unneeded,)


def test_the_exceptions_of_one_linter_say_nothing_about_another() -> None:
    other = Exemption("cfn-lint", "CKV_1", "data/*", "because")
    verdict = judge("checkov", [complaint()], [other])
    assert verdict.unexpected == (complaint(),)
    assert verdict.stale == ()


def test_every_exception_has_a_reason_and_is_there_once() -> None:
    assert all(len(one.reason) > 40 and one.reason.endswith(".") for one in LISTED)
    assert len({(one.tool, one.rule, one.where) for one in LISTED}) == len(LISTED)


def test_checkovs_report_is_read_by_stack_and_logical_id() -> None:
    failed = {
        "check_id": "CKV_1",
        "check_name": "Be good",
        "file_path": "/dev/data.json",
        "resource": "AWS::X::Y.Database",
    }
    report = {"results": {"failed_checks": [failed]}}
    expected = [Complaint("checkov", "CKV_1", "data/Database", "Be good")]
    assert list(checkov_complaints(report)) == list(checkov_complaints([report])) == expected
    assert list(checkov_complaints({"passed": 0})) == []
