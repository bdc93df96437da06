"""The containers: what an ECS service, its task definition and its scaling must agree on."""

from collections.abc import Iterator
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.metrics import metrics
from cfn.doctor.rules.network import is_public
from cfn.doctor.services import Mounted, services
from cfn.doctor.values import dig, items, number, only, truth

rule = Rules()
TASK = "AWS::ECS::TaskDefinition"
SERVICE = "AWS::ECS::Service"


def containers(task: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, container in enumerate(items(task.get("ContainerDefinitions"))):
        if isinstance(container, dict):
            yield f"ContainerDefinitions.{index}", container


def ports(container: dict[str, Any]) -> set[int]:
    found = [number(mapping.get("ContainerPort")) for mapping in items(container.get("PortMappings"))]
    return {int(port) for port in found if port is not None}


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {str(entry.get("Name")): entry.get("Value") for entry in items(container.get("Environment"))}


@rule("TND-SVC-01", "Service, task, target group and port are one")
def agreement(world: World) -> Iterator[Fault]:
    """The service names a container and a port; the task must have that container with that port, the target group must
    send to it, by address (awsvpc tasks have no instance), and the app must be told to listen there."""
    if {found.port for found in services(world)} != set(world.expectations.health_paths):
        wrong = f"services listen on {sorted(str(found.port) for found in services(world))}"
        yield Fault(world.stacks[-1].name, "Resources", wrong, f"serve {sorted(world.expectations.health_paths)}")
    for found in services(world):
        yield from _disagreement(found)


def _disagreement(found: Mounted) -> Iterator[Fault]:
    where = "LoadBalancers"
    if not found.task or not found.group:
        yield Fault(found.service, where, "its task definition or target group is not declared", "refer to both")
        return
    if not found.container:
        wrong = f"{found.task} has no container named {found.entry.get('ContainerName')}"
        yield Fault(found.service, where, wrong, "name the container that serves")
        return
    if found.port not in ports(found.container):
        wrong = f"{found.entry.get('ContainerName')} does not open {found.port}"
        yield Fault(found.service, where, wrong, "use a port of the container's PortMappings")
    if number(found.group.get("Port")) != found.port:
        wrong = f"it sends to {found.group.get('Port')}, the container listens on {found.port}"
        yield Fault(found.group, "Port", wrong, "use the container's port")
    if found.group.get("TargetType") != "ip":
        wrong = f"its targets are of type {found.group.get('TargetType')}"
        yield Fault(found.group, "TargetType", wrong, "use ip: tasks have addresses of their own")
    told = environment(found.container).get("PORT")
    if told is not None and number(told) != found.port:
        yield Fault(found.task, "ContainerDefinitions", f"PORT says {told}", f"let PORT say {found.port}")


@rule("TND-SVC-02", "Tasks run in private subnets without public addresses", Severity.CRITICAL)
def private(world: World) -> Iterator[Fault]:
    """A task with a public address answers whoever finds it, past firewall, CDN and load balancer. Without NAT
    (lean) tasks may have addresses to call AWS with; their security group is then all that guards them."""
    open_allowed = world.expectations.nat == "none"
    for service in world.of(SERVICE):
        place = service.get("NetworkConfiguration", "AwsvpcConfiguration") or {}
        subnets = [world.at(value, "AWS::EC2::Subnet") for value in items(place.get("Subnets"))]
        path = "NetworkConfiguration.AwsvpcConfiguration"
        public = [subnet for subnet in subnets if subnet and is_public(world, subnet)]
        if public and not open_allowed:
            yield Fault(service, f"{path}.Subnets", f"{public[0]} is public", "use the private subnets")
        if open_allowed and len(public) != len(subnets):
            yield Fault(service, f"{path}.Subnets", "without NAT it has no way out", "use the public subnets")
        if None in subnets or len({s.key for s in subnets if s}) < world.expectations.zones:
            yield Fault(service, f"{path}.Subnets", "it does not use a subnet in each zone", "list one per zone")
        if place.get("AssignPublicIp") != ("ENABLED" if public and open_allowed else "DISABLED"):
            wrong = f"AssignPublicIp is {place.get('AssignPublicIp')}"
            yield Fault(service, f"{path}.AssignPublicIp", wrong, "set it to DISABLED in private subnets")


@rule("TND-SVC-03", "A bad deployment stops, and goes back by itself")
def deployment(world: World) -> Iterator[Fault]:
    """Without the circuit breaker ECS starts broken tasks for ever. Minimum 100 keeps the old tasks until new ones are
    healthy; maximum 200 gives the new ones room; both at 100 is a deployment that can never begin."""
    for service in world.of(SERVICE):
        made = service.get("DeploymentConfiguration") or {}
        breaker = made.get("DeploymentCircuitBreaker") or {}
        if truth(breaker.get("Enable")) is not True or truth(breaker.get("Rollback")) is not True:
            wrong = "the circuit breaker with rollback is not on"
            yield Fault(service, "DeploymentConfiguration.DeploymentCircuitBreaker", wrong, "set Enable and Rollback")
        minimum, maximum = (number(made.get(key)) for key in ("MinimumHealthyPercent", "MaximumPercent"))
        if minimum != 100 or maximum is None or not 200 <= maximum <= 300:
            wrong = f"it deploys with {minimum} to {maximum} percent"
            yield Fault(service, "DeploymentConfiguration", wrong, "use 100 and 200")


@rule("TND-SVC-04", "Rollback listens to the service's own alarms")
def rollback_alarms(world: World) -> Iterator[Fault]:
    """The breaker sees tasks that do not start. Tasks that start and answer 500 are seen by the alarm on the service's
    own target group; the alarm of another service rolls back the wrong one."""
    for found in services(world):
        made = found.service.get("DeploymentConfiguration", "Alarms") or {}
        path = "DeploymentConfiguration.Alarms"
        if truth(made.get("Enable")) is not True or truth(made.get("Rollback")) is not True:
            yield Fault(found.service, path, "no alarm rolls it back", "enable alarms with rollback")
        alarms = [world.at(name, "AWS::CloudWatch::Alarm") for name in items(made.get("AlarmNames"))]
        if not alarms or None in alarms:
            yield Fault(found.service, f"{path}.AlarmNames", "it names no declared alarm", "refer to its alarms")
        seen = {str(m.get("MetricName")) for alarm in alarms if alarm for _, m in metrics(alarm)}
        if alarms and not {"HTTPCode_Target_5XX_Count", "TargetResponseTime"} <= seen:
            wrong = f"it listens to {sorted(seen)} only"
            yield Fault(found.service, f"{path}.AlarmNames", wrong, "listen to errors and to latency")
        for alarm in alarms:
            watched = [world.at(d.get("Value")) for d in items(alarm.get("Dimensions"))] if alarm else []
            watched += world.all_at(alarm.get("Metrics")) if alarm else []
            if alarm and found.group not in watched and found.service not in watched:
                wrong = f"{alarm} watches neither this service nor its target group"
                yield Fault(found.service, f"{path}.AlarmNames", wrong, "refer to an alarm on its own target group")


@rule("TND-SVC-05", "Tasks get time to start before they are judged")
def grace(world: World) -> Iterator[Fault]:
    """The load balancer asks at once. A grace period shorter than the container's own start period kills tasks that
    were just about to answer, again and again."""
    for found in services(world):
        value = number(found.service.get("HealthCheckGracePeriodSeconds"))
        start = number(dig(found.container, "HealthCheck", "StartPeriod")) or 0
        if value is None or value <= start or value > 600:
            wrong = f"the grace period is {value} s, the start period {start} s"
            yield Fault(found.service, "HealthCheckGracePeriodSeconds", wrong, "make it longer than the start period")


@rule("TND-SVC-06", "The service waits for the rule that uses its target group")
def waits(world: World) -> Iterator[Fault]:
    """ECS refuses a target group that no load balancer uses yet. Nothing in the service refers to the rule, so only a
    DependsOn, or an earlier stack, brings them into order."""
    for found in services(world):
        if not found.rules:
            yield Fault(found.service, "LoadBalancers", "no listener rule uses its target group", "add a rule")
        elif not any(world.waits_for(found.service, listener_rule) for listener_rule in found.rules):
            wrong = f"it does not wait for {found.rules[0]}"
            yield Fault(found.service, "DependsOn", wrong, "let it depend on that rule")


@rule("TND-SVC-09", "Services belong to the cluster and to Fargate")
def cluster(world: World) -> Iterator[Fault]:
    """The cluster has Container Insights and both Fargate providers; the service says which it uses."""
    for found in world.of("AWS::ECS::Cluster"):
        settings = {s.get("Name"): s.get("Value") for s in items(found.get("ClusterSettings"))}
        insights = settings.get("containerInsights")
        if (insights in {"enabled", "enhanced"}) is not world.expectations.insights or insights is None:
            yield Fault(found, "ClusterSettings", f"Container Insights are {insights}", "enable them, but not in lean")
        if set(items(found.get("CapacityProviders"))) != {"FARGATE", "FARGATE_SPOT"}:
            yield Fault(found, "CapacityProviders", "it cannot run on Spot, or only there", "list both of Fargate")
        default = items(found.get("DefaultCapacityProviderStrategy"))
        yield from _strategy(found, "DefaultCapacityProviderStrategy", default, world.expectations.spot)
    for service in world.of(SERVICE):
        if not world.at(service.get("Cluster"), "AWS::ECS::Cluster"):
            yield Fault(service, "Cluster", "it belongs to no declared cluster", "refer to the cluster")
        strategy = items(service.get("CapacityProviderStrategy"))
        kinds = {entry.get("CapacityProvider") for entry in strategy}
        if service.get("LaunchType") != "FARGATE" and (not kinds or kinds - {"FARGATE", "FARGATE_SPOT"}):
            yield Fault(service, "LaunchType", "it does not run on Fargate", "set FARGATE")
        yield from _strategy(service, "CapacityProviderStrategy", strategy, world.expectations.spot)
        base = sum(number(e.get("Base")) or 0 for e in strategy if e.get("CapacityProvider") == "FARGATE")
        if strategy and base < world.expectations.always_on:
            wrong = f"{base:.0f} tasks are safe from being reclaimed, not {world.expectations.always_on}"
            yield Fault(service, "CapacityProviderStrategy", wrong, "raise the Base of FARGATE")
        if only(service.get("TaskDefinition")) is None:
            yield Fault(service, "TaskDefinition", "it names no declared task definition", "refer to one")
        if service.get("PropagateTags") != "SERVICE" or truth(service.get("EnableECSManagedTags")) is not True:
            yield Fault(service, "PropagateTags", "its tasks carry no tags", "propagate the service's tags")


def _strategy(where: Resource, path: str, entries: list[dict[str, Any]], spot: bool) -> Iterator[Fault]:
    """Only one provider may have a base, and Spot would lose it; Spot takes part where the environment says so."""
    whole = all(
        e.get("CapacityProvider") and e.get("Weight") is not None and e.get("Base") is not None for e in entries
    )
    based = {str(e.get("CapacityProvider")) for e in entries if number(e.get("Base"))}
    if not entries or not whole or based - {"FARGATE"} or not sum(number(e.get("Weight")) or 0 for e in entries):
        wrong = "an entry lacks its provider, weight or base, or Spot has a base"
        yield Fault(where, path, wrong, "state all three, and a base for FARGATE alone")
    shared = any(e.get("CapacityProvider") == "FARGATE_SPOT" and number(e.get("Weight")) for e in entries)
    if shared is not spot:
        yield Fault(
            where, path, f"Spot takes {'part' if shared else 'no part'}", "share tasks with Spot in prod and lean"
        )
