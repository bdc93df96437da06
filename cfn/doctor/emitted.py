"""Who emits which metric under exactly which dimensions: what the doctor and the costs take for true.

Ours are as the services and the operations app declare them (docs/metrics.md, `chalice_app`); a test compares. AWS's
are read from the page that `PAGES` names.
"""

from dataclasses import dataclass

SERVICES = ("product", "order", "frontend")
OWNERS = ("product", "order")  # have a database, and background work


@dataclass(frozen=True, slots=True)
class Emitted:
    """A metric of our own. `sets` are its dimension sets; each combination of values in each set is a metric to pay."""

    namespace: str
    name: str
    unit: str
    services: tuple[str, ...]
    sets: tuple[tuple[str, ...], ...]


_PLAIN = ("environment", "service")
_ALONE = (_PLAIN,)
_REASONS = (_PLAIN, (*_PLAIN, "reason"))


def _shop(name: str, unit: str, services: tuple[str, ...], sets: tuple[tuple[str, ...], ...] = _ALONE) -> Emitted:
    return Emitted("Tandem/Shop", name, unit, services, sets)


def _operations(name: str, services: tuple[str, ...], sets: tuple[tuple[str, ...], ...] = _ALONE) -> Emitted:
    return Emitted("Tandem/Operations", name, "Count", services, sets)


OURS = (
    _shop("Duration", "Milliseconds", SERVICES, (_PLAIN, (*_PLAIN, "route"))),
    _shop("Faults", "Count", SERVICES, (_PLAIN, (*_PLAIN, "route"))),
    _shop("PoolWait", "Milliseconds", OWNERS),
    _shop("PoolInUse", "Count", OWNERS),
    _shop("ColdStarts", "Count", SERVICES),
    _shop("BackgroundFailures", "Count", OWNERS, (_PLAIN, (*_PLAIN, "step"))),
    _shop("OrdersPlaced", "Count", ("order",)),
    _shop("Revenue", "None", ("order",)),
    _shop("OrdersRefused", "Count", ("order",), _REASONS),
    _shop("OrdersReturned", "Count", ("order",), _REASONS),
    _shop("Returned", "None", ("order",), _REASONS),
    _shop("ReservationsExpired", "Count", ("product",)),
    _shop("OversellGuardHits", "Count", ("product",)),
    _operations("FailoverState", SERVICES),
    _operations("SlackDeliveryFailed", ("operations",)),
    _operations("Invocations", ("operations",)),
)

_BALANCER = frozenset({"LoadBalancer"})
_GROUP = frozenset({"LoadBalancer", "TargetGroup"})
_INSTANCE = frozenset({"DBInstanceIdentifier"})
_FUNCTION = frozenset({"FunctionName"})
_TASKS = frozenset({"ClusterName", "ServiceName"})
_CDN = frozenset({"DistributionId", "Region"})
_NAT = frozenset({"NatGatewayId"})
_LOG = frozenset({"LogGroupName"})
_QUEUE = frozenset({"QueueName"})


def _all(names: str, dimensions: frozenset[str]) -> dict[str, tuple[frozenset[str], ...]]:
    return dict.fromkeys(names.split(), (dimensions,))


# Of the AWS documentation, without its host: the page in which the names and dimensions below were looked up.
PAGES = {
    "AWS/ApplicationELB": "elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html",
    "AWS/CloudFront": "AmazonCloudFront/latest/DeveloperGuide/programming-cloudwatch-metrics.html",
    "AWS/ECS": "AmazonECS/latest/developerguide/available-metrics.html",
    "AWS/Lambda": "lambda/latest/dg/monitoring-metrics-types.html",
    "AWS/Logs": "AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html",
    "AWS/NATGateway": "vpc/latest/userguide/metrics-dimensions-nat-gateway.html",
    "AWS/RDS": "AmazonRDS/latest/UserGuide/rds-metrics.html",
    "AWS/SQS": "AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html",
}

AWS: dict[str, dict[str, tuple[frozenset[str], ...]]] = {
    "AWS/ApplicationELB": {
        "ActiveConnectionCount": (_BALANCER,),
        "ConsumedLCUs": (_BALANCER,),
        "HTTPCode_ELB_502_Count": (_BALANCER,),
        "HTTPCode_ELB_503_Count": (_BALANCER,),
        "HTTPCode_ELB_504_Count": (_BALANCER,),
        "HTTPCode_ELB_5XX_Count": (_BALANCER,),
        "HTTPCode_Target_4XX_Count": (_BALANCER, _GROUP),
        "HTTPCode_Target_5XX_Count": (_BALANCER, _GROUP),
        "HealthyHostCount": (_GROUP,),
        "LambdaInternalError": (_GROUP,),
        "LambdaUserError": (_GROUP,),
        "RejectedConnectionCount": (_BALANCER,),
        "RequestCount": (_BALANCER, _GROUP),
        "RequestCountPerTarget": (_GROUP,),
        "TargetConnectionErrorCount": (_BALANCER, _GROUP),
        "TargetResponseTime": (_BALANCER, _GROUP),
        "UnHealthyHostCount": (_GROUP,),
    },
    "AWS/CloudFront": _all("4xxErrorRate 5xxErrorRate BytesDownloaded Requests TotalErrorRate", _CDN),
    "AWS/ECS": _all("CPUUtilization MemoryUtilization", _TASKS),
    "AWS/Lambda": _all("ConcurrentExecutions Duration Errors Invocations Throttles", _FUNCTION),
    "AWS/Logs": _all("IncomingBytes", _LOG),
    "AWS/NATGateway": _all(
        "ActiveConnectionCount BytesInFromDestination BytesOutToDestination ErrorPortAllocation PacketsDropCount", _NAT
    ),
    "AWS/RDS": _all(
        "BurstBalance CPUCreditBalance CPUUtilization DatabaseConnections DiskQueueDepth FreeStorageSpace"
        " FreeableMemory MaximumUsedTransactionIDs ReadLatency ReplicaLag SwapUsage WriteLatency",
        _INSTANCE,
    ),
    "AWS/SQS": _all("ApproximateAgeOfOldestMessage ApproximateNumberOfMessagesVisible NumberOfMessagesSent", _QUEUE),
}


def sets_of(namespace: str, name: str) -> tuple[frozenset[str], ...]:
    """The dimension sets under which somebody emits it; none when nobody does."""
    own = [frozenset(one) for found in OURS if (found.namespace, found.name) == (namespace, name) for one in found.sets]
    return tuple(own) or AWS.get(namespace, {}).get(name, ())
