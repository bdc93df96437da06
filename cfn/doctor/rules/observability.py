"""Alarms that watch what they claim to watch, and reach somebody."""

import re
from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.metrics import dimensions, metrics
from cfn.doctor.rules.fallback import twins
from cfn.doctor.services import services
from cfn.doctor.values import Call, Reference, Text, dig, items, number, truth

rule = Rules()
ALARM = "AWS::CloudWatch::Alarm"
COMPOSITE = "AWS::CloudWatch::CompositeAlarm"
TOPIC = "AWS::SNS::Topic"
# dimension: the type it must lead to, and the attribute that CloudWatch knows it by ("" is Ref).
DIMENSIONS: dict[str, tuple[str, set[str]]] = {
    "LoadBalancer": ("AWS::ElasticLoadBalancingV2::LoadBalancer", {"LoadBalancerFullName"}),
    "TargetGroup": ("AWS::ElasticLoadBalancingV2::TargetGroup", {"TargetGroupFullName"}),
    "ServiceName": ("AWS::ECS::Service", {"Name"}),
    "ClusterName": ("AWS::ECS::Cluster", {""}),
    "DBInstanceIdentifier": ("AWS::RDS::DBInstance", {""}),
    "FunctionName": ("AWS::Lambda::Function", {""}),
    "DistributionId": ("AWS::CloudFront::Distribution", {"", "Id"}),
    "NatGatewayId": ("AWS::EC2::NatGateway", {"", "NatGatewayId"}),
    "QueueName": ("AWS::SQS::Queue", {"QueueName"}),
    "TopicName": (TOPIC, {"TopicName"}),
    "WebACL": ("AWS::WAFv2::WebACL", set()),
}
PER_SERVICE = ("HTTPCode_Target_5XX_Count", "TargetResponseTime", "UnHealthyHostCount")
PER_FUNCTION = ("Errors", "Throttles")
PER_DATABASE = ("CPUUtilization", "FreeStorageSpace", "DatabaseConnections")


def watching(world: World, name: str, resource: Resource | None) -> list[Resource]:
    return [
        alarm
        for alarm in world.of(ALARM)
        for _, metric in metrics(alarm)
        if metric.get("MetricName") == name and resource and resource in world.all_at(list(dimensions(metric).values()))
    ]


@rule("TND-OBS-01", "Every alarm tells somebody, when it begins and when it ends")
def actions(world: World) -> Iterator[Fault]:
    """An alarm without an action is a number on a page nobody opens. Those that speak through a composite alarm, and
    those that exist to roll a deployment back, are heard there."""
    for alarm in world.of(ALARM, COMPOSITE):
        if truth(alarm.get("ActionsEnabled")) is False:
            yield Fault(alarm, "ActionsEnabled", "its actions are switched off", "leave it on")
        if alarm.type == ALARM and _heard_elsewhere(world, alarm):
            continue
        for name in ("AlarmActions", "OKActions"):
            if not world.all_at(alarm.get(name), TOPIC) or len(world.all_at(alarm.get(name))) != len(
                items(alarm.get(name))
            ):
                yield Fault(alarm, name, "it tells no declared topic", "refer to the topic")


def _heard_elsewhere(world: World, alarm: Resource) -> bool:
    if alarm.get("AlarmActions") or alarm.get("OKActions"):
        return False
    return bool(world.users(alarm, COMPOSITE))


@rule("TND-OBS-02", "Every alarm decides what silence means")
def silence(world: World) -> Iterator[Fault]:
    """No requests is no error, but no healthy host is one. The default, missing, keeps the last state for ever."""
    for alarm in world.of(ALARM):
        if alarm.get("TreatMissingData") not in {"breaching", "notBreaching", "ignore"}:
            yield Fault(alarm, "TreatMissingData", "it does not say", "set breaching or notBreaching")
        periods, points = number(alarm.get("EvaluationPeriods")), number(alarm.get("DatapointsToAlarm"))
        if periods is None or not 1 <= periods <= 30 or (points is not None and not 1 <= points <= periods):
            yield Fault(alarm, "EvaluationPeriods", f"{points} of {periods} periods", "use points within the periods")


@rule("TND-OBS-03", "Dimensions resolve to what CloudWatch calls the resource")
def names(world: World) -> Iterator[Fault]:
    """An ARN where the full name belongs is accepted, matches no metric, and the alarm stays green through the fire."""
    for alarm in world.of(ALARM):
        found = list(metrics(alarm))
        if not found:
            yield Fault(alarm, "MetricName", "it watches no metric", "name one")
        for path, metric in found:
            if not metric.get("Namespace"):
                yield Fault(alarm, f"{path}Namespace", "no namespace", "name it")
            for name, value in dimensions(metric).items():
                if (kind := DIMENSIONS.get(name)) and not _is_named(world, value, *kind):
                    wrong = f"{name} is {value}"
                    mend = f"use {' or '.join(filter(None, kind[1])) or 'Ref'} of an {kind[0]}"
                    yield Fault(alarm, f"{path}Dimensions", wrong, mend)


def _is_named(world: World, value: Any, kind: str, attributes: set[str]) -> bool:
    if not attributes:
        return value is not None
    if isinstance(value, Reference):
        return world.at(value, kind) is not None and value.attribute in attributes
    if isinstance(value, Text | Call):
        return False
    return any(value == resource.get(key) for resource in world.of(kind) for key in NAMES if resource.get(key))


NAMES = ("DBInstanceIdentifier", "FunctionName", "ClusterName", "ServiceName", "TopicName", "Name")


@rule("TND-OBS-04", "Dimensions of one alarm belong together")
def related(world: World) -> Iterator[Fault]:
    """A target group under another load balancer, or a service in another cluster, has no such metric. Namespace and
    metric have to fit as well."""
    spaces = {
        "TargetGroup": "AWS/ApplicationELB",
        "LoadBalancer": "AWS/ApplicationELB",
        "ServiceName": "AWS/ECS",
        "DBInstanceIdentifier": "AWS/RDS",
        "FunctionName": "AWS/Lambda",
        "DistributionId": "AWS/CloudFront",
        "NatGatewayId": "AWS/NATGateway",
        "QueueName": "AWS/SQS",
    }
    for alarm in world.of(ALARM):
        for path, metric in metrics(alarm):
            given = dimensions(metric)
            for name, space in spaces.items():
                allowed = {space, "ECS/ContainerInsights"} if name == "ServiceName" else {space}
                if name in given and metric.get("Namespace") not in allowed:
                    wrong = f"{name} is no dimension of {metric.get('Namespace')}"
                    yield Fault(alarm, f"{path}Namespace", wrong, f"use {space}")
            for name, partner in (("TargetGroup", "LoadBalancer"), ("ServiceName", "ClusterName")):
                if (
                    name in given
                    and partner not in given
                    and metric.get("Namespace") in {"AWS/ApplicationELB", "AWS/ECS"}
                ):
                    yield Fault(alarm, f"{path}Dimensions", f"{name} without {partner}", "give both")
            known = METRICS.get(str(metric.get("Namespace")))
            if known and metric.get("MetricName") not in known:
                wrong = f"{metric.get('Namespace')} has no metric {metric.get('MetricName')}"
                yield Fault(alarm, f"{path}MetricName", wrong, "name a metric of that namespace")


METRICS = {
    "AWS/ApplicationELB": {
        "HTTPCode_Target_5XX_Count",
        "HTTPCode_ELB_5XX_Count",
        "HTTPCode_Target_4XX_Count",
        "TargetResponseTime",
        "UnHealthyHostCount",
        "HealthyHostCount",
        "RequestCount",
        "RequestCountPerTarget",
        "RejectedConnectionCount",
        "TargetConnectionErrorCount",
        "LambdaUserError",
        "LambdaInternalError",
        "HTTPCode_ELB_504_Count",
        "HTTPCode_ELB_503_Count",
        "HTTPCode_ELB_502_Count",
        "ActiveConnectionCount",
        "ConsumedLCUs",
    },
    "AWS/ECS": {"CPUUtilization", "MemoryUtilization"},
    "AWS/Lambda": {"Errors", "Throttles", "Duration", "Invocations", "ConcurrentExecutions"},
    "AWS/RDS": {
        "CPUUtilization",
        "FreeStorageSpace",
        "DatabaseConnections",
        "FreeableMemory",
        "DiskQueueDepth",
        "SwapUsage",
        "ReplicaLag",
        "CPUCreditBalance",
        "BurstBalance",
        "ReadLatency",
        "WriteLatency",
        "MaximumUsedTransactionIDs",
    },
    "AWS/CloudFront": {"5xxErrorRate", "4xxErrorRate", "TotalErrorRate", "Requests"},
    "AWS/SQS": {"ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "NumberOfMessagesSent"},
    "AWS/NATGateway": {"ErrorPortAllocation", "PacketsDropCount", "ActiveConnectionCount", "BytesOutToDestination"},
}


@rule("TND-OBS-05", "Every service, its twin, the database and the balancer are watched")
def coverage(world: World) -> Iterator[Fault]:
    """Errors, slowness and unhealthy targets per service; errors and throttles of each fallback; processor, storage and
    connections of the database; and errors the load balancer itself answers."""
    wanted = [(name, found.group) for found in services(world) for name in PER_SERVICE]
    wanted += [(name, function) for function in twins(world) for name in PER_FUNCTION]
    wanted += [(name, database) for database in world.of("AWS::RDS::DBInstance") for name in PER_DATABASE]
    wanted += [("ReplicaLag", d) for d in world.of("AWS::RDS::DBInstance") if d.get("SourceDBInstanceIdentifier")]
    wanted += [("ErrorPortAllocation", nat) for nat in world.of("AWS::EC2::NatGateway")]
    wanted += [("5xxErrorRate", cdn) for cdn in world.of("AWS::CloudFront::Distribution")]
    wanted += [("HTTPCode_ELB_5XX_Count", b) for b in world.of("AWS::ElasticLoadBalancingV2::LoadBalancer")]
    for name, resource in wanted:
        if resource and not watching(world, name, resource):
            yield Fault(resource, "", f"no alarm watches its {name}", "add one with actions to the topic")


@rule("TND-OBS-07", "The threshold can be crossed")
def thresholds(world: World) -> Iterator[Fault]:
    """A percentage above 100, a count below nothing, or a comparison turned round never fires, or always."""
    up = {"GreaterThanThreshold", "GreaterThanOrEqualToThreshold"}
    for alarm in world.of(ALARM):
        value, compared = number(alarm.get("Threshold")), alarm.get("ComparisonOperator")
        found = [str(metric.get("MetricName")) for _, metric in metrics(alarm)]
        low = any(name in FALLING for name in found)
        if value is None or value < 0 or compared is None:
            yield Fault(alarm, "Threshold", f"{compared} {value}", "state operator and threshold")
        elif (compared in up) is low:
            yield Fault(alarm, "ComparisonOperator", f"{found[0]} with {compared}", "turn the comparison round")
        elif any("Utilization" in name for name in found) and not 40 <= value <= 95:
            yield Fault(alarm, "Threshold", f"{found[0]} of {value}", "use 40 to 95 percent")
        for path, metric in metrics(alarm):
            period = number(metric.get("Period") if not path else dig(alarm.properties, *_stat(path), "Period"))
            if period is None or (period not in {10, 30} and period % 60):
                yield Fault(alarm, f"{path}Period", f"the period is {period}", "use multiples of 60 s")


def _stat(path: str) -> tuple[str | int, ...]:
    steps = path.split(".")[:3]
    return steps[0], int(steps[1]), steps[2]


FALLING = {"HealthyHostCount", "Invocations", "FreeStorageSpace", "FreeableMemory", "CPUCreditBalance", "BurstBalance"}


@rule("TND-OBS-11", "An alarm is one calculation that CloudWatch can do")
def calculations(world: World) -> Iterator[Fault]:
    """One series with one statistic, or several with an expression that uses each of them and returns one result."""
    for alarm in world.of(ALARM):
        if alarm.get("MetricName"):
            statistics = [alarm.get("Statistic"), alarm.get("ExtendedStatistic")]
            if statistics.count(None) != 1:
                yield Fault(alarm, "Statistic", "it has no statistic, or two", "give Statistic or ExtendedStatistic")
            if not items(alarm.get("Dimensions")) and str(alarm.get("Namespace")).startswith("AWS/"):
                yield Fault(alarm, "Dimensions", "it watches nothing in particular", "name what it watches")
        elif problem := _calculation(items(alarm.get("Metrics"))):
            yield Fault(alarm, "Metrics", problem, "let one expression return a result from the named series")


def _calculation(queries: list[dict[str, Any]]) -> str | None:
    results = [query for query in queries if truth(query.get("ReturnData")) is not False]
    if (
        len(results) != 1
        or truth(results[0].get("ReturnData")) is None
        or not results[0].get("Expression")
        or not results[0].get("Label")
    ):
        return f"{len(results)} of its series are results"
    expression = str(results[0]["Expression"])
    known = {str(query.get("Id")) for query in queries if query is not results[0]}
    used = set(re.findall(r"\b[a-z]\w*\b", expression))
    if known != used or len(queries) != len(known) + 1 or not results[0].get("Id"):
        return f"{expression} uses {sorted(used)} and there are {sorted(known)}"
    for query in queries:
        if query is not results[0] and not (
            dig(query, "MetricStat", "Stat") and items(dig(query, "MetricStat", "Metric", "Dimensions"))
        ):
            return f"{query.get('Id')} is no complete series"
    return None


@rule("TND-OBS-12", "Thresholds are where something is wrong, not where all is lost")
def limits(world: World) -> Iterator[Fault]:
    """An alarm at two hundred errors a minute, or at a latency of a minute, is one nobody hears in time."""
    for alarm in world.of(ALARM):
        value = number(alarm.get("Threshold"))
        for _, metric in metrics(alarm):
            most = MOST.get(str(metric.get("MetricName")))
            if most is not None and value is not None and value > most:
                yield Fault(alarm, "Threshold", f"{metric['MetricName']} above {value}", f"use {most} at most")


MOST = {
    "5xxErrorRate": 20,
    "ErrorPortAllocation": 20,
    "Errors": 20,
    "HTTPCode_ELB_5XX_Count": 50,
    "HTTPCode_Target_5XX_Count": 50,
    "HealthyHostCount": 2,
    "RejectedConnectionCount": 20,
    "ReplicaLag": 600,
    "TargetConnectionErrorCount": 50,
    "TargetResponseTime": 5,
    "Throttles": 20,
    "UnHealthyHostCount": 2,
}


@rule("TND-OBS-09", "Composite alarms are made of declared alarms")
def composites(world: World) -> Iterator[Fault]:
    """A name that no alarm has is refused; alarms outside the rule are not part of the sentence."""
    for alarm in world.of(COMPOSITE):
        parts = world.all_at(alarm.get("AlarmRule"), ALARM, COMPOSITE)
        if not parts or str(alarm.get("AlarmRule")).count("ALARM(") < len(parts):
            yield Fault(alarm, "AlarmRule", "it combines no declared alarms", "write ALARM(<name>) of each")
