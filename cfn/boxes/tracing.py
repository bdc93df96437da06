"""X-Ray: who may send traces, how many are kept, and the agent beside each task that takes them.

The services decide by SAMPLING themselves (services/chassis/sampling.py). Sampling rules of X-Ray are not rendered:
only an SDK that polls them would obey, and Lambda and load balancers do not.
"""

from awacs import xray as actions
from awacs.aws import Statement
from troposphere import Template, ecs, xray

from cfn import names
from cfn.environments import Environment
from cfn.permissions import EVERYTHING, allow
from cfn.wiring import Value, minified

AGENT_IMAGE = "public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300057.1b1167"
AGENT_PORT = 2000
# What the agent writes at its start, on a root that is read-only: https://github.com/aws/amazon-cloudwatch-agent/issues/276
WRITABLE = {
    "agent-etc": "/opt/aws/amazon-cloudwatch-agent/etc",
    "agent-logs": "/opt/aws/amazon-cloudwatch-agent/logs",
    "agent-var": "/opt/aws/amazon-cloudwatch-agent/var",
}
# The first whose path fits decides: so many a second of each process, and that share of the rest. Health checks are
# never traced, whatever is here.
SAMPLING = (
    {"path": "/orders*", "reservoir": 1, "rate": 0.5},
    {"path": "*", "reservoir": 0.02, "rate": 0.05},
)


def tracing(template: Template, environment: Environment) -> None:
    template.add_resource(
        xray.Group(
            "TraceGroup",
            GroupName=names.name(environment),
            FilterExpression="fault = true OR responsetime > 1",
            InsightsConfiguration=xray.InsightsConfiguration(InsightsEnabled=True, NotificationsEnabled=False),
        )
    )


def sampling() -> dict[str, Value]:
    """The setting that tells a service which requests it traces."""
    return {"TRACE_SAMPLING": minified(SAMPLING)}


def tracing_permissions() -> Statement:
    """X-Ray knows no resources to restrict these to."""
    return allow("SendTraces", [actions.PutTelemetryRecords, actions.PutTraceSegments], [EVERYTHING])


def agent(log: ecs.LogConfiguration) -> ecs.ContainerDefinition:
    """The CloudWatch agent takes X-Ray segments by UDP and OpenTelemetry by HTTP. The task survives its death."""
    traces: dict[str, Value] = {
        "xray": {"bind_address": f"127.0.0.1:{AGENT_PORT}", "tcp_proxy": {"bind_address": f"127.0.0.1:{AGENT_PORT}"}},
        "otlp": {"grpc_endpoint": "127.0.0.1:4317", "http_endpoint": "127.0.0.1:4318"},
    }
    return ecs.ContainerDefinition(
        Name="agent",
        Image=AGENT_IMAGE,
        Essential=False,
        RestartPolicy=ecs.RestartPolicy(Enabled=True),
        Environment=[
            ecs.Environment(Name="CW_CONFIG_CONTENT", Value=minified({"traces": {"traces_collected": traces}}))
        ],
        ReadonlyRootFilesystem=True,
        MountPoints=[
            ecs.MountPoint(SourceVolume=volume, ContainerPath=path, ReadOnly=False) for volume, path in WRITABLE.items()
        ],
        LogConfiguration=log,
    )


def agent_volumes() -> list[ecs.Volume]:
    return [ecs.Volume(Name=volume) for volume in WRITABLE]
