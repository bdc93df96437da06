"""What stands between the registry and the services: images, their scans, zips; and behind them the shop itself."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER  # type: ignore[import-untyped]

from cfn.environments import environment
from scripts.rehearsals.acts import QUICK
from scripts.releases import artifacts, images, smoke
from scripts.releases.changes import STATEFUL, read
from scripts.releases.clock import Clock
from scripts.terminal import Problem
from tests.scripts.releases import accounts

DEV = environment("dev")


class Scans:
    """ECR that answers with these, one after the other, and then with the last."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    def describe_image_scan_findings(self, **_: Any) -> Mapping[str, Any]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, str):
            raise ClientError({"Error": {"Code": answer}}, "DescribeImageScanFindings")
        status, counts = answer
        return {"imageScanStatus": {"status": status}, "imageScanFindings": {"findingSeverityCounts": counts}}


def checked(ecr: Scans, *, accepted: bool = False, clock: Clock = QUICK) -> list[str]:
    return list(images.check(ecr, DEV, ["order"], "v1", accepted=accepted, clock=clock))


def test_a_scan_that_has_not_begun_or_not_ended_is_waited_for() -> None:
    scans = Scans("ScanNotFoundException", ("IN_PROGRESS", {}), ("COMPLETE", {"HIGH": 2, "LOW": 1}))
    assert checked(scans) == ["tandem-dev/order:v1, 2 high, 1 low"]


def test_critical_findings_stop_a_release_unless_they_are_accepted() -> None:
    with pytest.raises(Problem, match=r"tandem-dev/order:v1 has 2 critical findings; mend them"):
        checked(Scans(("COMPLETE", {"CRITICAL": 2})))
    assert checked(Scans(("COMPLETE", {"CRITICAL": 2})), accepted=True) == ["tandem-dev/order:v1, 2 critical"]


def test_an_image_that_is_missing_cannot_be_scanned_or_never_is_stops_a_release() -> None:
    with pytest.raises(Problem, match="There is no image tandem-dev/order:v1; push it first"):
        checked(Scans("ImageNotFoundException"))
    with pytest.raises(Problem, match="ended as FAILED; nobody knows what is in it"):
        checked(Scans(("FAILED", {})))
    seconds = iter(range(0, 10_000, 100))
    with pytest.raises(Problem, match="has not ended in 300 s; run this again"):
        checked(Scans(("IN_PROGRESS", {})), clock=Clock(now=lambda: next(seconds), sleep=lambda _: None))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return accounts.zips(tmp_path, DEV)


def manifest(folder: Path, **facts: Any) -> None:
    file = folder / "lambda" / "order.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | facts))


def test_zips_are_for_the_environment_whole_and_with_certificates(built: Path) -> None:
    lambda_ = {"platform": "AWS Lambda"}
    for name in ("lambda/product", "lambda/frontend", "ops/ops"):
        file = built / f"{name}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | lambda_))
    manifest(built, platform="AWS Lambda", certificates=True)
    assert [one.name for one in artifacts.built(DEV, built, here=False)] == [
        "product.zip",
        "order.zip",
        "frontend.zip",
        "ops.zip",
    ]
    for facts, words in (
        ({"certificates": False}, "holds no certificates"),
        ({"python": "3.11.7"}, "is for Python 3.11 on AWS Lambda, not for Python 3.13"),
        ({"platform": "this machine"}, "on this machine"),
        ({"sha256": "0"}, "is not what its manifest describes"),
    ):
        manifest(built, **{"platform": "AWS Lambda", "certificates": True, "python": "3.13.1", **facts})
        with pytest.raises(Problem, match=words):
            artifacts.built(DEV, built, here=False)
    (built / "ops" / "ops.zip").unlink()
    manifest(built, sha256=json.loads((built / "lambda" / "product.json").read_text())["sha256"])
    with pytest.raises(Problem, match=r"There is no .*ops\.zip; build it first"):
        artifacts.built(DEV, built, here=True)


def test_a_tag_means_the_same_bytes_for_ever(built: Path, where: accounts.Landing) -> None:
    s3, ours = where.aws.s3, artifacts.built(DEV, built, here=True)
    s3.create_bucket(Bucket="zips")
    assert "there already" not in " ".join(artifacts.upload(s3, "zips", "v1", ours))
    assert all(line.endswith("there already") for line in artifacts.upload(s3, "zips", "v1", ours))
    other = [replace(ours[0], content=b"other")]
    with pytest.raises(Problem, match=r"zips holds another v1/product\.zip: a tag is used for one build"):
        list(artifacts.upload(s3, "zips", "v1", other))


def answering(**changes: tuple[int, Any]) -> smoke.Fetch:
    """A shop as it should be, but for these."""
    health = {name: (200, {"service": name, "version": "v2"}) for name in smoke.HEALTH}
    pages: dict[str, tuple[int, Any]] = dict.fromkeys(smoke.PAGES, (200, {}))
    told = {smoke.HEALTH[name]: answer for name, answer in (health | changes).items() if name in smoke.HEALTH} | pages
    told |= {path: changes[path] for path in smoke.PAGES if path in changes}

    def fetch(url: str) -> tuple[int, bytes]:
        status, body = told[url.removeprefix("https://shop")]
        return status, json.dumps(body).encode()

    return fetch


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"order": (503, {})}, "https://shop/orders/healthz answers 503: order is not there"),
        ({"order": (0, {})}, "answers nothing: order is not there"),
        ({"order": (200, {"service": "frontend"})}, "order is not there"),
        ({"product": (200, {"service": "product", "version": "v1"})}, "product answers as version v1, not v2"),
        ({"/": (500, {})}, "https://shop/ answers 500"),
    ],
)
def test_a_shop_that_does_not_answer_as_it_should_fails_the_release(changes: Any, words: str) -> None:
    impatient = Clock(now=iter([0.0, 1000.0]).__next__, sleep=lambda _: None)
    expected = smoke.Expected(dict.fromkeys(smoke.HEALTH, "v2"))
    with pytest.raises(Problem, match=words):
        smoke.check("https://shop", expected, clock=impatient, fetch=answering(**changes))
    smoke.check("https://shop", expected, clock=QUICK, fetch=answering())


def test_where_functions_answer_no_version_is_asked_for() -> None:
    expected = smoke.Expected({"product": None, "order": "v2", "frontend": "v2"})
    old = answering(product=(200, {"service": "product", "version": "v1"}))
    smoke.check("https://shop", expected, clock=QUICK, fetch=old)


@pytest.mark.parametrize("kind", STATEFUL)
def test_the_table_of_what_no_update_can_change_is_that_of_the_published_schemas(kind: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    fixed = {path.split("/")[2] for path in schema.get("createOnlyProperties", ())}
    assert fixed == STATEFUL[kind]


def change(replacement: str, **recreation: str) -> str:
    details = [{"Target": {"Name": name, "RequiresRecreation": needs}} for name, needs in recreation.items()]
    described = {
        "Action": "Modify",
        "LogicalResourceId": "Database",
        "ResourceType": "AWS::RDS::DBInstance",
        "Replacement": replacement,
        "Details": details,
    }
    (found,) = read("data", [{"ResourceChange": described}])
    return found.action


def test_a_database_may_grow_and_nothing_that_could_replace_it_passes_as_growth() -> None:
    assert change("False", DBInstanceClass="Never") == "change"
    assert change("Conditional", MultiAZ="Conditionally", AllocatedStorage="Never") == "change"
    assert change("Conditional", MultiAZ="Conditionally", AvailabilityZone="Conditionally") == "replace"
    assert change("Conditional", KmsKeyId="Always") == "replace"
    assert change("True", DBInstanceIdentifier="Always") == "replace"
