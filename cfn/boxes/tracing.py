"""X-Ray: who may send traces, how many are kept, and the agent beside each task that takes them."""

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
# name → (priority, URL path, kept per second, share of the rest). The first that matches decides.
SAMPLING = {
    "health": (10, "*/healthz", 0, 0.0),
    "orders": (20, "/orders*", 5, 0.5),
    "rest": (1000, "*", 1, 0.05),
}


def tracing(template: Template, environment: Environment) -> None:
    template.add_resource(
        xray.Group(
            "TraceGroup",
            GroupName=names.name(environment),
            FilterExpression="fault = true OR responsetime > 1",
            InsightsConfiguration=xray.InsightsConfiguration(InsightsEnabled=True, NotificationsEnabled=False),
        )
    )
    for rule, (priority, path, reservoir, rate) in SAMPLING.items():
        template.add_resource(
            xray.SamplingRule(
                names.title("sampling", rule),
                SamplingRule=xray.SamplingRuleProperty(
                    RuleName=names.name(environment, rule),
                    Priority=priority,
                    Version=1,
                    FixedRate=rate,
                    ReservoirSize=reservoir,
                    URLPath=path,
                    HTTPMethod="*",
                    Host="*",
                    ServiceName=f"{names.name(environment)}-*",
                    ServiceType="*",
                    ResourceARN="*",
                ),
            )
        )


def tracing_permissions() -> Statement:
    """X-Ray knows no resources to restrict these to."""
    return allow(
        "SendTraces",
        [
            actions.GetSamplingRules,
            actions.GetSamplingStatisticSummaries,
            actions.GetSamplingTargets,
            actions.PutTelemetryRecords,
            actions.PutTraceSegments,
        ],
        [EVERYTHING],
    )


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
