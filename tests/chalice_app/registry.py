"""A registry that fails like ECR, and an account that uses some of its images; each method is an AWS operation.

`Account` is filled by a test, which says of every image what should become of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from chalicelib.images_registry import INDEXES
from tests.chalice_app.stage import NOON
from tests.chalice_app.wire import Refused

HOST = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
ARN = "arn:aws:{}:us-east-1:123456789012:{}"
CLUSTER = ARN.format("ecs", "cluster/tandem-dev")
SERVICE = ARN.format("ecs", "service/tandem-dev/product")
PAGE = 300
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
HOUR = timedelta(hours=1)


def digest_of(name: str) -> str:
    return f"sha256:{sha256(name.encode()).hexdigest()}"


@dataclass
class Stored:
    digest: str
    pushed: datetime
    tags: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    subject: str | None = None
    status: str = "ACTIVE"


@dataclass
class Registry:
    """Repositories by name. `protected_by_kms` digests fail to be deleted."""

    repositories: dict[str, dict[str, Stored]] = field(default_factory=dict)
    consent: dict[str, str] = field(default_factory=lambda: {"tandem:clean-up": "delete"})
    stubborn: set[str] = field(default_factory=set)
    batches: list[int] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)

    def put(self, repository: str, name: str, *, days: float, tags: Sequence[str] = (), **more: Any) -> str:
        stored = Stored(digest_of(name), NOON - timedelta(days=days), list(tags), **more)
        self.repositories.setdefault(repository, {})[stored.digest] = stored
        return stored.digest

    def describe_repositories(self, repositoryNames: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        if missing := [name for name in repositoryNames if name not in self.repositories]:
            raise Refused("RepositoryNotFoundException", missing[0])
        found = [
            {"repositoryName": name, "repositoryArn": ARN.format("ecr", f"repository/{name}")}
            for name in repositoryNames
        ]
        return {"repositories": found}

    def list_tags_for_resource(self, resourceArn: str) -> dict[str, Any]:  # noqa: N803
        assert ":repository/" in resourceArn
        return {"tags": [{"Key": key, "Value": value} for key, value in self.consent.items()]}

    def describe_images(self, repositoryName: str, nextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        return page("imageDetails", [self._detail(one) for one in self._all(repositoryName)], nextToken)

    def batch_get_image(
        self,
        repositoryName: str,  # noqa: N803
        imageIds: Sequence[Mapping[str, str]],  # noqa: N803
        acceptedMediaTypes: Sequence[str],  # noqa: N803
    ) -> dict[str, Any]:
        if len(imageIds) > 100 or not set(INDEXES) <= set(acceptedMediaTypes):
            raise Refused("InvalidParameterException")
        images, failures = [], []
        for one in imageIds:
            stored = self.repositories[repositoryName].get(one["imageDigest"])
            if stored is None or stored.digest in self.unreadable:
                failures.append({"imageId": one, "failureCode": "ImageInaccessible"})
                continue
            manifest = {"manifests": [{"digest": child} for child in stored.children]}
            images.append({"imageId": one, "imageManifest": json.dumps(manifest)})
        return {"images": images, "failures": failures}

    def batch_delete_image(self, repositoryName: str, imageIds: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803
        if len(imageIds) > 100:
            raise Refused("InvalidParameterException")
        self.batches.append(len(imageIds))
        images = self.repositories[repositoryName]
        named = {child for stored in images.values() for child in stored.children}
        gone: list[dict[str, str]] = []
        failures: list[dict[str, Any]] = []
        for one in imageIds:
            digest = one["imageDigest"]
            code = self._objection(digest, images, named)
            if code:
                failures.append({"imageId": one, "failureCode": code})
            else:
                tags = images.pop(digest).tags
                gone.extend({"imageDigest": digest, "imageTag": tag} for tag in tags)
                if not tags:
                    gone.append({"imageDigest": digest})
        return ({"imageIds": gone} if gone else {}) | {"failures": failures}

    def _objection(self, digest: str, images: Mapping[str, Stored], named: set[str]) -> str:
        if digest not in images:
            return "ImageNotFound"
        if digest in named:
            return "ImageReferencedByManifestList"
        return "KmsError" if digest in self.stubborn else ""

    def _all(self, repository: str) -> list[Stored]:
        return sorted(self.repositories[repository].values(), key=lambda one: one.digest)

    def _detail(self, stored: Stored) -> dict[str, Any]:
        detail: dict[str, Any] = {
            "imageDigest": stored.digest,
            "imagePushedAt": stored.pushed,
            "imageSizeInBytes": 1000,
            "imageManifestMediaType": INDEXES[1] if stored.children else MANIFEST,
            "imageStatus": stored.status,
        }
        if stored.tags:
            detail["imageTags"] = stored.tags
        if stored.subject:
            detail["subjectManifestDigest"] = stored.subject
        return detail


@dataclass
class Ecs:
    """Tasks, the images of task definitions, and deployments with the revisions they go from, to, and back to."""

    tasks: list[dict[str, str]] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=dict)
    deployed: list[str] = field(default_factory=list)  # task definitions of the service's deployments
    revisions: dict[str, dict[str, str]] = field(default_factory=dict)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)

    def list_clusters(self) -> dict[str, Any]:
        return {"clusterArns": [CLUSTER]}

    def list_tasks(self, cluster: str, desiredStatus: str, nextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        assert (cluster, desiredStatus) == (CLUSTER, "RUNNING")
        return page("taskArns", [f"task/{number}" for number in range(len(self.tasks))], nextToken)

    def describe_tasks(self, cluster: str, tasks: Sequence[str]) -> dict[str, Any]:
        assert cluster == CLUSTER
        assert len(tasks) <= 100
        found = [self.tasks[int(arn.partition("/")[2])] for arn in tasks]
        described = [{"taskDefinitionArn": "first", "containers": [task]} for task in found]
        return {"tasks": described, "failures": self.failures}

    def list_services(self, cluster: str) -> dict[str, Any]:
        assert cluster == CLUSTER
        return {"serviceArns": [SERVICE]}

    def describe_services(self, cluster: str, services: Sequence[str]) -> dict[str, Any]:
        assert cluster == CLUSTER
        assert len(services) <= 10
        service = {
            "serviceArn": SERVICE,
            "taskDefinition": "first",
            "deployments": [{"taskDefinition": one} for one in self.deployed],
        }
        return {"services": [service], "failures": []}

    def list_service_deployments(self, service: str, cluster: str) -> dict[str, Any]:
        assert (service, cluster) == (SERVICE, CLUSTER)
        return {"serviceDeployments": [one["brief"] for one in self.deployments]}

    def describe_service_deployments(self, serviceDeploymentArns: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        assert len(serviceDeploymentArns) <= 20
        found = [one for one in self.deployments if one["brief"]["serviceDeploymentArn"] in serviceDeploymentArns]
        return {"serviceDeployments": [one["whole"] for one in found], "failures": []}

    def describe_service_revisions(self, serviceRevisionArns: Sequence[str]) -> dict[str, Any]:  # noqa: N803
        assert len(serviceRevisionArns) <= 20
        found = [
            {"serviceRevisionArn": arn, "taskDefinition": "first", "containerImages": [self.revisions[arn]]}
            for arn in serviceRevisionArns
        ]
        return {"serviceRevisions": found, "failures": []}

    def describe_task_definition(self, taskDefinition: str) -> dict[str, Any]:  # noqa: N803
        return {"taskDefinition": {"containerDefinitions": [{"image": self.definitions[taskDefinition]}]}}

    def deploy(self, number: int, status: str, *, source: str, target: str, rollback: str | None = None) -> None:
        arn = f"deployment/{number}"
        whole: dict[str, Any] = {"sourceServiceRevisions": [{"arn": source}], "targetServiceRevision": {"arn": target}}
        if rollback:
            whole["rollback"] = {"serviceRevisionArn": rollback}
        brief = {"serviceDeploymentArn": arn, "status": status, "createdAt": NOON - number * HOUR}
        self.deployments.append({"brief": brief, "whole": whole})


@dataclass
class ImageFunctions:
    """Versions of functions by ARN, with the image that each has resolved to; None is a function made of a zip."""

    versions: dict[str, str | None] = field(default_factory=dict)

    def list_functions(self, FunctionVersion: str, Marker: str = "0") -> dict[str, Any]:  # noqa: N803
        assert FunctionVersion == "ALL"
        listed = [
            {"FunctionArn": arn, "PackageType": "Image" if image else "Zip"} for arn, image in self.versions.items()
        ]
        return page("Functions", listed, Marker, "NextMarker", size=2)

    def get_function(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        image = self.versions[FunctionName]
        return {"Code": {"ImageUri": f"{HOST}/elsewhere:moved", "ResolvedImageUri": image}}


@dataclass
class Events:
    targets: dict[str, str] = field(default_factory=dict)

    def list_rules(self) -> dict[str, Any]:
        return {"Rules": [{"Name": name} for name in self.targets]}

    def list_targets_by_rule(self, Rule: str) -> dict[str, Any]:  # noqa: N803
        ours = {"Id": "1", "Arn": CLUSTER, "EcsParameters": {"TaskDefinitionArn": self.targets[Rule]}}
        return {"Targets": [ours, {"Id": "2", "Arn": ARN.format("lambda", "function:f")}]}


@dataclass
class Scheduler:
    targets: dict[str, str] = field(default_factory=dict)

    def list_schedules(self) -> dict[str, Any]:
        ours = [{"Name": name, "GroupName": "default", "Target": {"Arn": CLUSTER}} for name in self.targets]
        other = {"Name": "other", "GroupName": "default", "Target": {"Arn": ARN.format("lambda", "function:f")}}
        return {"Schedules": [*ours, other]}

    def get_schedule(self, Name: str, GroupName: str) -> dict[str, Any]:  # noqa: N803
        assert GroupName == "default"
        parameters = {"TaskDefinitionArn": self.targets[Name]}
        return {"Target": {"Arn": CLUSTER, "RoleArn": "role", "EcsParameters": parameters}}


def page(
    member: str, values: Sequence[Any], token: str, answered: str = "nextToken", size: int = PAGE
) -> dict[str, Any]:
    start = int(token)
    more = {answered: str(start + size)} if start + size < len(values) else {}
    return {member: list(values[start : start + size]), **more}
