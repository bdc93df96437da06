"""What runs as one task: the migration that has to succeed first, the service itself, and the agent for its traces."""

from collections.abc import Mapping, Sequence

from awacs import ecr, logs
from troposphere import GetAtt, Parameter, Ref, Region, Sub, Template, ecs

from cfn import names
from cfn.boxes.cluster import Compute
from cfn.boxes.data import Data
from cfn.boxes.tracing import AGENT_PORT, agent, agent_volumes, tracing_permissions
from cfn.configuration import Configuration, login, place
from cfn.environments import Environment, Service
from cfn.foundation import Foundation
from cfn.permissions import EVERYTHING, allow, role
from cfn.wiring import Value

START_PERIOD = 30  # seconds in which failing checks of a container do not count
STOP_TIMEOUT = 60  # seconds; more than the lame duck and the grace of the server together


def version(template: Template, environment: Environment) -> Parameter:
    return template.add_parameter(
        Parameter(
            "Version",
            Type="String",
            Default=environment.version,
            AllowedPattern="[A-Za-z0-9._-]{1,128}",
            Description="Tag of the image, and what the service says it is",
        )
    )


def task(
    template: Template,
    environment: Environment,
    service: Service,
    settled: Configuration,
    foundation: Foundation,
    compute: Compute,
    data: Data,
) -> ecs.TaskDefinition:
    image = Sub("${Repository}:${Version}", Repository=foundation.registry.images[service.name])
    migrations = [_migration(service, image, settled, compute, data)] if service.database else []
    readable = (*settled.readable, *([data.admin] if service.database else []))
    return template.add_resource(
        ecs.TaskDefinition(
            "TaskDefinition",
            Family=names.name(environment, service.name),
            Cpu=str(environment.size.cpu),
            Memory=str(environment.size.memory),
            NetworkMode="awsvpc",
            RequiresCompatibilities=["FARGATE"],
            RuntimePlatform=ecs.RuntimePlatform(
                CpuArchitecture=environment.size.architecture.upper(), OperatingSystemFamily="LINUX"
            ),
            ExecutionRoleArn=_execution_role(template, service, readable, foundation, compute),
            TaskRoleArn=GetAtt(_task_role(template, service), "Arn"),
            ContainerDefinitions=[
                *migrations,
                _main(service, image, settled, compute, migrations),
                agent(_log(compute, service, "agent")),
            ],
            Volumes=agent_volumes(),
        )
    )


def _main(
    service: Service,
    image: Value,
    settled: Configuration,
    compute: Compute,
    migrations: Sequence[ecs.ContainerDefinition],
) -> ecs.ContainerDefinition:
    address = f"http://127.0.0.1:{service.port}{service.health_path}"
    check = f"import urllib.request as r; r.urlopen('{address}', timeout=3)"
    return ecs.ContainerDefinition(
        Name=service.name,
        Image=image,
        Command=list(service.command),
        Essential=True,
        PortMappings=[ecs.PortMapping(ContainerPort=service.port, Protocol="tcp", Name=service.name)],
        Environment=_environment(settled.settings),
        Secrets=_secrets(settled.secrets),
        DependsOn=[ecs.ContainerDependency(ContainerName=done.Name, Condition="SUCCESS") for done in migrations],
        HealthCheck=ecs.HealthCheck(
            Command=["CMD", "python", "-c", check], Interval=15, Timeout=5, Retries=3, StartPeriod=START_PERIOD
        ),
        ReadonlyRootFilesystem=True,
        LinuxParameters=_harmless(),
        StopTimeout=STOP_TIMEOUT,
        VersionConsistency="enabled",
        LogConfiguration=_log(compute, service, "service"),
    )


def _migration(
    service: Service, image: Value, settled: Configuration, compute: Compute, data: Data
) -> ecs.ContainerDefinition:
    """As the administrator, which creates the service's role with the password that its secret holds. Tasks that start
    together wait for each other at the migrations' lock."""
    secrets = login(data.admin, "ADMIN_DATABASE") | login(data.roles[service.name])
    return ecs.ContainerDefinition(
        Name="migrate",
        Image=image,
        Command=list(service.migration),
        Essential=False,
        Environment=_environment({**place(data), "VERSION": settled.settings["VERSION"]}),
        Secrets=_secrets(secrets),
        ReadonlyRootFilesystem=True,
        LinuxParameters=_harmless(),
        LogConfiguration=_log(compute, service, "migrate"),
    )


def _harmless() -> ecs.LinuxParameters:
    return ecs.LinuxParameters(Capabilities=ecs.KernelCapabilities(Drop=["ALL"]), InitProcessEnabled=True)


def runtime(environment: Environment) -> dict[str, Value]:
    """What the settings say in a container only."""
    return {
        "SERVED_BY": "fargate",
        "BACKGROUND": "true",
        "DATABASE_POOL": str(environment.database.pool),
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{AGENT_PORT}",
        "VERSION": Ref("Version"),
    }


def _environment(settings: Mapping[str, Value]) -> list[ecs.Environment]:
    return [ecs.Environment(Name=key, Value=settings[key]) for key in sorted(settings)]


def _secrets(secrets: Mapping[str, Value]) -> list[ecs.Secret]:
    return [ecs.Secret(Name=key, ValueFrom=secrets[key]) for key in sorted(secrets)]


def _log(compute: Compute, service: Service, prefix: str) -> ecs.LogConfiguration:
    """Non-blocking: a slow CloudWatch must cost lines, not answers."""
    options = {
        "awslogs-group": compute.logs[service.name],
        "awslogs-region": Region,
        "awslogs-stream-prefix": prefix,
        "mode": "non-blocking",
        "max-buffer-size": "8m",
    }
    return ecs.LogConfiguration(LogDriver="awslogs", Options=options)


def _execution_role(
    template: Template,
    service: Service,
    readable: tuple[Value, ...],
    foundation: Foundation,
    compute: Compute,
) -> Value:
    """What ECS does to start the task: token, layers, log streams, and the secrets that the containers name."""
    pull = [ecr.BatchCheckLayerAvailability, ecr.BatchGetImage, ecr.GetDownloadUrlForLayer]
    secrets = Configuration(settings={}, secrets={}, readable=readable)
    made = role(
        template,
        "ExecutionRole",
        "ecs-tasks.amazonaws.com",
        [
            allow("RegistryToken", [ecr.GetAuthorizationToken], [EVERYTHING]),  # knows no resource
            allow("PullOwnImage", pull, [foundation.registry.repositories[service.name]]),
            allow("Log", [logs.CreateLogStream, logs.PutLogEvents], [compute.log_arns[service.name]]),
            *secrets.permissions(foundation.encryption),
        ],
        description=f"Starts the tasks of {service.name}",
    )
    return GetAtt(made, "Arn")


def _task_role(template: Template, service: Service) -> Value:
    """What the service itself may do in AWS: send traces. It reads no secret; those came with its start."""
    description = f"The {service.name} service at work"
    return role(template, "TaskRole", "ecs-tasks.amazonaws.com", [tracing_permissions()], description=description)
