"""The metrics that alarms and the dashboard are made of: under which dimensions each is emitted, and how it is read.

CloudWatch adds nothing up over dimensions: a series exists under exactly the dimensions it was emitted with.
"""

from dataclasses import dataclass

from cfn.wiring import Value


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of something in particular."""

    metric: "Metric"
    dimensions: tuple[tuple[str, Value], ...]
    statistic: str


@dataclass(frozen=True, slots=True)
class Metric:
    """`statistic` is how it is read unless somebody says otherwise."""

    namespace: str
    name: str
    unit: str
    dimensions: tuple[str, ...]
    statistic: str

    def of(self, *values: Value, statistic: str = "") -> Series:
        """With these values of its dimensions, in their order. Raises ValueError for too few or too many."""
        return Series(self, tuple(zip(self.dimensions, values, strict=True)), statistic or self.statistic)


SHOP = "Tandem/Shop"
"""What the services count themselves, on either runtime, in the embedded metric format."""

OPERATIONS = "Tandem/Operations"
"""What the operations app counts (`chalice_app/chalicelib/telemetry.py`)."""

BALANCING, CONTAINERS, FUNCTIONS, DATABASE = "AWS/ApplicationELB", "AWS/ECS", "AWS/Lambda", "AWS/RDS"

_SERVICE = ("environment", "service")
DURATION = Metric(SHOP, "Duration", "Milliseconds", _SERVICE, "p95")  # its SampleCount is the number of requests
FAULTS = Metric(SHOP, "Faults", "Count", _SERVICE, "Sum")
POOL_WAIT = Metric(SHOP, "PoolWait", "Milliseconds", _SERVICE, "p95")
POOL_IN_USE = Metric(SHOP, "PoolInUse", "Count", _SERVICE, "Maximum")
COLD_STARTS = Metric(SHOP, "ColdStarts", "Count", _SERVICE, "Sum")
BACKGROUND_FAILURES = Metric(SHOP, "BackgroundFailures", "Count", _SERVICE, "Sum")
ORDERS_PLACED = Metric(SHOP, "OrdersPlaced", "Count", _SERVICE, "Sum")
REVENUE = Metric(SHOP, "Revenue", "None", _SERVICE, "Sum")  # cents
ORDERS_REFUSED = Metric(SHOP, "OrdersRefused", "Count", _SERVICE, "Sum")
ORDERS_RETURNED = Metric(SHOP, "OrdersReturned", "Count", _SERVICE, "Sum")
RETURNED = Metric(SHOP, "Returned", "None", _SERVICE, "Sum")  # cents
RESERVATIONS_EXPIRED = Metric(SHOP, "ReservationsExpired", "Count", _SERVICE, "Sum")
OVERSELL_GUARD_HITS = Metric(SHOP, "OversellGuardHits", "Count", _SERVICE, "Sum")

FAILOVER_STATE = Metric(OPERATIONS, "FailoverState", "Count", _SERVICE, "Maximum")  # 1 while the functions answer
SLACK_FAILED = Metric(OPERATIONS, "SlackDeliveryFailed", "Count", _SERVICE, "Sum")

_GROUP = ("TargetGroup", "LoadBalancer")
TARGET_REQUESTS = Metric(BALANCING, "RequestCount", "Count", _GROUP, "Sum")
TARGET_ERRORS = Metric(BALANCING, "HTTPCode_Target_5XX_Count", "Count", _GROUP, "Sum")
TARGET_SECONDS = Metric(BALANCING, "TargetResponseTime", "Seconds", _GROUP, "p95")
HEALTHY_HOSTS = Metric(BALANCING, "HealthyHostCount", "Count", _GROUP, "Maximum")
UNHEALTHY_HOSTS = Metric(BALANCING, "UnHealthyHostCount", "Count", _GROUP, "Maximum")
_EDGE = ("LoadBalancer",)
REQUESTS = Metric(BALANCING, "RequestCount", "Count", _EDGE, "Sum")
ALL_TARGET_ERRORS = Metric(BALANCING, "HTTPCode_Target_5XX_Count", "Count", _EDGE, "Sum")
OWN_ERRORS = Metric(BALANCING, "HTTPCode_ELB_5XX_Count", "Count", _EDGE, "Sum")
CONNECTION_ERRORS = Metric(BALANCING, "TargetConnectionErrorCount", "Count", _EDGE, "Sum")
REJECTED = Metric(BALANCING, "RejectedConnectionCount", "Count", _EDGE, "Sum")
CAPACITY_UNITS = Metric(BALANCING, "ConsumedLCUs", "Count", _EDGE, "Sum")

_TASKS = ("ClusterName", "ServiceName")
TASK_CPU = Metric(CONTAINERS, "CPUUtilization", "Percent", _TASKS, "Average")
TASK_MEMORY = Metric(CONTAINERS, "MemoryUtilization", "Percent", _TASKS, "Average")

_FUNCTION = ("FunctionName",)
INVOCATIONS = Metric(FUNCTIONS, "Invocations", "Count", _FUNCTION, "Sum")
FUNCTION_ERRORS = Metric(FUNCTIONS, "Errors", "Count", _FUNCTION, "Sum")
THROTTLES = Metric(FUNCTIONS, "Throttles", "Count", _FUNCTION, "Sum")
FUNCTION_MILLISECONDS = Metric(FUNCTIONS, "Duration", "Milliseconds", _FUNCTION, "Sum")
CONCURRENCY = Metric(FUNCTIONS, "ConcurrentExecutions", "Count", _FUNCTION, "Maximum")

_INSTANCE = ("DBInstanceIdentifier",)
DATABASE_CPU = Metric(DATABASE, "CPUUtilization", "Percent", _INSTANCE, "Average")
FREE_STORAGE = Metric(DATABASE, "FreeStorageSpace", "Bytes", _INSTANCE, "Minimum")
FREE_MEMORY = Metric(DATABASE, "FreeableMemory", "Bytes", _INSTANCE, "Minimum")
CONNECTIONS = Metric(DATABASE, "DatabaseConnections", "Count", _INSTANCE, "Maximum")
REPLICA_LAG = Metric(DATABASE, "ReplicaLag", "Seconds", _INSTANCE, "Maximum")
READ_SECONDS = Metric(DATABASE, "ReadLatency", "Seconds", _INSTANCE, "Average")
WRITE_SECONDS = Metric(DATABASE, "WriteLatency", "Seconds", _INSTANCE, "Average")

_CDN = ("DistributionId", "Region")
CDN_ERRORS = Metric("AWS/CloudFront", "5xxErrorRate", "Percent", _CDN, "Average")
CDN_REQUESTS = Metric("AWS/CloudFront", "Requests", "None", _CDN, "Sum")
CDN_BYTES = Metric("AWS/CloudFront", "BytesDownloaded", "None", _CDN, "Sum")
EVERYWHERE = "Global"  # the region of every distribution

_NAT = ("NatGatewayId",)
PORTS_EXHAUSTED = Metric("AWS/NATGateway", "ErrorPortAllocation", "Count", _NAT, "Sum")
NAT_OUT = Metric("AWS/NATGateway", "BytesOutToDestination", "Bytes", _NAT, "Sum")
NAT_IN = Metric("AWS/NATGateway", "BytesInFromDestination", "Bytes", _NAT, "Sum")

QUEUED = Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Count", ("QueueName",), "Maximum")
LOGGED = Metric("AWS/Logs", "IncomingBytes", "Bytes", ("LogGroupName",), "Sum")
