"""One Fargate service: task, target group, rule, scaling, and the alarms that roll a bad deployment back."""

from dataclasses import dataclass

from troposphere import GetAtt, Ref, Template, ecs
from troposphere import elasticloadbalancingv2 as elb
from troposphere.cloudwatch import Alarm

from cfn.alarms import BELOW, Limit, alarm, calculated
from cfn.boxes.alerts import Alerts
from cfn.boxes.cluster import Compute, strategy
from cfn.boxes.fallback import Fallback
from cfn.boxes.load_balancer import Balancer
from cfn.boxes.routing import rule, target_group
from cfn.boxes.scaling import scale
from cfn.boxes.task import START_PERIOD, runtime, task, version
from cfn.configuration import configuration
from cfn.environments import Environment, Service
from cfn.foundation import Backing, Foundation
from cfn.metrics import HEALTHY_HOSTS, TARGET_ERRORS, TARGET_REQUESTS, TARGET_SECONDS, UNHEALTHY_HOSTS
from cfn.wiring import Value

GRACE = START_PERIOD + 60  # seconds; a migration may come before the service's own start


@dataclass(frozen=True, slots=True)
class Workload:
    service: str
    name: Value  # of the ECS service
    target_group: Value  # its full name, as metrics know it
    alone: Value  # the alarm when no container is healthy
    failing: Value  # the alarm when too many of its answers are errors
    rule: Value  # ARN of the listener rule
    group: Value  # ARN of the containers' target group


def fargate(
    template: Template,
    environment: Environment,
    foundation: Foundation,
    backing: Backing,
    fallback: Fallback,
    compute: Compute,
    *,
    service: Service,
) -> Workload:
    version(template, environment)
    balancer, alerts = backing.balancer, foundation.alerts
    settled = configuration(environment, service, backing, runtime(environment))
    definition = task(template, environment, service, settled, foundation, compute, backing.data)
    group = target_group(template, environment, service, foundation.network)
    routed = rule(template, environment, service, group, balancer, backing.keys, fallback)
    watched = _rollback_alarms(template, environment, service, group, balancer, alerts)
    alone = _health_alarm(template, environment, service, group, balancer, alerts)
    place = _place(environment, foundation)
    running = _service(environment, service, definition, group, place, compute)
    running.DeploymentConfiguration = _deployment(watched)
    running.DependsOn = [routed.title]  # a target group takes tasks only once a rule points at it
    template.add_resource(running)
    scale(template, environment, running, group, balancer, compute)
    return Workload(
        service=service.name,
        name=GetAtt(running, "Name"),
        target_group=GetAtt(group, "TargetGroupFullName"),
        alone=Ref(alone),
        failing=Ref(watched[0]),
        rule=Ref(routed),
        group=Ref(group),
    )


def _service(
    environment: Environment,
    service: Service,
    definition: ecs.TaskDefinition,
    group: elb.TargetGroup,
    place: ecs.NetworkConfiguration,
    compute: Compute,
) -> ecs.Service:
    """No desired count: a deployment would pull a scaled-out service back to it."""
    return ecs.Service(
        "Service",
        ServiceName=service.name,
        Cluster=compute.cluster,
        TaskDefinition=Ref(definition),
        CapacityProviderStrategy=strategy(environment),
        PlatformVersion="1.4.0",
        AvailabilityZoneRebalancing="ENABLED",
        HealthCheckGracePeriodSeconds=GRACE,
        LoadBalancers=[
            ecs.LoadBalancer(ContainerName=service.name, ContainerPort=service.port, TargetGroupArn=Ref(group))
        ],
        NetworkConfiguration=place,
        EnableECSManagedTags=True,
        PropagateTags="SERVICE",
        EnableExecuteCommand=False,
    )


def _place(environment: Environment, foundation: Foundation) -> ecs.NetworkConfiguration:
    """Private subnets; without NAT public ones, where the security group still lets the load balancer in alone."""
    public, network = environment.addresses.tasks_are_public, foundation.network
    return ecs.NetworkConfiguration(
        AwsvpcConfiguration=ecs.AwsvpcConfiguration(
            AssignPublicIp="ENABLED" if public else "DISABLED",
            Subnets=list(network.public_subnets if public else network.private_subnets),
            SecurityGroups=[foundation.security.tasks],
        )
    )


def _deployment(watched: list[Alarm]) -> ecs.DeploymentConfiguration:
    """New tasks beside the old ones; back again when they do not start, or when customers see errors or slowness."""
    return ecs.DeploymentConfiguration(
        MinimumHealthyPercent=100,
        MaximumPercent=200,
        DeploymentCircuitBreaker=ecs.DeploymentCircuitBreaker(Enable=True, Rollback=True),
        Alarms=ecs.DeploymentAlarms(AlarmNames=[Ref(one) for one in watched], Enable=True, Rollback=True),
    )


def _rollback_alarms(
    template: Template,
    environment: Environment,
    service: Service,
    group: elb.TargetGroup,
    balancer: Balancer,
    alerts: Alerts,
) -> list[Alarm]:
    containers = GetAtt(group, "TargetGroupFullName"), balancer.full_name
    errors = calculated(
        template,
        environment,
        alerts,
        (service.name, "errors"),
        "More than 5 % of at least 20 requests a minute failed in the containers; below 20 one client could do that.",
        {
            "errors": TARGET_ERRORS.of(*containers),
            "requests": TARGET_REQUESTS.of(*containers),
        },
        "IF(requests >= 20, 100 * FILL(errors, 0) / requests, 0)",
        Limit(threshold=5),
    )
    latency = alarm(
        template,
        environment,
        alerts,
        (service.name, "latency"),
        "One request in twenty took longer than a second, for minutes: customers notice from there on.",
        TARGET_SECONDS.of(*containers),
        Limit(threshold=1, periods=5, datapoints=3),
    )
    return [errors, latency]


def _health_alarm(
    template: Template,
    environment: Environment,
    service: Service,
    group: elb.TargetGroup,
    balancer: Balancer,
    alerts: Alerts,
) -> Alarm:
    """The operations app moves the service to its functions when nobody is left. No data is nobody, too."""
    containers = GetAtt(group, "TargetGroupFullName"), balancer.full_name
    alarm(
        template,
        environment,
        alerts,
        (service.name, "unhealthy-hosts"),
        "A container has failed its health check for five minutes, and ECS has not replaced it.",
        UNHEALTHY_HOSTS.of(*containers),
        Limit(threshold=0, periods=5, datapoints=5),
    )
    return alarm(
        template,
        environment,
        alerts,
        (service.name, "no-healthy-host"),
        "No container answers its health check: the failover to Lambda starts from here.",
        HEALTHY_HOSTS.of(*containers),
        Limit(threshold=1, comparison=BELOW, periods=2, datapoints=2, missing="breaching"),
    )
