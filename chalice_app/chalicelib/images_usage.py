"""Which images are in use anywhere in the account and region: by digest where AWS says so, else by reference.

The clients are boto3's. Whatever cannot be looked up is an exception: an image about which nothing is known may be the
one that runs the shop.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.images_plan import Image
from chalicelib.images_registry import LookupFailed
from chalicelib.paging import chunks, items

_REFERENCE = re.compile(r"(?:[^/]+/)?(?P<repository>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")
UNFINISHED = {"PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"}
FINISHED = {"SUCCESSFUL", "ROLLBACK_SUCCESSFUL"}
BACK = 2  # finished deployments to look at: the one that runs, and the one before


@dataclass(slots=True)
class Usage:
    """`references` are as people write them: registry/repository:tag, or @digest."""

    digests: set[str] = field(default_factory=set)
    references: set[str] = field(default_factory=set)
    definitions: set[str] = field(default_factory=set)  # task definitions, by ARN or family

    def container(self, described: Mapping[str, Any]) -> None:
        if digest := described.get("imageDigest"):
            self.digests.add(digest)
        if image := described.get("image"):
            self.references.add(image)

    def in_repository(self, name: str, images: Iterable[Image]) -> frozenset[str]:
        """The digests that this repository has in use. The registry's host is not compared: rather one too many."""
        wanted_tags: set[str] = set()
        used = set(self.digests)
        for reference in self.references:
            match = _REFERENCE.fullmatch(reference)
            if match is None or match["repository"] != name:
                continue
            if match["digest"]:
                used.add(match["digest"])
            if match["tag"] or not match["digest"]:
                wanted_tags.add(match["tag"] or "latest")
        return frozenset(used | {image.digest for image in images if wanted_tags & set(image.tags)})


def usage(ecs: Any, functions: Any, events: Any, scheduler: Any) -> Usage:
    """Raises LookupFailed, and what the clients raise."""
    found = Usage()
    for cluster in items(ecs.list_clusters, "clusterArns"):
        _tasks(ecs, cluster, found)
        _services(ecs, cluster, found)
    _scheduled(events, scheduler, found)
    for definition in sorted(found.definitions):
        described = ecs.describe_task_definition(taskDefinition=definition)["taskDefinition"]
        for container in described["containerDefinitions"]:
            found.container(container)
    _functions(functions, found)
    return found


def _tasks(ecs: Any, cluster: str, found: Usage) -> None:
    """Those that run and those that are about to: both have RUNNING as their desired status."""
    for some in chunks(items(ecs.list_tasks, "taskArns", cluster=cluster, desiredStatus="RUNNING"), 100):
        for task in _described(ecs.describe_tasks(cluster=cluster, tasks=some), "tasks"):
            found.definitions.add(task["taskDefinitionArn"])
            for container in task.get("containers", ()):
                found.container(container)


def _services(ecs: Any, cluster: str, found: Usage) -> None:
    revisions: set[str] = set()
    for some in chunks(items(ecs.list_services, "serviceArns", cluster=cluster), 10):
        for service in _described(ecs.describe_services(cluster=cluster, services=some), "services"):
            for one in (service, *service.get("deployments", ()), *service.get("taskSets", ())):
                if "taskDefinition" in one:
                    found.definitions.add(one["taskDefinition"])
            revisions |= {one["arn"] for one in service.get("currentServiceRevisions", ())}
            if service.get("deploymentController", {}).get("type", "ECS") == "ECS":
                revisions |= _revisions(ecs, cluster, service["serviceArn"])
    for some in chunks(sorted(revisions), 20):
        answer = ecs.describe_service_revisions(serviceRevisionArns=some)
        for revision in _described(answer, "serviceRevisions", may_be_gone=False):
            found.definitions.add(revision["taskDefinition"])
            for container in revision.get("containerImages", ()):
                found.container(container)


def _revisions(ecs: Any, cluster: str, service: str) -> set[str]:
    """What deployments under way come from and go to, and where a rollback of the last one would go."""
    briefs = list(items(ecs.list_service_deployments, "serviceDeployments", service=service, cluster=cluster))
    done = sorted((one for one in briefs if one["status"] in FINISHED), key=lambda one: one["createdAt"], reverse=True)
    chosen = [one for one in briefs if one["status"] in UNFINISHED] + done[:BACK]
    revisions: set[str] = set()
    for some in chunks((one["serviceDeploymentArn"] for one in chosen), 20):
        answer = ecs.describe_service_deployments(serviceDeploymentArns=some)
        for deployment in _described(answer, "serviceDeployments", may_be_gone=False):
            revisions |= {one["arn"] for one in deployment.get("sourceServiceRevisions", ())}
            revisions |= {deployment[key][name] for key, name in _TARGETS if name in deployment.get(key, {})}
    return revisions


_TARGETS = (("targetServiceRevision", "arn"), ("rollback", "serviceRevisionArn"))


def _scheduled(events: Any, scheduler: Any, found: Usage) -> None:
    """Task definitions that a rule or a schedule starts; a family alone stands for its latest ACTIVE revision."""
    for rule in items(events.list_rules, "Rules", "NextToken"):
        for target in items(events.list_targets_by_rule, "Targets", "NextToken", Rule=rule["Name"]):
            if "EcsParameters" in target:
                found.definitions.add(target["EcsParameters"]["TaskDefinitionArn"])
    for schedule in items(scheduler.list_schedules, "Schedules", "NextToken"):
        if ":ecs:" not in schedule["Target"]["Arn"]:
            continue
        target = scheduler.get_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])["Target"]
        if "EcsParameters" in target:
            found.definitions.add(target["EcsParameters"]["TaskDefinitionArn"])


def _functions(functions: Any, found: Usage) -> None:
    """All versions, and so whatever an alias points to. Only GetFunction knows which digest a version runs."""
    for function in items(functions.list_functions, "Functions", "Marker", FunctionVersion="ALL"):
        if function.get("PackageType") != "Image":
            continue
        code = functions.get_function(FunctionName=function["FunctionArn"])["Code"]
        if not (code.get("ResolvedImageUri") or code.get("ImageUri")):
            raise LookupFailed(f"{function['FunctionArn']} does not say which image it runs")
        found.references |= {code[key] for key in ("ResolvedImageUri", "ImageUri") if code.get(key)}


def _described(answer: Mapping[str, Any], member: str, *, may_be_gone: bool = True) -> list[Mapping[str, Any]]:
    """A task or service that ended since it was listed is MISSING, and uses nothing; any other failure is one."""
    for failure in answer.get("failures", ()):
        if not (may_be_gone and failure.get("reason") == "MISSING"):
            raise LookupFailed(f"{member}: {failure.get('arn')}: {failure.get('reason')}")
    return list(answer[member])
