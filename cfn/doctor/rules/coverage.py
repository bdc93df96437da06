"""What has to be watched is."""

from collections.abc import Iterator

from cfn.doctor.emitted import OWNERS
from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Key, Resource, World, fact
from cfn.doctor.metrics import ALARM, dimensions, metrics
from cfn.doctor.rules.fallback import twins
from cfn.doctor.services import services
from cfn.doctor.values import number

rule = Rules()
PER_SERVICE = ("HTTPCode_Target_5XX_Count", "TargetResponseTime", "UnHealthyHostCount")
PER_FUNCTION = ("Errors", "Throttles")
PER_DATABASE = ("CPUUtilization", "FreeStorageSpace", "DatabaseConnections")


def watching(world: World, name: str, resource: Resource | None) -> list[Resource]:
    """The alarms on this metric of this resource."""
    return watchers(world).get((name, resource.key), []) if resource else []


@fact
def watchers(world: World) -> dict[tuple[str, Key], list[Resource]]:
    """Alarms by the metric and by each resource that its dimensions lead to."""
    found: dict[tuple[str, Key], list[Resource]] = {}
    for alarm, metric in _looked_at(world):
        for resource in world.all_at(list(dimensions(metric).values())):
            found.setdefault((str(metric.get("MetricName")), resource.key), []).append(alarm)
    return found


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


@rule("TND-OBS-15", "What only the services can count is watched")
def counted(world: World) -> Iterator[Fault]:
    """The guard against overselling, orders that stop or are refused, connections that are waited for, background work
    that fails, and a failover that does not end. Where stock is concerned, once is too often."""
    everything = [(str(m.get("MetricName")), str(dimensions(m).get("service")), a) for a, m in _looked_at(world)]
    wanted = {("OversellGuardHits", "product"), ("OrdersPlaced", "order"), ("OrdersRefused", "order")}
    wanted |= {(name, service) for name in PER_OWNER for service in OWNERS}
    wanted |= {("FailoverState", str(one.service.get("ServiceName"))) for one in services(world)}
    for name, service in sorted(wanted - {(name, service) for name, service, _ in everything}):
        for found in services(world)[:1]:
            yield Fault(found.service, "", f"no alarm watches {name} of {service}", "add one")


def _looked_at(world: World) -> Iterator[tuple[Resource, dict[str, object]]]:
    for alarm in world.of(ALARM):
        for _, metric in metrics(alarm):
            yield alarm, metric


PER_OWNER = ("BackgroundFailures", "PoolWait")


@rule("TND-OBS-16", "A database that is gone is an alarm within minutes")
def gone(world: World) -> Iterator[Fault]:
    """Whatever is measured about it ends with it: only an alarm for which silence is a breach is raised."""
    for database in world.of("AWS::RDS::DBInstance"):
        if database.get("SourceDBInstanceIdentifier"):
            continue
        for alarm in watching(world, "DatabaseConnections", database):
            quick = (number(alarm.get("Period")) or 0) * (number(alarm.get("EvaluationPeriods")) or 0) <= QUICK
            if alarm.get("TreatMissingData") == "breaching" and number(alarm.get("Threshold")) == 1 and quick:
                break
        else:
            yield Fault(database, "", "its end raises nothing", "add an alarm below one connection, silence included")


QUICK = 300  # seconds
