"""The images of a release: there, and without a finding that nobody should ship."""

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from cfn.boxes.registry import repository_name
from cfn.environments import Environment
from scripts.releases.aws import code
from scripts.releases.clock import Clock
from scripts.terminal import Problem

SCANNED = {"COMPLETE", "ACTIVE"}
UNABLE = {"FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED", "FINDINGS_UNAVAILABLE"}
PATIENCE = 300.0  # seconds that a scan may take


def check(
    ecr: Any, environment: Environment, services: Sequence[str], tag: str, *, accepted: bool, clock: Clock
) -> Iterator[str]:
    """A line for each image. Raises Problem for one that is missing, or has critical findings and was not accepted."""
    for service in services:
        repository = repository_name(environment, service)
        counts = _findings(ecr, repository, tag, clock)
        critical = counts.get("CRITICAL", 0)
        if critical and not accepted:
            raise Problem(
                f"The image {repository}:{tag} has {critical} critical finding{'s' * (critical != 1)}; mend them,"
                " or say --accept-findings."
            )
        yield f"{repository}:{tag}, {_said(counts)}"


def _said(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {severity.lower()}" for severity, count in sorted(counts.items())) or "no findings"


def _findings(ecr: Any, repository: str, tag: str, clock: Clock) -> dict[str, int]:
    end = clock.now() + PATIENCE
    while clock.now() < end:
        status, counts = _scan(ecr, repository, tag)
        if status in SCANNED:
            return counts
        if status in UNABLE:
            raise Problem(f"The scan of {repository}:{tag} ended as {status}; nobody knows what is in it.")
        clock.sleep(clock.pause)
    raise Problem(f"The scan of {repository}:{tag} has not ended in {PATIENCE:.0f} s; run this again.")


def _scan(ecr: Any, repository: str, tag: str) -> tuple[str, dict[str, int]]:
    """A scan on push begins a moment after the push, so that none is not yet one."""
    try:
        found = ecr.describe_image_scan_findings(repositoryName=repository, imageId={"imageTag": tag})
    except ClientError as error:
        if code(error) == "ScanNotFoundException":
            return "PENDING", {}
        if code(error) == "ImageNotFoundException":
            raise Problem(
                f"There is no image {repository}:{tag}; push it first (scripts/tandem build images)."
            ) from None
        raise
    return found["imageScanStatus"]["status"], dict(found.get("imageScanFindings", {}).get("findingSeverityCounts", {}))
