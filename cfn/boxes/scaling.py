"""How many tasks a service has: by processor, by memory, and by requests for each of them."""

from troposphere import GetAtt, Ref, Sub, Template, ecs
from troposphere import applicationautoscaling as scaling
from troposphere import elasticloadbalancingv2 as elb

from cfn import names
from cfn.boxes.cluster import Compute
from cfn.boxes.load_balancer import Balancer
from cfn.environments import Environment
from cfn.wiring import Value


def scale(
    template: Template,
    environment: Environment,
    running: ecs.Service,
    group: elb.TargetGroup,
    balancer: Balancer,
    compute: Compute,
) -> None:
    values = environment.scaling
    target = template.add_resource(
        scaling.ScalableTarget(
            "ScalableTarget",
            ServiceNamespace="ecs",
            ScalableDimension="ecs:service:DesiredCount",
            ResourceId=Sub("service/${Cluster}/${Name}", Cluster=compute.cluster, Name=GetAtt(running, "Name")),
            MinCapacity=values.minimum,
            MaxCapacity=values.maximum,
        )
    )
    label = Sub("${Balancer}/${Group}", Balancer=balancer.full_name, Group=GetAtt(group, "TargetGroupFullName"))
    goals = {
        "cpu": (values.cpu, {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}),
        "memory": (values.memory, {"PredefinedMetricType": "ECSServiceAverageMemoryUtilization"}),
        "requests": (values.requests, {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label}),
    }
    for goal, (value, metric) in goals.items():
        _policy(template, environment, target, goal, value, metric)


def _policy(
    template: Template,
    environment: Environment,
    target: scaling.ScalableTarget,
    goal: str,
    value: int,
    metric: dict[str, Value],
) -> None:
    """Out at once, in slowly: a task too many costs cents, one too few costs orders."""
    template.add_resource(
        scaling.ScalingPolicy(
            names.title("scale-by", goal),
            PolicyName=names.name(environment, goal),
            PolicyType="TargetTrackingScaling",
            ScalingTargetId=Ref(target),
            TargetTrackingScalingPolicyConfiguration=scaling.TargetTrackingScalingPolicyConfiguration(
                TargetValue=value,
                ScaleOutCooldown=30,
                ScaleInCooldown=300,
                PredefinedMetricSpecification=scaling.PredefinedMetricSpecification(**metric),
            ),
        )
    )
