"""Task definitions: size, logs, privileges, secrets and images."""

import re
from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.service import TASK, containers, environment
from cfn.doctor.services import services
from cfn.doctor.values import dig, items, number, truth

rule = Rules()
# cpu units: the memory sizes, in MiB, that Fargate offers with them.
FARGATE = {
    256: {512, 1024, 2048},
    512: set(range(1024, 4097, 1024)),
    1024: set(range(2048, 8193, 1024)),
    2048: set(range(4096, 16385, 1024)),
    4096: set(range(8192, 30721, 1024)),
}
SECRET_NAME = re.compile(r"(PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|PRIVATE|_KEYS?$|^DATABASE_URL$)")


@rule("TND-TSK-01", "The task is one that Fargate offers")
def fargate(world: World) -> Iterator[Fault]:
    """Fargate knows pairs of processor and memory. The architecture must be that of the Lambda twin, since both are
    built from the same wheels."""
    kinds = {str(f.get("Architectures")).replace("'", "").strip("[]") for f in _twins(world)}
    for task in world.of(TASK):
        cpu, memory = number(task.get("Cpu")), number(task.get("Memory"))
        if memory not in FARGATE.get(int(cpu or 0), set()):
            yield Fault(task, "Memory", f"Fargate has no {cpu} units with {memory} MiB", "use a pair from its table")
        if task.get("NetworkMode") != "awsvpc" or items(task.get("RequiresCompatibilities")) != ["FARGATE"]:
            yield Fault(task, "NetworkMode", "it is no Fargate task", "set awsvpc and FARGATE")
        platform = task.get("RuntimePlatform") or {}
        if platform.get("OperatingSystemFamily") != "LINUX":
            yield Fault(task, "RuntimePlatform", "it names no operating system", "set LINUX")
        architecture = str(platform.get("CpuArchitecture")).lower()
        if kinds and kinds != {architecture}:
            wrong = f"the task runs on {architecture}, the fallback on {sorted(kinds)}"
            yield Fault(task, "RuntimePlatform.CpuArchitecture", wrong, "use one architecture for both")


def _twins(world: World) -> list[Resource]:
    return [function for found in services(world) for function in found.functions]


@rule("TND-TSK-02", "Every container logs, to a declared group")
def logs(world: World) -> Iterator[Fault]:
    """The sidecar too: when traces stop arriving, its log is the only place that says why."""
    for task in world.of(TASK):
        for path, container in containers(task):
            made = container.get("LogConfiguration") or {}
            options = made.get("Options") or {}
            group = world.at(options.get("awslogs-group"), "AWS::Logs::LogGroup")
            if made.get("LogDriver") != "awslogs" or not group:
                yield Fault(task, f"{path}.LogConfiguration", "it logs to no declared group", "use awslogs and a group")
            elif not options.get("awslogs-region") or not options.get("awslogs-stream-prefix"):
                wrong = "region or stream prefix is missing"
                yield Fault(task, f"{path}.LogConfiguration", wrong, "set awslogs-region and awslogs-stream-prefix")
            if options.get("mode") == "non-blocking" and not options.get("max-buffer-size"):
                yield Fault(task, f"{path}.LogConfiguration", "its buffer is not bounded", "set max-buffer-size")


@rule("TND-TSK-03", "Containers cannot change themselves", Severity.ERROR)
def read_only(world: World) -> Iterator[Fault]:
    """Read-only root, no privileges, not root: an intruder then finds nothing to write to and nothing to become."""
    for task in world.of(TASK):
        for path, container in containers(task):
            if truth(container.get("ReadonlyRootFilesystem")) is not True:
                yield Fault(task, f"{path}.ReadonlyRootFilesystem", "its root can be written", "set it to true")
            if truth(container.get("Privileged")) or str(container.get("User", "")) in {"0", "root"}:
                yield Fault(task, path, "it runs with privileges", "drop Privileged, and run as another user than root")


@rule("TND-TSK-04", "Secrets come by reference, never in plain environment", Severity.CRITICAL)
def plain_secrets(world: World) -> Iterator[Fault]:
    """Whoever may read a task definition or a function's configuration reads its environment."""
    for resource, path, name, value in _environments(world):
        dynamic = str(value).startswith("{{resolve:") or world.at(value, "AWS::SecretsManager::Secret") is not None
        if SECRET_NAME.search(name.upper()) and not name.upper().endswith(("_ARN", "_ID", "_NAME")) and not dynamic:
            yield Fault(resource, path, f"{name} stands in plain environment", "give it by Secrets and an ARN")
        if isinstance(value, str) and re.search(r"://[^/\s:]+:[^@/\s]+@", value):
            yield Fault(resource, path, f"{name} carries a password in its URL", "give it by Secrets and an ARN")
    for task in world.of(TASK):
        for path, container in containers(task):
            for entry in items(container.get("Secrets")):
                if not world.at(entry.get("ValueFrom")):
                    yield Fault(
                        task, f"{path}.Secrets", f"{entry.get('Name')} names no declared secret", "refer to one"
                    )


def _environments(world: World) -> Iterator[tuple[Resource, str, str, Any]]:
    for task in world.of(TASK):
        for path, container in containers(task):
            for name, value in environment(container).items():
                yield task, f"{path}.Environment", name, value
    for function in world.of("AWS::Lambda::Function"):
        for name, value in (function.get("Environment", "Variables") or {}).items():
            yield function, "Environment.Variables", name, value


@rule("TND-TSK-05", "The containers that serve are the ones that matter")
def essential(world: World) -> Iterator[Fault]:
    """The serving container is essential and has its own health check with a start period; a sidecar that dies must not
    take the shop down; a container that others wait for must be able to succeed."""
    for found in services(world):
        if not found.task or not found.container:
            continue
        if truth(found.container.get("Essential")) is not True:
            yield Fault(found.task, "ContainerDefinitions", "the serving container is not essential", "set Essential")
        if not dig(found.container, "HealthCheck", "Command") or not dig(found.container, "HealthCheck", "StartPeriod"):
            wrong = "the serving container has no health check with a start period"
            yield Fault(found.task, "ContainerDefinitions", wrong, "add HealthCheck.Command and StartPeriod")
        stop = number(found.container.get("StopTimeout"))
        if stop is None or not 30 <= stop <= 120:
            wrong = f"it is killed {stop} s after it was asked to stop"
            yield Fault(found.task, "ContainerDefinitions", wrong, "leave 30 to 120 s to finish requests")
        names = {c.get("Name") for _, c in containers(found.task)}
        for path, container in containers(found.task):
            if container is not found.container and truth(container.get("Essential")) is not False:
                yield Fault(found.task, f"{path}.Essential", "a helper may end the task", "set Essential to false")
            for wait in items(container.get("DependsOn")):
                if wait.get("ContainerName") not in names:
                    yield Fault(found.task, f"{path}.DependsOn", "it waits for no container of its task", "name one")


@rule("TND-TSK-06", "Images come from the declared repositories")
def images(world: World) -> Iterator[Fault]:
    """Helpers from a public registry are pinned by AWS; our own image must be scanned, and is when it is in our ECR."""
    for found in services(world):
        image = dig(found.container, "Image")
        if found.task and not world.at(image, "AWS::ECR::Repository"):
            yield Fault(found.task, "ContainerDefinitions", f"{image} is in no declared repository", "use its URI")
        elif found.task and (
            str(image).endswith(":latest") or ":" not in str(image).rsplit("/", 1)[-1].rsplit("}", 1)[-1]
        ):
            yield Fault(found.task, "ContainerDefinitions", "the image has no tag of its own", "deploy immutable tags")
