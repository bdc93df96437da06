"""Deletes images that nothing runs and nobody will go back to. Without consent it only says what it would delete.

Consent is twofold: the deployment's flag, and a tag on the repository. Everything is looked up before anything is
deleted, and one look-up that fails ends the run: an image about which nothing is known may be the one that runs.
"""

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib import announcements
from chalicelib.config import Cleanup, ConfigError
from chalicelib.images_plan import Keeping, Plan, plan
from chalicelib.images_registry import Deletion, Repository, delete, repositories
from chalicelib.images_usage import usage
from chalicelib.operations import Operations

VERBS = ("would be deleted", "deleted")
RESERVE = 10.0  # seconds that are left for the report
_KEYS = {"keep_newest": "newest", "protected": "protected", "most_images": "most", "most_percent": "percent"}

log = logging.getLogger("operations.images")


class CleaningFailed(Exception):
    """The run was given up before anything was deleted."""


def clean(operations: Operations) -> dict[str, Any]:
    """One run over all configured repositories. Returns the report. Raises ConfigError and CleaningFailed."""
    config = operations.config.cleanup
    keep = keeping(config)
    try:
        found = _looked_up(operations, keep)
    except Exception as error:
        log.exception("images: a look-up failed, nothing was deleted")
        _tell(
            operations, {"verb": _verb(config.delete), "error": f"{type(error).__name__}: {error}", "repositories": []}
        )
        raise CleaningFailed(str(error)) from error
    entries = [_carried_out(operations, repository, planned) for repository, planned in found]
    report = {"verb": _verb(config.delete), "error": None, "repositories": entries}
    _tell(operations, report)
    return report


def keeping(config: Cleanup) -> Keeping:
    """The rules as CLEANUP gives them: `keep_newest`, `untagged_days`, `protected`, `most_images`, `most_percent`.

    Raises ConfigError.
    """
    given: dict[str, Any] = {_KEYS[key]: value for key, value in config.options.items() if key in _KEYS}
    days = config.options.get("untagged_days", 7)
    numbers = {**given, "untagged_days": days}
    patterns = given.pop("protected", ["latest"])
    numbers.pop("protected", None)
    wrong = [
        key for key, value in numbers.items() if not isinstance(value, int) or isinstance(value, bool) or value < 0
    ]
    texts = isinstance(patterns, list) and all(isinstance(one, str) and one for one in patterns)
    if wrong or not texts or given.get("percent", 0) > 100:
        raise ConfigError("CLEANUP is malformed: the rules for images are not numbers and patterns")
    return replace(Keeping(**given), young=timedelta(days=days), protected=tuple(patterns))


def _looked_up(operations: Operations, keep: Keeping) -> list[tuple[Repository, Plan]]:
    """The images first, then their use: what is pushed or started meanwhile is in no plan, or is seen in use."""
    client = operations.client
    listed = list(repositories(client("ecr"), operations.config.cleanup.repositories))
    used = usage(client("ecs"), client("lambda"), client("events"), client("scheduler"))
    planned, most = [], keep.most
    for repository in listed:
        in_use = used.in_repository(repository.name, repository.images)
        one = plan(repository.images, in_use, keep, operations.time.now(), most)
        most -= len(one.images)
        planned.append((repository, one))
    return planned


def _carried_out(operations: Operations, repository: Repository, planned: Plan) -> dict[str, Any]:
    """The entry of the report: in a rehearsal as if everything had gone well."""
    armed = operations.config.cleanup.delete and repository.consents
    done = Deletion()
    if armed:
        _delete(operations, repository, planned, done)
    else:
        done.deleted = {image.digest for image in planned.images}
    gone = [image for image in planned.images if image.digest in done.deleted]
    reasons = planned.reasons | ({"named-by-an-index": len(done.referenced)} if done.referenced else {})
    return {
        "repository": repository.name,
        "verb": _verb(armed),
        "scanned": planned.scanned,
        "kept": reasons,
        "images": [{"digest": image.digest, "tags": list(image.tags), "bytes": image.size} for image in gone],
        "bytes_at_most": sum(image.size for image in gone),  # layers are shared
        "failed": done.failed,
    }


def _delete(operations: Operations, repository: Repository, planned: Plan, done: Deletion) -> None:
    for step in planned.chosen:
        for image in step:
            if operations.time.remaining() < RESERVE:
                done.failed[image.digest] = "out of time"
        digests = [image.digest for image in step if image.digest not in done.failed]
        try:
            delete(operations.client("ecr"), repository.name, digests, done)
        except Exception as error:
            log.exception("images could not be deleted", extra={"repository": repository.name})
            answered = done.deleted | done.referenced | done.failed.keys()
            done.failed |= {digest: type(error).__name__ for digest in digests if digest not in answered}


def _verb(armed: bool) -> str:
    return VERBS[armed]


def _tell(operations: Operations, report: Mapping[str, Any]) -> None:
    """In the log, as metrics, and in Slack when there is something to say."""
    entries = report["repositories"]
    armed = [entry for entry in entries if entry["verb"] == _verb(armed=True)]
    kept = sum((Counter(entry["kept"]) for entry in entries), Counter[str]())
    chosen = {verb: sum(len(entry["images"]) for entry in entries if entry["verb"] == verb) for verb in VERBS}
    failed = sum(len(entry["failed"]) for entry in entries) + (report["error"] is not None)
    operations.count("ImagesScanned", sum(entry["scanned"] for entry in entries))
    operations.count("ImagesDeleted", chosen[_verb(armed=True)])
    operations.count("ImagesFailed", failed)
    operations.count("ImagesBytesAtMost", sum(entry["bytes_at_most"] for entry in armed))
    for reason, number in kept.items():
        operations.count("ImagesKept", number, reason=reason)
    log.info("images", extra={"report": report})
    if any(chosen.values()) or failed:
        facts = {verb.capitalize(): number for verb, number in chosen.items() if number} | {
            "Kept": kept.total(),
            "Failed": failed,
            "Megabytes at most": sum(entry["bytes_at_most"] for entry in entries) // 10**6,
        }
        announcements.tell(operations, announcements.cleaned(operations.config.environment, "Images", report, facts))
