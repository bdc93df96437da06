"""How requests reach a service: its target group, and the rule that shares them between containers and functions."""

from troposphere import Parameter, Ref, Sub, Template
from troposphere import elasticloadbalancingv2 as elb

from cfn import names
from cfn.boxes.fallback import Fallback
from cfn.boxes.keys import Keys
from cfn.boxes.load_balancer import Balancer
from cfn.boxes.network import Network
from cfn.environments import Environment, Service
from cfn.wiring import Value

DEREGISTRATION = 20  # seconds that a leaving task still gets to answer what it has


def target_group(template: Template, environment: Environment, service: Service, network: Network) -> elb.TargetGroup:
    """Health asks the process only: a database that is away must not take every task with it."""
    attributes = {
        "deregistration_delay.timeout_seconds": str(DEREGISTRATION),
        "load_balancing.algorithm.type": "least_outstanding_requests",
        "stickiness.enabled": "false",
    }
    return template.add_resource(
        elb.TargetGroup(
            "TargetGroup",
            Name=names.name(environment, service.name),
            VpcId=network.vpc,
            TargetType="ip",
            Protocol="HTTP",
            Port=service.port,
            HealthCheckPath=service.health_path,
            HealthCheckProtocol="HTTP",
            HealthCheckPort="traffic-port",
            HealthCheckIntervalSeconds=5,
            HealthCheckTimeoutSeconds=3,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
            Matcher=elb.Matcher(HttpCode="200"),
            TargetGroupAttributes=[elb.TargetGroupAttribute(Key=key, Value=value) for key, value in attributes.items()],
        )
    )


def rule(
    template: Template,
    environment: Environment,
    service: Service,
    group: elb.TargetGroup,
    balancer: Balancer,
    keys: Keys,
    fallback: Fallback,
) -> elb.ListenerRule:
    """The paths of the service, asked for by somebody who knows the origin secret."""
    weights = environment.weights
    fargate = _weight(template, "FargateWeight", weights.fargate, "containers")
    function = _weight(template, "LambdaWeight", weights.fallback, "functions")
    forward = elb.ForwardConfig(
        TargetGroups=[
            elb.TargetGroupTuple(TargetGroupArn=Ref(group), Weight=fargate),
            elb.TargetGroupTuple(TargetGroupArn=fallback.groups[service.name], Weight=function),
        ]
    )
    return template.add_resource(
        elb.ListenerRule(
            "Rule",
            ListenerArn=balancer.listener,
            Priority=service.priority,
            Conditions=[
                elb.Condition(
                    Field="path-pattern", PathPatternConfig=elb.PathPatternConfig(Values=list(service.patterns))
                ),
                elb.Condition(
                    Field="http-header",
                    HttpHeaderConfig=elb.HttpHeaderConfig(
                        HttpHeaderName=names.ORIGIN_HEADER, Values=[origin_secret(keys)]
                    ),
                ),
            ],
            Actions=[elb.ListenerRuleAction(Type="forward", ForwardConfig=forward)],
        )
    )


def origin_secret(keys: Keys) -> Value:
    """Resolved while deploying: the value is in no template, parameter or event."""
    return Sub("{{resolve:secretsmanager:${Secret}:SecretString}}", Secret=keys.origin)


def _weight(template: Template, title: str, default: int, whose: str) -> Value:
    """A parameter, so that a deployment passes on what the rule has now and never undoes a failover."""
    parameter = template.add_parameter(
        Parameter(
            title,
            Type="Number",
            Default=default,
            MinValue=0,
            MaxValue=999,
            Description=f"Share of the {whose} in the requests of this service",
        )
    )
    return Ref(parameter)
