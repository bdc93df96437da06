"""Buckets, image repositories and log groups."""

import json
import re
from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.values import dig, items, number, truth

rule = Rules()
BUCKET = "AWS::S3::Bucket"
REPOSITORY = "AWS::ECR::Repository"
# What CloudWatch accepts and we are ready to pay for.
RETENTIONS = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400}


@rule("TND-STO-01", "Buckets are closed to the public", Severity.CRITICAL)
def closed(world: World) -> Iterator[Fault]:
    """Four switches, each closing another door that a careless policy or ACL could open."""
    for bucket in world.of(BUCKET):
        block = bucket.get("PublicAccessBlockConfiguration") or {}
        for name in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"):
            if truth(block.get(name)) is not True:
                yield Fault(bucket, f"PublicAccessBlockConfiguration.{name}", "the public may get in", "set it to true")


@rule("TND-STO-02", "Buckets are encrypted, forget in time, and are asked over TLS")
def kept(world: World) -> Iterator[Fault]:
    """Logs without a lifecycle are paid for until the shop closes; a policy must deny plain HTTP."""
    for bucket in world.of(BUCKET):
        algorithm = dig(
            items(bucket.get("BucketEncryption", "ServerSideEncryptionConfiguration")),
            0,
            "ServerSideEncryptionByDefault",
            "SSEAlgorithm",
        )
        if algorithm not in {"AES256", "aws:kms"}:
            yield Fault(bucket, "BucketEncryption", "it is not encrypted", "set AES256 or aws:kms")
        default = dig(
            items(bucket.get("BucketEncryption", "ServerSideEncryptionConfiguration")),
            0,
            "ServerSideEncryptionByDefault",
        )
        if algorithm == "aws:kms" and not world.at(dig(default, "KMSMasterKeyID"), "AWS::KMS::Key"):
            yield Fault(bucket, "BucketEncryption", "it names no key of ours", "refer to the key")
        lifecycle = items(bucket.get("LifecycleConfiguration", "Rules"))
        if not any(r.get("Status") == "Enabled" and _expires(r) for r in lifecycle):
            yield Fault(bucket, "LifecycleConfiguration", "nothing in it ever expires", "add a lifecycle rule")
        policies = world.users(bucket, "AWS::S3::BucketPolicy")
        own = [p for p in policies if world.at(p.get("Bucket"), BUCKET) is bucket]
        if not any(_denies_plain(p, bucket, world) for p in own):
            yield Fault(bucket, "", "it can be asked without TLS", "deny aws:SecureTransport false in its policy")


def _expires(lifecycle: dict[str, object]) -> bool:
    days = number(lifecycle.get("ExpirationInDays"))
    older = number(dig(lifecycle, "NoncurrentVersionExpiration", "NoncurrentDays"))
    return bool((days and days <= 400) or (older and older <= 400))


ASKED = {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}


def _denies_plain(policy: Resource, bucket: Resource, world: World) -> bool:
    return any(
        s.get("Effect") == "Deny"
        and str(dig(s, "Condition", "Bool", "aws:SecureTransport")).lower() == "false"
        and (set(items(s.get("Action"))) >= ASKED or "s3:*" in items(s.get("Action")))
        and str(dig(s, "Principal") if not isinstance(s.get("Principal"), dict) else s["Principal"].get("AWS")) == "*"
        and all(world.at(value, BUCKET) is bucket for value in items(s.get("Resource")))
        and len(items(s.get("Resource"))) == 2
        for s in items(policy.get("PolicyDocument", "Statement"))
    )


@rule("TND-STO-03", "No bucket policy opens the bucket", Severity.CRITICAL)
def policies(world: World) -> Iterator[Fault]:
    """What is allowed is allowed to a named service, for this account."""
    for policy in world.of("AWS::S3::BucketPolicy"):
        if not world.at(policy.get("Bucket"), BUCKET):
            yield Fault(policy, "Bucket", "it belongs to no declared bucket", "refer to one")
        for index, s in enumerate(items(policy.get("PolicyDocument", "Statement"))):
            path = f"PolicyDocument.Statement.{index}"
            everybody = s.get("Principal") == "*" or dig(s, "Principal", "AWS") == "*"
            if s.get("Effect") == "Allow" and (everybody or not s.get("Principal")):
                yield Fault(policy, path, "everybody may use the bucket", "name a principal")
            if s.get("Effect") == "Allow" and any("*" in str(a) for a in items(s.get("Action"))):
                yield Fault(policy, path, "it allows more than one knows", "list the actions")
            if any(world.at(v, BUCKET) is not world.at(policy.get("Bucket")) for v in items(s.get("Resource"))):
                yield Fault(policy, path, "it speaks of another bucket", "name its own bucket")


@rule("TND-STO-04", "Images are immutable, scanned, and thrown away in time")
def repositories(world: World) -> Iterator[Fault]:
    """A tag that can be moved is a deployment nobody can repeat."""
    names = [str(repository.get("RepositoryName")) for repository in world.of(REPOSITORY)]
    for repository in world.of(REPOSITORY):
        if repository.get("ImageTagMutability") not in {"IMMUTABLE", "IMMUTABLE_WITH_EXCLUSION"}:
            yield Fault(repository, "ImageTagMutability", "tags can be moved", "set IMMUTABLE")
        if truth(repository.get("ImageScanningConfiguration", "ScanOnPush")) is not True:
            yield Fault(repository, "ImageScanningConfiguration", "images are not scanned", "set ScanOnPush")
        rules = _lifecycle(repository)
        counts = [number(dig(r, "selection", "countNumber")) for r in rules]
        if not rules or not all(count and 1 <= count <= 100 for count in counts):
            yield Fault(repository, "LifecyclePolicy", "old images stay for ever", "expire them by count or age")
        elif len({r.get("rulePriority") for r in rules}) != len(rules):
            yield Fault(repository, "LifecyclePolicy", "two rules share a priority", "number them")
        elif any(dig(r, "action", "type") != "expire" for r in rules):
            yield Fault(repository, "LifecyclePolicy", "a rule does not expire", "use the action expire")
        name = repository.get("RepositoryName")
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9._/-]+", name) or names.count(name) > 1:
            yield Fault(repository, "RepositoryName", f"its name is {name}", "name it, in lower case")


def _lifecycle(repository: Resource) -> list[dict[str, object]]:
    text = repository.get("LifecyclePolicy", "LifecyclePolicyText")
    try:
        return list(items(dig(json.loads(text), "rules"))) if isinstance(text, str) else []
    except ValueError:
        return []


@rule("TND-STO-06", "What is deployed from a bucket can be deployed again")
def versioned(world: World) -> Iterator[Fault]:
    """A zip that was overwritten cannot be rolled back to; parts of broken uploads are paid for and never seen."""
    for bucket in world.of(BUCKET):
        if not world.users(bucket, "AWS::Lambda::Function"):
            continue
        if dig(bucket.properties, "VersioningConfiguration", "Status") != "Enabled":
            yield Fault(bucket, "VersioningConfiguration", "a zip can be overwritten for good", "enable versions")
        rules = items(bucket.get("LifecycleConfiguration", "Rules"))
        if not any(dig(r, "AbortIncompleteMultipartUpload", "DaysAfterInitiation") for r in rules):
            yield Fault(bucket, "LifecycleConfiguration", "broken uploads stay", "abort them after some days")
        if not any(dig(r, "NoncurrentVersionExpiration", "NoncurrentDays") for r in rules):
            yield Fault(bucket, "LifecycleConfiguration", "old versions stay", "expire them")


@rule("TND-STO-07", "AWS makes no log group by itself")
def implicit(world: World) -> Iterator[Fault]:
    """RDS and Container Insights make a group that keeps everything for ever, unless it is there before they are."""
    for database in world.of("AWS::RDS::DBInstance"):
        for export in items(database.get("EnableCloudwatchLogsExports")):
            name = f"/aws/rds/instance/{database.get('DBInstanceIdentifier')}/{export}"
            yield from _made_before(world, database, name)
    for cluster in world.of("AWS::ECS::Cluster"):
        settings = {s.get("Name"): s.get("Value") for s in items(cluster.get("ClusterSettings"))}
        if settings.get("containerInsights") in {"enabled", "enhanced"}:
            name = f"/aws/ecs/containerinsights/{cluster.get('ClusterName')}/performance"
            yield from _made_before(world, cluster, name)


def _made_before(world: World, resource: Resource, name: str) -> Iterator[Fault]:
    found = [group for group in world.of("AWS::Logs::LogGroup") if str(group.get("LogGroupName")) == name]
    if not found:
        yield Fault(resource, "", f"nobody declares its log group {name}", "declare it with a retention")
    elif not world.waits_for(resource, found[0]):
        yield Fault(resource, "DependsOn", f"it does not wait for {found[0]}", "let it depend on the group")


@rule("TND-STO-08", "Log buckets take logs of our own resources only")
def deliverers(world: World) -> Iterator[Fault]:
    """Log delivery writes for every account; the source says whose load balancer it is."""
    for policy in world.of("AWS::S3::BucketPolicy"):
        for index, s in enumerate(items(policy.get("PolicyDocument", "Statement"))):
            if s.get("Effect") == "Allow" and not dig(s, "Condition", "ArnLike", "aws:SourceArn"):
                path = f"PolicyDocument.Statement.{index}.Condition"
                yield Fault(policy, path, "it does not say for whose logs", "require aws:SourceArn")


@rule("TND-STO-05", "Every log group forgets, after a time that was chosen")
def groups(world: World) -> Iterator[Fault]:
    """Kept for ever is the default, and the dearest line of many bills."""
    names: dict[str, Resource] = {}
    for group in world.of("AWS::Logs::LogGroup"):
        days = number(group.get("RetentionInDays"))
        if days not in RETENTIONS:
            yield Fault(group, "RetentionInDays", f"it keeps {days} days", f"choose one of {sorted(RETENTIONS)}")
        name = str(group.get("LogGroupName"))
        if group.get("LogGroupName") is not None and name in names:
            yield Fault(group, "LogGroupName", f"{names[name]} has the same name", "name it differently")
        names[name] = group
        if group.get("KmsKeyId") is not None and not world.at(group.get("KmsKeyId"), "AWS::KMS::Key"):
            yield Fault(group, "KmsKeyId", "its key is not declared", "refer to a key")
