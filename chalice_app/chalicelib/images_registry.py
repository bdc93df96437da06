"""Repositories as ECR keeps them: listing with all that an index names, and deleting. `ecr` is a boto3 client."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.images_plan import Image
from chalicelib.paging import chunks, items

CONSENT = ("tandem:clean-up", "delete")  # the tag of a repository in which images may really be deleted
INDEXES = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
MANIFESTS = (
    *INDEXES,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
)
_AT_ONCE = 100  # images that BatchGetImage and BatchDeleteImage take


class LookupFailed(Exception):
    """Something could not be looked up, so nothing is known to be unused."""


@dataclass(frozen=True, slots=True)
class Repository:
    name: str
    consents: bool
    images: tuple[Image, ...]


@dataclass(slots=True)
class Deletion:
    """What became of each digest: gone, still named by an index, or failed with that code."""

    deleted: set[str] = field(default_factory=set)
    referenced: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)


def repositories(ecr: Any, names: Sequence[str]) -> Iterator[Repository]:
    """Raises LookupFailed, and what the client raises."""
    for some in chunks(names, _AT_ONCE):
        found = {
            one["repositoryName"]: one for one in items(ecr.describe_repositories, "repositories", repositoryNames=some)
        }
        for name in some:
            if name not in found:
                raise LookupFailed(f"there is no repository {name}")
            tags = ecr.list_tags_for_resource(resourceArn=found[name]["repositoryArn"])["tags"]
            consents = CONSENT in {(tag["Key"], tag["Value"]) for tag in tags}
            yield Repository(name, consents, _images(ecr, name))


def delete(ecr: Any, repository: str, digests: Sequence[str], into: Deletion) -> None:
    """By digest, so that no tag moved meanwhile takes another image along. A failure is an entry, not an exception."""
    for some in chunks(digests, _AT_ONCE):
        answer = ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": one} for one in some])
        into.deleted |= {one["imageDigest"] for one in answer.get("imageIds", ()) if "imageDigest" in one}
        for failure in answer.get("failures", ()):
            digest, code = failure.get("imageId", {}).get("imageDigest", "unknown"), failure.get("failureCode", "")
            if code == "ImageReferencedByManifestList":
                into.referenced.add(digest)
            else:
                into.failed[digest] = code or "unknown"
        silent = set(some) - into.deleted - into.referenced - into.failed.keys()
        into.failed |= dict.fromkeys(silent, "no answer")


def _images(ecr: Any, repository: str) -> tuple[Image, ...]:
    details = list(items(ecr.describe_images, "imageDetails", repositoryName=repository))
    manifests = _manifests(ecr, repository, [one["imageDigest"] for one in details if _may_be_index(one)])
    return tuple(_image(one, manifests.get(one["imageDigest"], {})) for one in details)


def _may_be_index(detail: Mapping[str, Any]) -> bool:
    return detail.get("imageManifestMediaType") in (*INDEXES, None)


def _image(detail: Mapping[str, Any], manifest: Mapping[str, Any]) -> Image:
    return Image(
        digest=detail["imageDigest"],
        pushed=detail["imagePushedAt"],
        tags=tuple(detail.get("imageTags", ())),
        size=detail.get("imageSizeInBytes", 0),
        children=tuple(one["digest"] for one in manifest.get("manifests", ())),
        subject=detail.get("subjectManifestDigest") or manifest.get("subject", {}).get("digest"),
        archived=detail.get("imageStatus", "ACTIVE") != "ACTIVE",
    )


def _manifests(ecr: Any, repository: str, digests: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """An index that cannot be read might name anything."""
    found: dict[str, Mapping[str, Any]] = {}
    for some in chunks(digests, _AT_ONCE):
        asked = [{"imageDigest": digest} for digest in some]
        answer = ecr.batch_get_image(repositoryName=repository, imageIds=asked, acceptedMediaTypes=list(MANIFESTS))
        for one in answer["images"]:
            found[one["imageId"]["imageDigest"]] = json.loads(one["imageManifest"])
        if missing := set(some) - found.keys():
            raise LookupFailed(f"{len(missing)} manifests of {repository} cannot be read: {answer.get('failures')}")
    return found
