"""Target groups of tasks: how they ask whether a task is well, and how they let go of it."""

from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.services import TARGET_GROUP
from cfn.doctor.values import dig, items, number, truth

rule = Rules()
# attribute → accepted values
ATTRIBUTES: dict[str, set[Any]] = {
    "load_balancing.algorithm.type": {"least_outstanding_requests"},  # a slow task gets less than a fast one
    "stickiness.enabled": {"false"},  # any task answers any customer
}


def of_tasks(world: World) -> list[Resource]:
    return [group for group in world.of(TARGET_GROUP) if group.get("TargetType") != "lambda"]


@rule("TND-TGT-01", "Target groups let go in time")
def draining(world: World) -> Iterator[Fault]:
    """Five minutes of draining, the default, make every deployment slow; sticky customers stay with a sick task."""
    for group in of_tasks(world):
        attributes = {str(a.get("Key")): a.get("Value") for a in items(group.get("TargetGroupAttributes"))}
        delay = number(attributes.get("deregistration_delay.timeout_seconds"))
        if delay is None or not 5 <= delay <= 60:
            yield Fault(group, "TargetGroupAttributes", f"targets drain for {delay} s", "set 5 to 60 seconds")
        for key, accepted in ATTRIBUTES.items():
            if attributes.get(key) not in accepted:
                wrong = f"{key} is {attributes.get(key)}"
                yield Fault(group, "TargetGroupAttributes", wrong, f"set it to {' or '.join(accepted)}")


@rule("TND-TGT-02", "Target groups ask the right question")
def question(world: World) -> Iterator[Fault]:
    """Without a health path the balancer asks `/`, and takes a page that needs the database for a dead task."""
    for group in of_tasks(world):
        path, port = group.get("HealthCheckPath"), number(group.get("Port"))
        if path is None or path != world.expectations.health_paths.get(int(port or 0)):
            yield Fault(group, "HealthCheckPath", f"it asks port {port} for {path}", "ask for the path the app serves")
        if group.get("HealthCheckPort") != "traffic-port":
            yield Fault(group, "HealthCheckPort", "it asks another port than it sends to", "use traffic-port")
        if dig(group.properties, "Matcher", "HttpCode") != "200" or truth(group.get("HealthCheckEnabled")) is False:
            yield Fault(group, "Matcher", "it takes other answers than 200 for healthy", "match 200 alone")
        if (group.get("Protocol"), group.get("HealthCheckProtocol")) != ("HTTP", "HTTP"):
            yield Fault(group, "Protocol", "it does not speak HTTP to the tasks", "use HTTP")


@rule("TND-TGT-03", "Target groups decide within half a minute")
def pace(world: World) -> Iterator[Fault]:
    """Interval times threshold is how long customers are sent to a dead task."""
    for group in of_tasks(world):
        interval, timeout = (number(group.get(f"HealthCheck{k}Seconds")) for k in ("Interval", "Timeout"))
        if interval is None or timeout is None or not 5 <= interval <= 30 or timeout >= interval:
            wrong = f"it asks every {interval} s and waits {timeout} s"
            yield Fault(group, "HealthCheckIntervalSeconds", wrong, "ask every 5 to 30 s and wait less than that")
        for name in ("HealthyThresholdCount", "UnhealthyThresholdCount"):
            count = number(group.get(name))
            if count is None or not 2 <= count <= 5:
                yield Fault(group, name, f"{name} is {count}", "use 2 to 5")
