"""The same apps on Lambda, behind the same paths, and in the tasks' group: the database needs no second door."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from awacs import ec2, logs
from troposphere import AccountId, GetAtt, Parameter, Ref, Sub, Template, awslambda, events
from troposphere import elasticloadbalancingv2 as elb
from troposphere.cloudwatch import Alarm
from troposphere.logs import LogGroup

from cfn import names
from cfn.alarms import Limit, alarm
from cfn.boxes.alerts import Alerts
from cfn.boxes.tracing import tracing_permissions
from cfn.configuration import Configuration, configuration
from cfn.environments import Environment, Service
from cfn.foundation import Backing, Foundation
from cfn.metrics import FUNCTION_ERRORS, THROTTLES
from cfn.permissions import EVERYTHING, allow, role
from cfn.wiring import Value


@dataclass(frozen=True, slots=True)
class Fallback:
    """Of each service: the target group of its function, the function's name, and the alarm when it fails."""

    groups: Mapping[str, Value]
    functions: Mapping[str, Value]
    alarms: Mapping[str, Value]


def fallback(template: Template, environment: Environment, foundation: Foundation, backing: Backing) -> Fallback:
    version = template.add_parameter(
        Parameter(
            "Version",
            Type="String",
            Default=environment.version,
            AllowedPattern="[A-Za-z0-9._-]{1,128}",
            Description="Prefix of the zips in the artifact bucket, and what the functions say they are",
        )
    )
    groups: dict[str, Value] = {}
    functions: dict[str, Value] = {}
    alarms: dict[str, Value] = {}
    for service in environment.services:
        runtime = {"SERVED_BY": "lambda", "BACKGROUND": "false", "DATABASE_POOL": "1", "VERSION": Ref(version)}
        settled = configuration(environment, service, backing, runtime)
        function = _function(template, environment, service, settled, foundation)
        groups[service.name] = Ref(_target_group(template, environment, service, function))
        functions[service.name] = Ref(function)
        if service.background:
            _schedule(template, environment, service, function)
        alarms[service.name] = Ref(_alarms(template, environment, service, function, foundation.alerts))
    return Fallback(groups=groups, functions=functions, alarms=alarms)


def _function(
    template: Template,
    environment: Environment,
    service: Service,
    settled: Configuration,
    foundation: Foundation,
) -> awslambda.Function:
    values, encryption = environment.functions, foundation.encryption
    group = template.add_resource(
        LogGroup(
            names.title(service.name, "function-log"),
            RetentionInDays=environment.log_days,
            KmsKeyId=encryption.key,
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )
    executor = role(
        template,
        names.title(service.name, "function-role"),
        "lambda.amazonaws.com",
        [
            *settled.permissions(encryption),
            allow("Log", [logs.CreateLogStream, logs.PutLogEvents], [GetAtt(group, "Arn")]),
            tracing_permissions(),
            allow("JoinTheNetwork", NETWORK_INTERFACES, [EVERYTHING]),  # none of these knows a resource
        ],
        description=f"The {service.name} service on Lambda",
        guarded=False,
    )
    return template.add_resource(
        awslambda.Function(
            names.title(service.name, "function"),
            FunctionName=names.name(environment, service.name),
            Description=f"The {service.name} service, for when its containers cannot answer",
            Runtime=f"python{values.python}",
            Architectures=[environment.size.architecture],
            Handler=service.handler,
            Code=awslambda.Code(S3Bucket=foundation.registry.artifacts, S3Key=Sub(f"${{Version}}/{service.name}.zip")),
            MemorySize=values.memory,
            Timeout=values.timeout,
            ReservedConcurrentExecutions=values.concurrency,
            Role=GetAtt(executor, "Arn"),
            KmsKeyArn=encryption.key,
            Environment=awslambda.Environment(Variables={**settled.settings, **settled.secrets}),
            LoggingConfig=awslambda.LoggingConfig(LogGroup=Ref(group)),
            TracingConfig=awslambda.TracingConfig(Mode="Active"),
            VpcConfig=awslambda.VPCConfig(
                SubnetIds=list(foundation.network.private_subnets), SecurityGroupIds=[foundation.security.tasks]
            ),
        )
    )


NETWORK_INTERFACES = (
    ec2.AssignPrivateIpAddresses,
    ec2.CreateNetworkInterface,
    ec2.DeleteNetworkInterface,
    ec2.DescribeNetworkInterfaces,
    ec2.DescribeSubnets,
    ec2.UnassignPrivateIpAddresses,
)


def _target_group(
    template: Template, environment: Environment, service: Service, function: awslambda.Function
) -> elb.TargetGroup:
    """The permission names the group and the group needs the permission: the group's name unties the knot."""
    name = names.name(environment, service.name, "lambda")
    permission = template.add_resource(
        awslambda.Permission(
            names.title(service.name, "permission"),
            Action="lambda:InvokeFunction",
            FunctionName=GetAtt(function, "Arn"),
            Principal="elasticloadbalancing.amazonaws.com",
            SourceAccount=AccountId,
            SourceArn=Sub(
                "arn:${AWS::Partition}:elasticloadbalancing:${AWS::Region}:${AWS::AccountId}:targetgroup/" + name + "/*"
            ),
        )
    )
    # Repeated query keys and cookies arrive complete only with multi-value headers. No health check: each would be an
    # invocation, and the load balancer moves nothing by itself.
    return template.add_resource(
        elb.TargetGroup(
            names.title(service.name, "function-group"),
            Name=name,
            TargetType="lambda",
            HealthCheckEnabled=False,
            Targets=[elb.TargetDescription(Id=GetAtt(function, "Arn"))],
            TargetGroupAttributes=[elb.TargetGroupAttribute(Key="lambda.multi_value_headers.enabled", Value="true")],
            DependsOn=[permission.title],
        )
    )


ROUND = {"run": "background"}  # what the handler knows (services/chassis/serverless.py)
MINUTE = 60  # seconds


def _schedule(template: Template, environment: Environment, service: Service, function: awslambda.Function) -> None:
    """A round of background work a minute, containers or not: every step may be repeated by anyone, and this way the
    function has been tried, and a sandbox is warm, before it is needed. A round that failed or came late is not
    repeated: the next one does its work."""
    rule = template.add_resource(
        events.Rule(
            names.title(service.name, "schedule"),
            Name=names.name(environment, service.name, "background"),
            Description=f"Background work of the {service.name} service, should no container be there to do it",
            ScheduleExpression="rate(1 minute)",
            State="ENABLED",
            Targets=[
                events.Target(
                    Id="function",
                    Arn=GetAtt(function, "Arn"),
                    Input=json.dumps(ROUND),
                    RetryPolicy=events.RetryPolicy(MaximumEventAgeInSeconds=MINUTE, MaximumRetryAttempts=0),
                )
            ],
        )
    )
    template.add_resource(
        awslambda.Permission(
            names.title(service.name, "schedule-permission"),
            Action="lambda:InvokeFunction",
            FunctionName=GetAtt(function, "Arn"),
            Principal="events.amazonaws.com",
            SourceArn=GetAtt(rule, "Arn"),
        )
    )
    template.add_resource(
        awslambda.EventInvokeConfig(
            names.title(service.name, "retries"),
            FunctionName=Ref(function),
            Qualifier="$LATEST",
            MaximumEventAgeInSeconds=MINUTE,
            MaximumRetryAttempts=0,
        )
    )


def _alarms(
    template: Template, environment: Environment, service: Service, function: awslambda.Function, alerts: Alerts
) -> Alarm:
    """The alarm on its errors."""
    reasons = {
        THROTTLES: "The fallback is at its reserved concurrency: customers get 502. The database bounds it.",
        FUNCTION_ERRORS: "The fallback fails: moving to it would help nobody. One crash is bad luck, three are not.",
    }
    for metric, reason in reasons.items():
        parts = (service.name, "function", metric.name.lower())
        series = metric.of(Ref(function))
        last = alarm(template, environment, alerts, parts, reason, series, Limit(threshold=2, periods=5, datapoints=1))
    return last
