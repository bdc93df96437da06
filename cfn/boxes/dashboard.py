"""One page that answers, top to bottom: does the shop sell, how fast, on which runtime, and what runs out next."""

from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import Sub, Template
from troposphere.cloudwatch import Dashboard

from cfn import names
from cfn.boxes.cdn import Cdn
from cfn.boxes.cluster import Compute
from cfn.boxes.data import Data
from cfn.boxes.fallback import Fallback
from cfn.boxes.load_balancer import Balancer
from cfn.boxes.service import Workload
from cfn.environments import Environment
from cfn.wiring import Value, minified

WIDTH, HEIGHT, COLUMNS = 8, 6, 3
Metric = list[Any]


def dashboard(
    template: Template,
    environment: Environment,
    balancer: Balancer,
    data: Data,
    cdn: Cdn,
    fallback: Fallback,
    compute: Compute,
    workloads: Sequence[Workload],
) -> None:
    """The body is JSON in a string: what is only known while deploying stands in it as ${Name}."""
    values: dict[str, Value] = {
        "Balancer": balancer.full_name,
        "Cluster": compute.cluster,
        "Database": data.instance,
        "Distribution": cdn.distribution,
    }
    for workload in workloads:
        title = names.title(workload.service)
        values[f"{title}Group"] = workload.target_group
        values[f"{title}Service"] = workload.name
        values[f"{title}Function"] = fallback.functions[workload.service]
    body = {"widgets": _widgets([names.title(workload.service) for workload in workloads])}
    template.add_resource(
        Dashboard("Dashboard", DashboardName=names.name(environment), DashboardBody=Sub(minified(body), **values))
    )


def _widgets(services: Sequence[str]) -> list[dict[str, Any]]:
    shop = {
        "Errors at the edge (%)": [_metric("AWS/CloudFront", "5xxErrorRate", DistributionId="Distribution") + GLOBAL],
        "Errors of the load balancer": [
            _metric("AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", LoadBalancer="Balancer")
        ],
        "Requests": [_of_group(service, "RequestCount") for service in services],
        "Failed requests": [_of_group(service, "HTTPCode_Target_5XX_Count") for service in services],
        "p95 (s)": [[*_of_group(service, "TargetResponseTime"), {"stat": "p95"}] for service in services],
        "Healthy tasks": [_of_group(service, "HealthyHostCount") for service in services],
        "CPU of tasks (%)": [_of_service(service, "CPUUtilization") for service in services],
        "Memory of tasks (%)": [_of_service(service, "MemoryUtilization") for service in services],
        "Fallback: calls": [_of_function(service, "Invocations") for service in services],
        "Fallback: errors and throttles": [
            _of_function(service, metric) for service in services for metric in ("Errors", "Throttles")
        ],
        "Database: CPU (%)": [_of_database("CPUUtilization")],
        "Database: connections": [_of_database("DatabaseConnections")],
        "Database: free storage": [_of_database("FreeStorageSpace")],
        "Database: free memory": [_of_database("FreeableMemory")],
        "Database: latency (s)": [_of_database("ReadLatency"), _of_database("WriteLatency")],
    }
    return [_widget(index, title, metrics) for index, (title, metrics) in enumerate(shop.items())]


GLOBAL = ["Region", "Global"]


def _widget(index: int, title: str, metrics: Sequence[Metric]) -> dict[str, Any]:
    rare = any("Count" in str(metric[1]) or metric[0] == "AWS/Lambda" for metric in metrics)
    properties: Mapping[str, Any] = {
        "title": title,
        "metrics": metrics,
        "region": "${AWS::Region}",
        "stat": "Sum" if rare and "Healthy" not in title else "Average",
        "period": 60,
        "view": "timeSeries",
    }
    row, column = divmod(index, COLUMNS)
    place = {"x": column * WIDTH, "y": row * HEIGHT, "width": WIDTH, "height": HEIGHT}
    return {"type": "metric", **place, "properties": properties}


def _metric(namespace: str, metric: str, **dimensions: str) -> Metric:
    named = [part for name, value in dimensions.items() for part in (name, f"${{{value}}}")]
    return [namespace, metric, *named]


def _of_group(service: str, metric: str) -> Metric:
    return _metric("AWS/ApplicationELB", metric, TargetGroup=f"{service}Group", LoadBalancer="Balancer")


def _of_service(service: str, metric: str) -> Metric:
    return _metric("AWS/ECS", metric, ClusterName="Cluster", ServiceName=f"{service}Service")


def _of_function(service: str, metric: str) -> Metric:
    return _metric("AWS/Lambda", metric, FunctionName=f"{service}Function")


def _of_database(metric: str) -> Metric:
    return _metric("AWS/RDS", metric, DBInstanceIdentifier="Database")
