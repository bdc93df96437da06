"""PostgreSQL, the cache, and secrets with the key around them."""

from collections.abc import Iterator, Mapping

from cfn.costs.lines import Item
from cfn.costs.rules.bill import Bill, Rule
from cfn.costs.rules.network import OTHER_ZONES
from cfn.costs.traffic import KB_PER_GB, quantity
from cfn.doctor.graph import Resource
from cfn.doctor.values import number, truth

DATABASE = "AWS::RDS::DBInstance"


def database(resource: Resource, bill: Bill) -> Iterator[Item]:
    """A replica has the storage of what it copies."""
    source = bill.world.at(resource.get("SourceDBInstanceIdentifier"), DATABASE)
    size = quantity(source or resource, "AllocatedStorage")
    storage = str((source or resource).get("StorageType") or "gp3")
    times = 2 if truth(resource.get("MultiAZ")) else 1
    place = "Multi-AZ" if times == 2 else "Single-AZ"
    kind = str(resource.get("DBInstanceClass"))
    yield Item("rds", f"rds.{kind}", bill.hours, "instance", f"{kind}, {place}", times)
    yield Item("rds", f"rds.storage.{storage}", size, "storage", f"{size:g} GB of {storage}, {place}", times)
    if kind.startswith("db.t"):
        yield Item("rds", "rds.surplus", bill.usage["surplus_hours"], "CPU above the baseline")
    yield from _monitoring(resource, bill)
    if source is None:
        yield Item("rds", "rds.backup", bill.usage["backup_extra_gb"], "backups beyond the database's size")
        crossing = bill.traffic.at_balancer * bill.usage["database_kb"] / KB_PER_GB * OTHER_ZONES
        yield Item("zones", "transfer.zones", crossing, "between services and the database")


def _monitoring(resource: Resource, bill: Bill) -> Iterator[Item]:
    seconds = number(resource.get("MonitoringInterval"))
    if seconds:
        samples = bill.hours * 3600 / seconds
        gigabytes = samples * bill.usage["monitoring_kb"] / KB_PER_GB
        yield Item("cloudwatch", "logs.ingestion", gigabytes, "Enhanced Monitoring", f"every {seconds:g} s")


def cache(resource: Resource, bill: Bill) -> Iterator[Item]:
    """One snapshot of each cluster is kept for nothing."""
    nodes = quantity(resource, "NumCacheClusters")
    kind = f"cache.{resource.get('Engine')}.{resource.get('CacheNodeType')}"
    yield Item("cache", kind, nodes * bill.hours, "nodes", f"{nodes:g} × {resource.get('CacheNodeType')}")


def secret(_: Resource, bill: Bill) -> Iterator[Item]:
    yield Item("secrets", "secrets.secret", 1, "secret")
    yield Item("secrets", "secrets.requests", bill.usage["secret_requests"], "requests")


def key(_: Resource, bill: Bill) -> Iterator[Item]:
    yield Item("kms", "kms.key", 1, "key; rotation adds $1 after the first and the second year")
    yield Item("kms", "kms.requests", bill.usage["kms_requests"], "requests")


RULES: Mapping[str, Rule] = {
    DATABASE: database,
    "AWS::ElastiCache::ReplicationGroup": cache,
    "AWS::SecretsManager::Secret": secret,
    "AWS::KMS::Key": key,
}
