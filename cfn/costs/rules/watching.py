"""Logs, metrics, alarms, traces."""

import json
from collections.abc import Iterator, Mapping
from math import prod
from typing import Any

from cfn.costs.lines import Item
from cfn.costs.rules.bill import Bill, Rule
from cfn.costs.rules.operations import runs, woken
from cfn.costs.rules.storage import DAYS
from cfn.costs.traffic import FUNCTION, KB_PER_GB, PER_MILLION, SERVICE, TASK, tasks
from cfn.costs.usage import Usage
from cfn.doctor.emitted import OURS
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.service import containers, environment
from cfn.doctor.values import items, number

LOG = "AWS::Logs::LogGroup"
FLOW = "AWS::EC2::FlowLog"
OPERATIONS, OPERATIONS_SPACE, COUNTER = "operations", "Tandem/Operations", "app.reconcile"
KEPT_FOREVER = 365  # days: a year of what nobody ever deletes
ALARMS_OF_A_POLICY = 2  # target tracking makes one to scale out and one to scale in


def log_group(resource: Resource, bill: Bill) -> Iterator[Item]:
    group, price, gigabytes, what = _written(resource, bill)
    days = number(resource.get("RetentionInDays")) or KEPT_FOREVER
    stored = gigabytes * days / DAYS * bill.usage["log_compression"]
    yield Item(group, price, gigabytes, f"ingestion: {what}")
    yield Item(group, "logs.storage", stored, f"storage: {what}")
    if counting := _counting(resource, bill):
        yield Item("metrics", "metrics.custom", declared(counting, bill.usage), "metrics written as log lines")


def _counting(group: Resource, bill: Bill) -> str:
    """Whose metrics its lines become. Functions of a service write the same metrics as its tasks; one of the operations
    app counts what the others do, too."""
    world = bill.world
    for task in world.users(group, TASK):
        for service in world.users(task, SERVICE):
            return str(service.get("ServiceName"))
    functions = world.users(group, FUNCTION)
    return OPERATIONS if any(one.get("Handler") == COUNTER for one in functions) else ""


def declared(counting: str, usage: Usage) -> float:
    """The metrics that CloudWatch asks to be paid for: of each name and dimension set, one for every value."""
    many = {"reason": usage["reasons"], "route": usage["routes"], "step": usage["steps"]}
    counted = 0.0
    for metric in OURS:
        own = metric.namespace == OPERATIONS_SPACE  # which counts of the services, too
        services = len(metric.services) * (counting == OPERATIONS) if own else counting in metric.services
        counted += sum(services * prod(many.get(name, 1) for name in one) for one in metric.sets)
    return counted


def _written(resource: Resource, bill: Bill) -> tuple[str, str, float, str]:
    """Who writes how much there: told by what refers to the group, and only for AWS's own groups by their name."""
    usage, traffic, world = bill.usage, bill.traffic, bill.world
    users = {user.type for user in world.users(resource)}
    name = str(resource.get("LogGroupName") or "")
    if TASK in users:
        share = (1 - traffic.function_share) / _sharing(world, TASK)
        return "cloudwatch", "logs.ingestion", traffic.log_gb * share, "service"
    if FLOW in users:
        gigabytes = usage["flow_log_base_gb"] + traffic.at_balancer * usage["flow_log_kb"] / KB_PER_GB
        return "flow", "logs.vended", gigabytes, "flow records"
    if FUNCTION in users:
        return _of_function(world.users(resource, FUNCTION), bill)
    if name.startswith("/aws/rds/") and name.endswith("/postgresql"):
        return "cloudwatch", "logs.ingestion", usage["database_log_gb"], "database"
    if name.startswith("/aws/ecs/containerinsights/"):
        return "insights", "logs.ingestion", _performance(bill), "performance records"
    return "cloudwatch", "logs.ingestion", 0, "next to nothing"


def _of_function(writers: list[Resource], bill: Bill) -> tuple[str, str, float, str]:
    serving = [one for one in writers if one in bill.traffic.functions]
    awake = [one for one in writers if one not in serving and woken(one, bill)]
    if awake:
        gigabytes = sum(runs(one, bill) for one in awake) * bill.usage["operation_kb"] / KB_PER_GB
        return "ops", "logs.ingestion", gigabytes, "function"
    kilobytes = sum(
        bill.traffic.to_function(one) * bill.usage["log_kb"] + runs(one, bill) * bill.usage["operation_kb"]
        for one in serving
    )
    return "fallback", "logs.ingestion", kilobytes / KB_PER_GB, "function"


def _sharing(world: World, kind: str) -> int:
    return sum(bool(world.users(group, kind)) for group in world.of(LOG))


def _performance(bill: Bill) -> float:
    if not any(_insights(cluster) != "disabled" for cluster in bill.world.of("AWS::ECS::Cluster")):
        return 0
    return _running(bill) * bill.hours * 60 * bill.usage["insights_kb"] / KB_PER_GB


def _running(bill: Bill) -> float:
    return sum(tasks(bill.world, service, bill.usage).count for service in bill.world.of(SERVICE))


def _insights(cluster: Resource) -> str:
    settings = {entry.get("Name"): entry.get("Value") for entry in items(cluster.get("ClusterSettings"))}
    return str(settings.get("containerInsights", "disabled"))


def cluster(resource: Resource, bill: Bill) -> Iterator[Item]:
    mode, usage = _insights(resource), bill.usage
    services = [service for service in bill.world.of(SERVICE) if resource.key in service.links]
    if mode == "enabled":
        each = usage["insights_service"] + usage["insights_family"]
        count = usage["insights_cluster"] + len(services) * each
        yield Item("insights", "metrics.custom", count, "metrics", "standard")
    if mode == "enhanced":
        parts = sum(tasks(bill.world, service, usage).count * (1 + _containers(bill, service)) for service in services)
        count = usage["enhanced_metrics"] * (1 + 2 * len(services) + parts)
        yield Item("insights", "metrics.enhanced", count, "metrics", "enhanced")


def _containers(bill: Bill, service: Resource) -> int:
    """Those that go on running: one that others wait for to succeed is done when they start."""
    definition = bill.world.at(service.get("TaskDefinition"), TASK)
    containers = items(definition.get("ContainerDefinitions")) if definition else []
    done = {
        wait.get("ContainerName")
        for container in containers
        for wait in items(container.get("DependsOn"))
        if wait.get("Condition") in {"SUCCESS", "COMPLETE"}
    }
    return sum(container.get("Name") not in done for container in containers)


def alarm(resource: Resource, _: Bill) -> Iterator[Item]:
    """Charged for each metric it looks at; an expression over them is none."""
    queries = [query for query in items(resource.get("Metrics")) if query.get("MetricStat")]
    periods = [number(resource.get("Period")), *(number(query["MetricStat"].get("Period")) for query in queries)]
    fast = any(period is not None and period < 60 for period in periods)
    yield Item("alarms", "alarm.fast" if fast else "alarm.standard", len(queries) or 1, "metrics watched")


def composite(_: Resource, __: Bill) -> Iterator[Item]:
    yield Item("alarms", "alarm.composite", 1, "composite alarm")


def scaling(resource: Resource, _: Bill) -> Iterator[Item]:
    if resource.get("PolicyType") == "TargetTrackingScaling":
        yield Item("alarms", "alarm.standard", ALARMS_OF_A_POLICY, "alarms that target tracking makes")


def dashboard(_: Resource, __: Bill) -> Iterator[Item]:
    yield Item("cloudwatch", "dashboard", 1, "dashboard")


def traces(_: Resource, bill: Bill) -> Iterator[Item]:
    """The group stands for what it groups. Requests that come evenly are what fills a reservoir most often."""
    for rule in _sampling(bill.world):
        rest, orders = rule["path"] == "*", bill.usage["order_share"]
        requests = bill.traffic.at_origin * (1 - orders if rest else orders)
        processes = _running(bill) if rest else 1
        kept = min(requests, rule["reservoir"] * processes * bill.hours * 3600)
        recorded = (kept + (requests - kept) * rule["rate"]) / PER_MILLION
        yield Item("cloudwatch", "xray.traces", recorded, f"traces recorded: {'the rest' if rest else rule['path']}")


def _sampling(world: World) -> list[dict[str, Any]]:
    """All services have the same rules."""
    told = [environment(container) for task in world.of(TASK) for _, container in containers(task)]
    return next((json.loads(each["TRACE_SAMPLING"]) for each in told if "TRACE_SAMPLING" in each), [])


def subscription(resource: Resource, bill: Bill) -> Iterator[Item]:
    """To functions and queues, messages are delivered for nothing."""
    if resource.get("Protocol") in {"email", "email-json"}:
        yield Item("alarms", "sns.emails", bill.usage["notifications"], "alarm e-mails")


RULES: Mapping[str, Rule] = {
    LOG: log_group,
    "AWS::ECS::Cluster": cluster,
    "AWS::CloudWatch::Alarm": alarm,
    "AWS::CloudWatch::CompositeAlarm": composite,
    "AWS::CloudWatch::Dashboard": dashboard,
    "AWS::ApplicationAutoScaling::ScalingPolicy": scaling,
    "AWS::XRay::Group": traces,
    "AWS::SNS::Subscription": subscription,
}
