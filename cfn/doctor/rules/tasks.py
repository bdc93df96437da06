"""What containers and functions are told, and what stands beside them."""

import re
from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.service import TASK, containers, environment
from cfn.doctor.services import Mounted, services
from cfn.doctor.values import dig, items

rule = Rules()
AGENT = "cloudwatch-agent/cloudwatch-agent"


def told(container: dict[str, Any]) -> dict[str, Any]:
    """Settings and secrets by name."""
    secrets = {str(entry.get("Name")): entry.get("ValueFrom") for entry in items(container.get("Secrets"))}
    return environment(container) | secrets


@rule("TND-TSK-07", "Every runtime is told all that the services read")
def settings(world: World) -> Iterator[Fault]:
    """A service refuses to start without a key it needs, and a fallback refuses on the day it is needed."""
    for found in services(world):
        wanted = world.expectations.settings | world.expectations.secrets
        wanted |= world.expectations.database if found.port in world.expectations.with_database else set()
        for resource, path, given in runtimes(found):
            if missing := sorted(wanted - set(given)):
                yield Fault(resource, path, f"{', '.join(missing)} is missing", "set it")


def runtimes(found: Mounted) -> Iterator[tuple[Resource, str, dict[str, Any]]]:
    """What container and functions of a service are told, and where that stands."""
    if found.task and found.container:
        yield found.task, "ContainerDefinitions", told(found.container)
    for function in found.functions:
        yield function, "Environment.Variables", function.get("Environment", "Variables") or {}


@rule("TND-TSK-08", "Settings say what is true of their runtime")
def truths(world: World) -> Iterator[Fault]:
    """Sweeper and reconciler run in containers and never on Lambda; demo data is for environments nobody buys in; a
    sandbox has one connection, and a service listens on the port the balancer asks."""
    demo = str(world.expectations.seed_demo).lower()
    for found in services(world):
        for resource, path, given in runtimes(found):
            container = resource.type == TASK
            wanted = {
                "BACKGROUND": str(container).lower(),
                "ENVIRONMENT": world.expectations.environment,
                "PORT": str(found.port),
                "SEED_DEMO": demo,
                "SERVED_BY": "fargate" if container else "lambda",
            } | ({} if container else {"DATABASE_POOL": "1"})
            for key, value in wanted.items():
                if key in given and given[key] != value:
                    yield Fault(resource, path, f"{key} is {given[key]}", f"set it to {value}")


@rule("TND-TSK-09", "A key means the same secret everywhere", Severity.CRITICAL)
def same_secret(world: World) -> Iterator[Fault]:
    """Services check each other's signatures: with different keys they understand nobody. The login of a database role
    belongs to one service alone."""
    seen: dict[str, str] = {}
    users: dict[str, str] = {}
    for found in services(world):
        for resource, path, given in runtimes(found):
            for key in sorted(world.expectations.secrets & set(given)):
                if seen.setdefault(key, str(given[key])) != str(given[key]):
                    yield Fault(resource, path, f"{key} is another secret than elsewhere", "use one for all")
            login = str(given.get("DATABASE_PASSWORD"))
            if "DATABASE_PASSWORD" in given and users.setdefault(login, str(found.service)) != str(found.service):
                yield Fault(resource, path, f"it logs in as {users[login]}", "give each service its own role")
            user, password = (str(given.get(f"DATABASE_{part}")) for part in ("USER", "PASSWORD"))
            if "DATABASE_USER" in given and user.replace(":username:", ":password:") != password:
                yield Fault(resource, path, "user and password come from different secrets", "use one secret's")
    for key, value in seen.items():
        for other, same in seen.items():
            if key < other and value == same:
                yield Fault(world.stacks[0].name, "", f"{key} and {other} are one secret", "keep them apart")


@rule("TND-TSK-10", "The schema is migrated before the service starts")
def migrations(world: World) -> Iterator[Fault]:
    """A container of the same image migrates with the administrator's login and the service's own; the service waits
    for its success."""
    for found in services(world):
        if found.port not in world.expectations.with_database or not found.task or not found.container:
            continue
        waits = {
            wait.get("ContainerName")
            for wait in items(found.container.get("DependsOn"))
            if wait.get("Condition") == "SUCCESS"
        }
        before = [c for _, c in containers(found.task) if c.get("Name") in waits]
        if not before:
            yield Fault(found.task, "ContainerDefinitions", "nothing migrates before it starts", "wait for a migration")
        for container in before:
            wanted = {"ADMIN_DATABASE_PASSWORD", "ADMIN_DATABASE_USER", "VERSION"} | world.expectations.database
            if missing := sorted(wanted - set(told(container))):
                yield Fault(found.task, "ContainerDefinitions", f"the migration lacks {', '.join(missing)}", "set it")
            if container.get("Image") != found.container.get("Image"):
                yield Fault(found.task, "ContainerDefinitions", "it migrates with another image", "use the service's")


@rule("TND-TSK-11", "Our containers run our programs, without privileges")
def programs(world: World) -> Iterator[Fault]:
    """The command is stated, so that an image alone cannot decide what runs; no kernel capability is left."""
    for task in world.of(TASK):
        for path, container in containers(task):
            if not world.at(container.get("Image"), "AWS::ECR::Repository"):
                continue
            command = items(container.get("Command"))
            if command[:2] != ["python", "-m"] or len(command) != 4:
                yield Fault(task, f"{path}.Command", f"it runs {command}", "run python -m <module> <object>")
            if items(dig(container, "LinuxParameters", "Capabilities", "Drop")) != ["ALL"]:
                yield Fault(task, f"{path}.LinuxParameters", "it keeps kernel capabilities", "drop ALL")
            if dig(container, "LinuxParameters", "InitProcessEnabled") is not True:
                yield Fault(task, f"{path}.LinuxParameters", "nobody reaps its children", "set InitProcessEnabled")
    for found in services(world):
        check = [str(word) for word in items(dig(found.container, "HealthCheck", "Command"))]
        if found.task and found.container and not _asks_itself(check, found, world):
            yield Fault(found.task, "ContainerDefinitions", "its health check asks something else", "ask its own port")
        if found.task and dig(found.container, "VersionConsistency") != "enabled":
            yield Fault(found.task, "ContainerDefinitions", "a moved tag could change it", "set VersionConsistency")


def _asks_itself(check: list[str], found: Mounted, world: World) -> bool:
    address = f"127.0.0.1:{found.port}{world.expectations.health_paths.get(found.port or 0)}"
    return check[:1] in (["CMD"], ["CMD-SHELL"]) and check[1:3] == ["python", "-c"] and address in " ".join(check)


@rule("TND-TSK-12", "An agent beside the service takes its traces")
def agents(world: World) -> Iterator[Fault]:
    """Segments go by UDP to the address the service is told; an agent that listens elsewhere, or cannot write its
    files, loses them in silence."""
    for found in services(world):
        if not found.task or not found.container:
            continue
        address = str(environment(found.container).get("AWS_XRAY_DAEMON_ADDRESS"))
        beside = [c for _, c in containers(found.task) if AGENT in str(c.get("Image"))]
        if len(beside) != 1 or not re.search(r":\d+\.\d+", str(beside[0].get("Image"))):
            yield Fault(found.task, "ContainerDefinitions", "no agent of a fixed version is beside it", "add one")
        for agent in beside:
            if f'"bind_address":"{address}"' not in str(environment(agent).get("CW_CONFIG_CONTENT")):
                yield Fault(found.task, "ContainerDefinitions", f"the agent is not at {address}", "bind it there")
            if not dig(agent, "RestartPolicy", "Enabled"):
                yield Fault(found.task, "ContainerDefinitions", "an agent that dies stays dead", "let it restart")
            if len(items(agent.get("MountPoints"))) < 3:
                yield Fault(found.task, "ContainerDefinitions", "the agent cannot write", "mount what it writes to")


@rule("TND-TSK-13", "Every volume is mounted, every mount is of a volume")
def volumes(world: World) -> Iterator[Fault]:
    """A mount of a volume that the task does not have is refused; a volume nobody mounts is a leftover."""
    for task in world.of(TASK):
        named = [volume.get("Name") for volume in items(task.get("Volumes"))]
        mounted = {m.get("SourceVolume") for _, c in containers(task) for m in items(c.get("MountPoints"))}
        if set(named) != mounted or None in mounted or len(set(named)) != len(named):
            yield Fault(task, "Volumes", f"volumes {named}, mounts {sorted(map(str, mounted))}", "make them agree")
