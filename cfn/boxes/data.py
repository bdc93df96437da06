"""PostgreSQL on RDS: private, encrypted, TLS only, with generated credentials for administrator and services."""

from collections.abc import Mapping
from dataclasses import dataclass

from troposphere import GetAtt, Ref, Sub, Template
from troposphere.logs import LogGroup
from troposphere.rds import DBInstance, DBParameterGroup, DBSubnetGroup, EventSubscription
from troposphere.secretsmanager import GenerateSecretString, Secret, SecretTargetAttachment

from cfn import names
from cfn.boxes.alerts import Alerts
from cfn.boxes.encryption import Encryption
from cfn.boxes.network import Network
from cfn.boxes.security import POSTGRESQL, Security
from cfn.environments import Environment
from cfn.permissions import role
from cfn.wiring import Value, minified

DATABASE = "tandem"
ADMINISTRATOR = "tandem_admin"
EXPORTS = ("postgresql", "upgrade")
UNSAFE_IN_URLS = "\"@/\\:?#[]%&+ '`"


@dataclass(frozen=True, slots=True)
class Data:
    instance: Value  # its identifier
    replicas: tuple[Value, ...]
    host: Value
    name: str
    port: int
    admin: Value  # ARN of the administrator's secret
    roles: Mapping[str, Value]  # ARN of each service's own secret


def data(
    template: Template,
    environment: Environment,
    network: Network,
    security: Security,
    encryption: Encryption,
    alerts: Alerts,
) -> Data:
    admin = template.add_resource(_secret("AdminSecret", ADMINISTRATOR, encryption))
    roles = {
        service.name: template.add_resource(
            _secret(names.title(service.name, "role-secret"), f"{service.name}_svc", encryption)
        )
        for service in environment.services
        if service.database
    }
    insights = _insights(template, environment, encryption)
    instance = _instance(template, environment, network, security, encryption, insights)
    template.add_resource(
        SecretTargetAttachment(
            "AdminAttachment", SecretId=Ref(admin), TargetId=Ref(instance), TargetType="AWS::RDS::DBInstance"
        )
    )
    replicas = [
        template.add_resource(_replica(environment, number, instance, insights))
        for number in range(1, environment.database.replicas + 1)
    ]
    template.add_resource(
        EventSubscription(
            "DatabaseEvents",
            SnsTopicArn=alerts.topic,
            SourceType="db-instance",
            SourceIds=[Ref(instance)],
            EventCategories=["availability", "failover", "failure", "low storage", "maintenance", "recovery"],
        )
    )
    return Data(
        instance=Ref(instance),
        replicas=tuple(Ref(replica) for replica in replicas),
        host=GetAtt(instance, "Endpoint.Address"),
        name=DATABASE,
        port=POSTGRESQL,
        admin=Ref(admin),
        roles={service: Ref(secret) for service, secret in roles.items()},
    )


def _secret(title: str, user: str, encryption: Encryption) -> Secret:
    return Secret(
        title,
        Description=f"Database role {user}",
        KmsKeyId=encryption.key,
        GenerateSecretString=GenerateSecretString(
            SecretStringTemplate=minified({"username": user}),
            GenerateStringKey="password",
            PasswordLength=40,
            ExcludeCharacters=UNSAFE_IN_URLS,
        ),
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
    )


def _instance(
    template: Template,
    environment: Environment,
    network: Network,
    security: Security,
    encryption: Encryption,
    insights: Mapping[str, Value],
) -> DBInstance:
    values = environment.database
    identifier = names.name(environment)
    subnets = template.add_resource(
        DBSubnetGroup(
            "DatabaseSubnets",
            DBSubnetGroupDescription="The private subnets",
            SubnetIds=list(network.private_subnets),
        )
    )
    return template.add_resource(
        DBInstance(
            "Database",
            DBInstanceIdentifier=identifier,  # a replacement would need another name, so none happens unnoticed
            Engine="postgres",
            EngineVersion=values.version,
            DBInstanceClass=values.instance,
            DBName=DATABASE,
            Port=POSTGRESQL,
            MasterUsername=ADMINISTRATOR,
            MasterUserPassword=Sub("{{resolve:secretsmanager:${AdminSecret}:SecretString:password}}"),
            AllocatedStorage=str(values.storage),
            MaxAllocatedStorage=values.maximum_storage,
            StorageType="gp3",
            StorageEncrypted=True,
            KmsKeyId=encryption.key,
            MultiAZ=values.multi_az,
            PubliclyAccessible=False,
            DBSubnetGroupName=Ref(subnets),
            VPCSecurityGroups=[security.database],
            DBParameterGroupName=Ref(_parameters(template, environment)),
            BackupRetentionPeriod=values.backup_days,
            PreferredBackupWindow="03:00-04:00",
            PreferredMaintenanceWindow="sun:04:30-sun:05:30",
            DeleteAutomatedBackups=False,
            CopyTagsToSnapshot=True,
            DeletionProtection=values.deletion_protection,
            AutoMinorVersionUpgrade=True,
            EnableIAMDatabaseAuthentication=True,
            EnableCloudwatchLogsExports=list(EXPORTS),
            CACertificateIdentifier="rds-ca-rsa2048-g1",
            **insights,
            DependsOn=_log_groups(template, environment, identifier, encryption),
            DeletionPolicy="Snapshot",
            UpdateReplacePolicy="Snapshot",
        )
    )


def _insights(template: Template, environment: Environment, encryption: Encryption) -> dict[str, Value]:
    insights: dict[str, Value] = {
        "EnablePerformanceInsights": True,
        "PerformanceInsightsRetentionPeriod": 7,
        "PerformanceInsightsKMSKeyId": encryption.key,
        "MonitoringInterval": environment.database.monitoring,
    }
    if environment.database.monitoring:
        partition = "arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
        watcher = role(
            template,
            "MonitoringRole",
            "monitoring.rds.amazonaws.com",
            [],
            description="Lets RDS report on its operating system",
            managed=[Sub(partition)],
        )
        insights["MonitoringRoleArn"] = GetAtt(watcher, "Arn")
    return insights


def _parameters(template: Template, environment: Environment) -> DBParameterGroup:
    """Slow statements and waits are logged; a session that forgets its transaction is ended before vacuum suffers."""
    return template.add_resource(
        DBParameterGroup(
            "DatabaseParameters",
            Description="TLS only, and a log that explains slowness",
            Family=f"postgres{environment.database.version.partition('.')[0]}",
            Parameters={
                "rds.force_ssl": "1",
                "shared_preload_libraries": "pg_stat_statements",
                "log_min_duration_statement": "500",
                "log_lock_waits": "1",
                "log_temp_files": "1024",
                "idle_in_transaction_session_timeout": "60000",
            },
        )
    )


def _log_groups(template: Template, environment: Environment, identifier: str, encryption: Encryption) -> list[str]:
    """RDS makes missing groups itself, and then they keep everything for ever."""
    groups = [
        LogGroup(
            names.title("database", export, "log"),
            LogGroupName=f"/aws/rds/instance/{identifier}/{export}",
            RetentionInDays=environment.log_days,
            KmsKeyId=encryption.key,
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
        for export in EXPORTS
    ]
    return [template.add_resource(group).title for group in groups]


def _replica(environment: Environment, number: int, source: DBInstance, insights: Mapping[str, Value]) -> DBInstance:
    """For analytics: reads that may be seconds old and must not slow the shop down. Its subnets are the source's."""
    return DBInstance(
        f"Replica{number}",
        DBInstanceIdentifier=names.name(environment, f"replica-{number}"),
        SourceDBInstanceIdentifier=Ref(source),
        Engine="postgres",
        DBInstanceClass=environment.database.instance,
        Port=POSTGRESQL,
        PubliclyAccessible=False,
        VPCSecurityGroups=source.VPCSecurityGroups,
        DBParameterGroupName=source.DBParameterGroupName,
        EnableIAMDatabaseAuthentication=True,
        **insights,
        AutoMinorVersionUpgrade=True,
        CopyTagsToSnapshot=True,
        DeletionProtection=environment.database.deletion_protection,
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Delete",
    )
