"""Which images of a repository may go: a function of what is there, what is used, and what is worth keeping.

An image that is kept keeps what belongs to it: the platforms of an index, and the signatures and attestations that name
it as their subject. One that is in use keeps the index it was chosen from, too: the next task will ask for that one.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

_COMPANION = re.compile(r"sha256-([0-9a-f]{64})(?:\.\w+)?")  # cosign's tags, and the fallback tags of OCI referrers
_HASH = re.compile(r"[0-9a-f]{7,}")
_WORD = re.compile(r"[^\W\d_]+")


class Reason(StrEnum):
    """Why an image is kept; the first that applies."""

    USED = "in-use"
    PROTECTED = "protected-tag"
    NEWEST = "newest-of-family"
    YOUNG = "young"
    ARCHIVED = "archived"
    PART = "part-of-a-kept-image"
    CAPPED = "over-the-limit-of-a-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """`children` are the digests that an index names, `subject` the digest that a signature or attestation is about."""

    digest: str
    pushed: datetime
    tags: tuple[str, ...] = ()
    size: int = 0  # bytes
    children: tuple[str, ...] = ()
    subject: str | None = None
    archived: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The tags that people give; those of companions only say what they are about."""
        return tuple(tag for tag in self.tags if not _COMPANION.fullmatch(tag))

    @property
    def subjects(self) -> tuple[str, ...]:
        found = [match[1] for tag in self.tags if (match := _COMPANION.fullmatch(tag))]
        return (*(f"sha256:{digest}" for digest in found), *((self.subject,) if self.subject else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """`newest` of each tag family, untagged ones younger than `young`, tags that match `protected` (`*` is wild).

    A run deletes at most `most` images, and at most `percent` of a repository.
    """

    newest: int = 10
    young: timedelta = timedelta(days=7)
    protected: tuple[str, ...] = ("latest",)
    most: int = 200
    percent: int = 25


@dataclass(frozen=True, slots=True)
class Plan:
    """`chosen` in steps: nothing is named by an index of the same or a later step."""

    scanned: int
    kept: Mapping[str, Reason]
    chosen: tuple[tuple[Image, ...], ...] = field(default=())

    @property
    def images(self) -> tuple[Image, ...]:
        return tuple(image for step in self.chosen for image in step)

    @property
    def reasons(self) -> dict[str, int]:
        return dict(sorted(Counter(reason.value for reason in self.kept.values()).items()))


def plan(images: Sequence[Image], used: frozenset[str], keeping: Keeping, now: datetime, most: int) -> Plan:
    """`used` are digests; `most` is what this run may still delete."""
    kept = _closed(images, _reasons(images, used, keeping, now))
    free = [image for image in images if image.digest not in kept]
    steps = _steps(free)
    free.sort(key=lambda image: (steps[image.digest], image.pushed, image.digest))
    limit = min(most, len(images) * keeping.percent // 100)
    kept |= {image.digest: Reason.CAPPED for image in free[limit:]}
    by_step: dict[int, list[Image]] = defaultdict(list)
    for image in free[:limit]:
        by_step[steps[image.digest]].append(image)
    return Plan(len(images), kept, tuple(tuple(by_step[step]) for step in sorted(by_step)))


def family(tag: str) -> str:
    """What tags of one kind share: `main` of main-3f2a91c, `v` of v1.2.3, nothing of 3f2a91c."""
    words = []
    for part in re.split(r"[-_.]", tag):
        if _HASH.fullmatch(part) or not (word := _WORD.match(part)):
            break
        words.append(word[0])
        if word[0] != part:
            break
    return "-".join(words)


def _reasons(images: Sequence[Image], used: frozenset[str], keeping: Keeping, now: datetime) -> dict[str, Reason]:
    """What is kept for its own sake."""
    in_use = _with_indexes(images, used)
    newest = _newest(images, keeping.newest)
    kept: dict[str, Reason] = {}
    for image in images:
        reasons = {
            Reason.USED: image.digest in in_use,
            Reason.PROTECTED: any(fnmatchcase(tag, one) for tag in image.tags for one in keeping.protected),
            Reason.NEWEST: image.digest in newest,
            Reason.YOUNG: not image.names and now - image.pushed < keeping.young,
            Reason.ARCHIVED: image.archived,
        }
        if reason := next((reason for reason, holds in reasons.items() if holds), None):
            kept[image.digest] = reason
    return kept


def _with_indexes(images: Sequence[Image], used: frozenset[str]) -> set[str]:
    parents = _parents(images)
    found: set[str] = set()
    pending = list(used)
    while pending:
        digest = pending.pop()
        if digest not in found:
            found.add(digest)
            pending.extend(parents[digest])
    return found


def _newest(images: Sequence[Image], number: int) -> set[str]:
    families: dict[str, dict[str, Image]] = defaultdict(dict)
    for image in images:
        for tag in image.names:
            families[family(tag)][image.digest] = image
    newest: set[str] = set()
    for members in families.values():
        by_age = sorted(members.values(), key=lambda image: (image.pushed, image.digest), reverse=True)
        newest |= {image.digest for image in by_age[:number]}
    return newest


def _closed(images: Sequence[Image], kept: dict[str, Reason]) -> dict[str, Reason]:
    """With everything that belongs to what is kept."""
    belongings: dict[str, list[str]] = defaultdict(list)
    for image in images:
        belongings[image.digest].extend(image.children)
        for subject in image.subjects:
            belongings[subject].append(image.digest)
    there = {image.digest for image in images}
    closed, pending = dict(kept), list(kept)
    while pending:
        for digest in belongings[pending.pop()]:
            if digest in there and digest not in closed:
                closed[digest] = Reason.PART
                pending.append(digest)
    return closed


def _steps(free: Sequence[Image]) -> dict[str, int]:
    """How many indexes stand above each; the registry refuses to delete what an index still names."""
    parents, known = _parents(free), {image.digest for image in free}
    steps = dict.fromkeys(known, 0)
    for _ in range(len(free)):  # as deep as it could be; a digest cannot name itself, so this ends earlier
        deeper = {
            digest: step
            for digest in known
            if (step := 1 + max((steps[parent] for parent in parents[digest]), default=-1)) > steps[digest]
        }
        if not deeper:
            break
        steps |= deeper
    return steps


def _parents(images: Iterable[Image]) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = defaultdict(list)
    for image in images:
        for child in image.children:
            parents[child].append(image.digest)
    return parents
