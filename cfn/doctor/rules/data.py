"""The database, its secret, the cache, and everything else whose loss cannot be repaired by deploying again."""

import re
from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.network import is_public
from cfn.doctor.values import dig, items, number, only, truth

rule = Rules()
DATABASE = "AWS::RDS::DBInstance"
VAULT = "AWS::SecretsManager::Secret"
RETAINING = {"Retain", "RetainExceptOnCreate"}
# Whose loss takes data along, and what may happen to them when their stack goes.
STATEFUL = {
    DATABASE: {"Snapshot", "Retain"},
    "AWS::ECR::Repository": RETAINING | {"Delete"},
    "AWS::ElastiCache::ReplicationGroup": {"Snapshot", "Delete"},
    "AWS::KMS::Key": RETAINING,
    "AWS::Logs::LogGroup": RETAINING | {"Delete"},
    "AWS::S3::Bucket": RETAINING | {"Delete"},
    VAULT: RETAINING | {"Delete"},
    "AWS::DynamoDB::Table": RETAINING | {"Delete"},
}


def primaries(world: World) -> list[Resource]:
    return [database for database in world.of(DATABASE) if not database.get("SourceDBInstanceIdentifier")]


@rule("TND-DAT-01", "The database cannot be reached from outside", Severity.CRITICAL)
def private(world: World) -> Iterator[Fault]:
    """Not public, and in private subnets of three zones, so that it can move when one goes."""
    if not world.of(DATABASE):
        yield Fault(world.stacks[0].name, "Resources", "there is no database", "declare one")
    for database in world.of(DATABASE):
        if truth(database.get("PubliclyAccessible")) is not False:
            yield Fault(database, "PubliclyAccessible", "it has a public address", "set it to false")
        group = world.at(database.get("DBSubnetGroupName"), "AWS::RDS::DBSubnetGroup")
        if not group and database in primaries(world):
            yield Fault(database, "DBSubnetGroupName", "it has no declared subnet group", "refer to one")
    for kind in ("AWS::RDS::DBSubnetGroup", "AWS::ElastiCache::SubnetGroup"):
        for group in world.of(kind):
            subnets = world.all_at(group.get("SubnetIds"), "AWS::EC2::Subnet")
            if len(subnets) < world.expectations.zones or any(is_public(world, subnet) for subnet in subnets):
                yield Fault(group, "SubnetIds", "its subnets are public or too few", "list the private subnets")


@rule("TND-DAT-02", "The database is encrypted at rest", Severity.CRITICAL)
def encrypted(world: World) -> Iterator[Fault]:
    """Encryption cannot be switched on later without copying the database."""
    for database in primaries(world):
        if truth(database.get("StorageEncrypted")) is not True:
            yield Fault(database, "StorageEncrypted", "its storage is not encrypted", "set it to true")
        for name in ("KmsKeyId", "PerformanceInsightsKMSKeyId"):
            if database.get(name) is not None and not world.at(database.get(name), "AWS::KMS::Key"):
                yield Fault(database, name, "its key is not declared", "refer to a key, or leave it to AWS")


@rule("TND-DAT-03", "The database forces TLS, by a parameter group of its own version")
def forced_tls(world: World) -> Iterator[Fault]:
    """A group of another family is refused when it is attached, after ten minutes of waiting for the instance."""
    for database in world.of(DATABASE):
        group = world.at(database.get("DBParameterGroupName"), "AWS::RDS::DBParameterGroup")
        if not group:
            yield Fault(database, "DBParameterGroupName", "it has no parameter group of ours", "refer to one")
            continue
        if str(dig(group.properties, "Parameters", "rds.force_ssl")) != "1":
            yield Fault(group, "Parameters", "rds.force_ssl is not 1", "set it to 1")
        version = database.get("EngineVersion") or dig(_source(world, database), "EngineVersion")
        family = f"{database.get('Engine') or 'postgres'}{str(version).split('.', 1)[0]}"
        if group.get("Family") != family:
            wrong = f"its family is {group.get('Family')}, the engine is {family}"
            yield Fault(group, "Family", wrong, f"use {family}")


def _source(world: World, database: Resource) -> dict[str, object]:
    source = world.at(database.get("SourceDBInstanceIdentifier"), DATABASE)
    return source.properties if source else {}


@rule("TND-DAT-05", "What is lost by mistake can be fetched back", Severity.CRITICAL)
def backups(world: World) -> Iterator[Fault]:
    """Backups for a week at least, tagged, and in production nobody deletes the instance with one click."""
    for database in primaries(world):
        days = number(database.get("BackupRetentionPeriod"))
        if days is None or not world.expectations.backup_days <= days <= 35:
            yield Fault(
                database,
                "BackupRetentionPeriod",
                f"backups are kept {days} days",
                f"keep them {world.expectations.backup_days} to 35 days",
            )
        if truth(database.get("CopyTagsToSnapshot")) is not True:
            yield Fault(database, "CopyTagsToSnapshot", "snapshots carry no tags", "set it to true")
        if truth(database.get("DeleteAutomatedBackups")) is not False:
            yield Fault(database, "DeleteAutomatedBackups", "backups go with the instance", "set it to false")
        for name in ("PreferredBackupWindow", "PreferredMaintenanceWindow"):
            if not database.get(name):
                yield Fault(database, name, "AWS picks the hour", "choose an hour when few customers shop")


@rule("TND-DAT-17", "Nobody deletes a database of production by mistake", Severity.CRITICAL)
def protected(world: World) -> Iterator[Fault]:
    """Replicas too: reports hang on them. Elsewhere protection only makes people click twice."""
    for database in world.of(DATABASE):
        if (truth(database.get("DeletionProtection")) or False) is not world.expectations.deletion_protection:
            wrong = f"DeletionProtection is {database.get('DeletionProtection')} here"
            yield Fault(database, "DeletionProtection", wrong, "protect it in production, and there alone")


@rule("TND-DAT-06", "The database survives its zone where it must")
def multi_az(world: World) -> Iterator[Fault]:
    """A second instance costs as much as the first: production has it, the others do not."""
    for database in primaries(world):
        if (truth(database.get("MultiAZ")) or False) is not world.expectations.multi_az:
            wrong = f"MultiAZ is {database.get('MultiAZ')} in {world.expectations.environment}"
            yield Fault(database, "MultiAZ", wrong, f"set it to {str(world.expectations.multi_az).lower()}")


@rule("TND-DAT-07", "The database can be observed")
def observed(world: World) -> Iterator[Fault]:
    """Performance Insights shows which statement is slow, enhanced monitoring which process; the log leaves the box."""
    for database in world.of(DATABASE):
        if truth(database.get("EnablePerformanceInsights")) is not True:
            yield Fault(database, "EnablePerformanceInsights", "it is off", "set it to true; seven days are free")
        exported = items(database.get("EnableCloudwatchLogsExports"))
        if not {"postgresql", "upgrade"} <= set(exported) and database in primaries(world):
            yield Fault(database, "EnableCloudwatchLogsExports", "a log stays inside", "export postgresql and upgrade")
        if database.get("MonitoringInterval") and not database.get("MonitoringRoleArn"):
            yield Fault(database, "MonitoringRoleArn", "monitoring has no role", "refer to one")
        if truth(database.get("EnableIAMDatabaseAuthentication")) is not True:
            yield Fault(database, "EnableIAMDatabaseAuthentication", "IAM cannot log in", "set it to true")


@rule("TND-DAT-08", "The database is the one that was meant")
def engine(world: World) -> Iterator[Fault]:
    """PostgreSQL, on 5432 as the security groups say, on storage that grows by itself, with patches applied."""
    for database in primaries(world):
        if database.get("Engine") != "postgres" or not re.fullmatch(
            r"1[5-9](\.\d+)?", str(database.get("EngineVersion"))
        ):
            yield Fault(database, "Engine", f"{database.get('Engine')} {database.get('EngineVersion')}", "use postgres")
        if number(database.get("Port")) != 5432:
            yield Fault(database, "Port", f"it listens on {database.get('Port')}", "set 5432")
        size, most = number(database.get("AllocatedStorage")), number(database.get("MaxAllocatedStorage"))
        if size is None or most is None or not 20 <= size < most <= 1000 or database.get("StorageType") != "gp3":
            wrong = f"{size} to {most} GB of {database.get('StorageType')}"
            yield Fault(database, "AllocatedStorage", wrong, "start at 20 GB or more of gp3, and let it grow")
        if truth(database.get("AutoMinorVersionUpgrade")) is not True or truth(
            database.get("AllowMajorVersionUpgrade")
        ):
            yield Fault(database, "AutoMinorVersionUpgrade", "patches are not applied by themselves", "set it to true")
        if not re.fullmatch(r"db\.[a-z0-9]+\.\w+", str(database.get("DBInstanceClass"))):
            yield Fault(database, "DBInstanceClass", "no instance class", "name one")


@rule("TND-DAT-09", "State outlives its stack, by decision")
def retention(world: World) -> Iterator[Fault]:
    """DeletionPolicy speaks when the stack goes, UpdateReplacePolicy when a changed property makes AWS build another
    and drop the first. Without them both mean Delete, and the second comes as a surprise."""
    for kind, allowed in STATEFUL.items():
        for resource in world.of(kind):
            replica = kind == DATABASE and resource.get("SourceDBInstanceIdentifier")
            permitted = allowed | {"Delete"} if replica else allowed
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                value = resource.raw.get(policy)
                if value not in permitted:
                    wrong = f"{policy} is {value}"
                    yield Fault(resource, policy, wrong, f"set it to {' or '.join(sorted(permitted))}")


@rule("TND-DAT-16", "Production is watched from the inside")
def monitoring(world: World) -> Iterator[Fault]:
    """Enhanced monitoring says which process of the instance eats it, where that is worth its price."""
    for database in primaries(world):
        if bool(number(database.get("MonitoringInterval"))) is not world.expectations.monitoring:
            yield Fault(database, "MonitoringInterval", f"it is {database.get('MonitoringInterval')}", "set 15 to 60 s")


@rule("TND-DAT-11", "The cache is private, encrypted and asks for a password", Severity.CRITICAL)
def cache(world: World) -> Iterator[Fault]:
    """A cache holds what the database holds, only faster to copy."""
    for group in world.of("AWS::ElastiCache::ReplicationGroup"):
        for name in ("AtRestEncryptionEnabled", "TransitEncryptionEnabled"):
            if truth(group.get(name)) is not True:
                yield Fault(group, name, "it is off", "set it to true")
        if not world.at(group.get("CacheSubnetGroupName"), "AWS::ElastiCache::SubnetGroup"):
            yield Fault(group, "CacheSubnetGroupName", "it has no declared subnets", "refer to a subnet group")
        token = group.get("AuthToken")
        if not items(group.get("UserGroupIds")) and not world.at(token, VAULT):
            yield Fault(group, "AuthToken", "it asks nobody for a password", "take it from a secret")
        failover = truth(group.get("AutomaticFailoverEnabled")) is True
        if world.expectations.multi_az and not (failover and truth(group.get("MultiAZEnabled")) is True):
            yield Fault(group, "MultiAZEnabled", "it dies with its zone", "set failover and MultiAZEnabled")


@rule("TND-DAT-12", "A replica is a replica of ours")
def replica(world: World) -> Iterator[Fault]:
    """It copies a declared instance and carries neither user nor password of its own."""
    for database in world.of(DATABASE):
        source = database.get("SourceDBInstanceIdentifier")
        if source is None:
            continue
        if not world.at(source, DATABASE):
            yield Fault(database, "SourceDBInstanceIdentifier", "it copies no declared instance", "refer to one")
        if database.get("MasterUserPassword") or database.get("MasterUsername"):
            yield Fault(database, "MasterUsername", "a replica has its source's users", "leave user and password out")


@rule("TND-DAT-13", "A reference asks for an attribute that says what is meant")
def attributes(world: World) -> Iterator[Fault]:
    """DATABASE host and port are the endpoint's; the instance's identifier is no address."""
    for resource in world.of("AWS::ECS::TaskDefinition", "AWS::Lambda::Function"):
        variables = dict(_variables(resource))
        for name, value in variables.items():
            reference = only(value) if name.endswith(("HOST", "PORT")) else None
            found = world.at(reference, DATABASE)
            if found and reference and not reference.attribute.startswith("Endpoint."):
                yield Fault(resource, name, f"{name} is not the endpoint's address", "use Endpoint.Address or .Port")


def _variables(resource: Resource) -> Iterator[tuple[str, object]]:
    for container in items(resource.get("ContainerDefinitions")):
        for entry in items(dig(container, "Environment")):
            yield str(entry.get("Name")), entry.get("Value")
    variables = resource.get("Environment", "Variables")
    yield from (variables or {}).items()
