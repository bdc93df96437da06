"""The database, its secrets, what is kept, and for how long."""

import re

import pytest

from tests.cfn.rendered import Rendered

DATABASE = "AWS::RDS::DBInstance"
STATEFUL = {
    DATABASE,
    "AWS::ECR::Repository",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}


def test_the_database_is_private_encrypted_and_backed_up(deployment: Rendered) -> None:
    database = deployment.titled("data", "Database")
    assert database["PubliclyAccessible"] is False
    assert database["StorageEncrypted"] is True
    assert database["BackupRetentionPeriod"] >= 7
    assert database["EnablePerformanceInsights"] is True
    assert database["EnableIAMDatabaseAuthentication"] is True
    assert database["EnableCloudwatchLogsExports"] == ["postgresql", "upgrade"]
    assert database["Port"] == 5432
    assert deployment.leads_to("data", database["VPCSecurityGroups"][0]) == ("network", "DatabaseGroup")
    subnets = deployment.titled(*deployment.leads_to("data", database["DBSubnetGroupName"]))
    expected = {("network", f"PrivateSubnet{number}") for number in (1, 2, 3)}
    assert deployment.all_of("data", subnets["SubnetIds"]) == expected


def test_the_database_takes_tls_only_in_the_family_of_its_engine(deployment: Rendered) -> None:
    group = deployment.only("AWS::RDS::DBParameterGroup")
    version = deployment.titled("data", "Database")["EngineVersion"]
    assert group["Family"] == f"postgres{version.split('.')[0]}"
    assert group["Parameters"]["rds.force_ssl"] == "1"


def test_a_toggle_makes_it_multi_az(dev: Rendered, prod: Rendered) -> None:
    assert dev.titled("data", "Database")["MultiAZ"] is False
    assert prod.titled("data", "Database")["MultiAZ"] is True
    assert prod.titled("data", "Database")["DeletionProtection"] is True


def test_a_replica_serves_analytics_where_the_environment_wants_one(dev: Rendered, prod: Rendered) -> None:
    assert len(dev.resources(DATABASE)) == 1
    replica = prod.titled("data", "Replica1")
    assert replica["SourceDBInstanceIdentifier"] == {"Ref": "Database"}
    assert replica["PubliclyAccessible"] is False
    assert replica["VPCSecurityGroups"] == prod.titled("data", "Database")["VPCSecurityGroups"]


def test_the_administrators_password_is_generated_attached_and_rotated(deployment: Rendered) -> None:
    database = deployment.titled("data", "Database")
    assert database["MasterUserPassword"] == {
        "Fn::Sub": "{{resolve:secretsmanager:${AdminSecret}:SecretString:password}}"
    }
    attached = deployment.only("AWS::SecretsManager::SecretTargetAttachment")
    assert (attached["SecretId"], attached["TargetId"]) == ({"Ref": "AdminSecret"}, {"Ref": "Database"})
    rotation = deployment.only("AWS::SecretsManager::RotationSchedule")
    assert deployment.leads_to(rotation.stack, rotation["SecretId"]) == ("data", "AdminSecret")
    assert rotation["RotationRules"]["AutomaticallyAfterDays"] <= 30
    assert rotation["HostedRotationLambda"]["RotationType"] == "PostgreSQLSingleUser"


def test_each_service_with_a_schema_has_a_secret_of_its_own(deployment: Rendered) -> None:
    templates = {
        one.title: one["GenerateSecretString"].get("SecretStringTemplate")
        for one in deployment.resources("AWS::SecretsManager::Secret")
        if "GenerateSecretString" in one.properties
    }
    assert templates["ProductRoleSecret"] == '{"username":"product_svc"}'
    assert templates["OrderRoleSecret"] == '{"username":"order_svc"}'
    assert templates["AdminSecret"] == '{"username":"tandem_admin"}'


@pytest.mark.parametrize("title", ["SessionKeys", "ServiceKeys"])
def test_key_rings_are_what_the_services_read(dev: Rendered, title: str) -> None:
    """A JSON object of a key id and 64 hexadecimal digits: nothing but 0-9 and a-f is left to generate from."""
    rules = dev.titled("data", title)["GenerateSecretString"]
    left = set("0123456789abcdefghijklmnopqrstuvwxyz") - set(rules["ExcludeCharacters"])
    assert left == set("0123456789abcdef")
    assert rules["ExcludeUppercase"] is rules["ExcludePunctuation"] is True
    assert rules["RequireEachIncludedType"] is False
    assert (rules["GenerateStringKey"], rules["SecretStringTemplate"], rules["PasswordLength"]) == ("k1", "{}", 64)


def test_passwords_fit_into_a_url(deployment: Rendered) -> None:
    for title in ("AdminSecret", "ProductRoleSecret", "OrderRoleSecret"):
        assert set("@/:?#%&\" \\'") <= set(
            deployment.titled("data", title)["GenerateSecretString"]["ExcludeCharacters"]
        )


def test_everything_that_holds_something_says_what_happens_to_it(deployment: Rendered) -> None:
    found = deployment.resources(*STATEFUL)
    for one in found:
        policies = {one.body.get("DeletionPolicy"), one.body.get("UpdateReplacePolicy")}
        if "SourceDBInstanceIdentifier" in one.properties:
            assert policies == {"Delete"}, "a replica has no final snapshot"
        elif one.type in {DATABASE, "AWS::ElastiCache::ReplicationGroup"}:
            assert policies == {"Snapshot"}, one.title
        else:
            assert policies == {"Retain"}, one.title
    assert len(found) > 20


def test_every_log_is_kept_for_seven_days_and_encrypted(deployment: Rendered) -> None:
    groups = deployment.resources("AWS::Logs::LogGroup")
    assert {one["RetentionInDays"] for one in groups} == {7}
    assert all(deployment.leads_to(one.stack, one["KmsKeyId"]) == ("bootstrap", "Key") for one in groups)


def test_groups_that_aws_would_make_for_ever_are_declared_first(deployment: Rendered) -> None:
    name = f"tandem-{deployment.environment.name}"
    named = {
        one["LogGroupName"] for one in deployment.resources("AWS::Logs::LogGroup") if "LogGroupName" in one.properties
    }
    assert named == {
        f"/aws/rds/instance/{name}/postgresql",
        f"/aws/rds/instance/{name}/upgrade",
        f"/aws/ecs/containerinsights/{name}/performance",
    }
    assert set(deployment.titled("data", "Database").body["DependsOn"]) == {
        "DatabasePostgresqlLog",
        "DatabaseUpgradeLog",
    }
    assert deployment.titled("platform", "Cluster").body["DependsOn"] == ["InsightsLog"]


def test_buckets_are_closed_encrypted_and_forget(deployment: Rendered) -> None:
    buckets = deployment.resources("AWS::S3::Bucket")
    assert {one.title for one in buckets} == {"Artifacts", "AccessLogs", "CdnLogs"}
    for one in buckets:
        assert set(one["PublicAccessBlockConfiguration"].values()) == {True}
        assert one["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert one["LifecycleConfiguration"]["Rules"][0]["Status"] == "Enabled"
        policy = deployment.titled(one.stack, f"{one.title}Policy")
        tls = policy["PolicyDocument"]["Statement"][0]
        assert tls["Effect"] == "Deny"
        assert tls["Condition"] == {"Bool": {"aws:SecureTransport": False}}


def test_images_never_change_are_scanned_and_expire(deployment: Rendered) -> None:
    repositories = deployment.resources("AWS::ECR::Repository")
    for one in repositories:
        assert one["ImageTagMutability"] == "IMMUTABLE"
        assert one["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert one["LifecyclePolicy"]["LifecyclePolicyText"].count('"type":"expire"') == 2
        assert re.fullmatch(r"tandem-[a-z]+/(product|order|frontend)", one["RepositoryName"])
    assert len(repositories) == 3


def test_the_cache_is_encrypted_both_ways_and_wants_a_token(prod: Rendered, dev: Rendered) -> None:
    cache = prod.only("AWS::ElastiCache::ReplicationGroup")
    assert cache["AtRestEncryptionEnabled"] is cache["TransitEncryptionEnabled"] is True
    assert "{{resolve:secretsmanager:" in str(cache["AuthToken"])
    assert cache["AutomaticFailoverEnabled"] is True
    assert not dev.resources("AWS::ElastiCache::ReplicationGroup")
