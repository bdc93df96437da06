"""What a deployment would do to one resource, whoever says so: our own comparison, or a change set."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

# What cannot be made again: what customers and we have put into it would be gone, or lie unused beside the new one.
# With the properties that no update can change, of the resource schemas that AWS publishes (createOnlyProperties).
STATEFUL: Mapping[str, frozenset[str]] = {
    "AWS::DynamoDB::Table": frozenset({"ImportSourceSpecification", "TableName"}),
    "AWS::ECR::Repository": frozenset({"EncryptionConfiguration", "RepositoryName"}),
    "AWS::ElastiCache::ReplicationGroup": frozenset(
        {
            "AtRestEncryptionEnabled",
            "CacheSubnetGroupName",
            "DataTieringEnabled",
            "GlobalReplicationGroupId",
            "KmsKeyId",
            "NetworkType",
            "Port",
            "PreferredCacheClusterAZs",
            "ReplicationGroupId",
            "SnapshotArns",
            "SnapshotName",
        }
    ),
    "AWS::KMS::Key": frozenset(),
    "AWS::Logs::LogGroup": frozenset({"LogGroupName"}),
    "AWS::RDS::DBInstance": frozenset(
        {
            "BackupTarget",
            "CharacterSetName",
            "CustomIAMInstanceProfile",
            "DBClusterIdentifier",
            "DBInstanceIdentifier",
            "DBName",
            "DBSubnetGroupName",
            "DBSystemId",
            "KmsKeyId",
            "MasterUsername",
            "NcharCharacterSetName",
            "SourceRegion",
            "StorageEncrypted",
            "Timezone",
        }
    ),
    "AWS::S3::Bucket": frozenset({"BucketName", "BucketNamePrefix", "BucketNamespace"}),
    "AWS::SecretsManager::Secret": frozenset({"Name"}),
}
# A change set says "Conditional" of these, and their documentation that an instance like ours keeps what it holds.
KEPT: Mapping[str, frozenset[str]] = {
    "AWS::RDS::DBInstance": frozenset(
        {
            "AutoMinorVersionUpgrade",
            "BackupRetentionPeriod",
            "DBParameterGroupName",
            "MultiAZ",
            "PreferredMaintenanceWindow",
        }
    )
}
Action = Literal["add", "change", "replace", "remove"]
SIGNS: Mapping[Action, str] = {"add": "+", "change": "~", "replace": "!", "remove": "-"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`properties` are the changed ones at the top. What is replaced is made anew, and the old one deleted."""

    stack: str
    resource: str
    type: str
    action: Action
    properties: tuple[str, ...] = ()

    @property
    def endangers(self) -> bool:
        """Whether something is lost that cannot be made again."""
        return self.type in STATEFUL and self.action in {"replace", "remove"}

    def __str__(self) -> str:
        why = f": {', '.join(self.properties)}" if self.properties else ""
        return f"{SIGNS[self.action]} {self.resource} ({self.type.removeprefix('AWS::')}){why}"


def read(stack: str, described: Iterable[Mapping[str, Any]]) -> Iterator[Change]:
    """Of a change set, as DescribeChangeSet has them."""
    for one in described:
        given = one["ResourceChange"]
        properties = set(_properties(given))
        yield Change(
            stack=stack,
            resource=given["LogicalResourceId"],
            type=given["ResourceType"],
            action=_action(given),
            properties=tuple(sorted(properties)),
        )


def _properties(given: Mapping[str, Any], *needing: str) -> Iterator[str]:
    """The names of what changes; with `needing`, only where a new resource is needed `Always` or `Conditionally`."""
    for detail in given.get("Details", ()):
        target = detail["Target"]
        if not needing or target.get("RequiresRecreation", "Never") in needing:
            yield target.get("Name") or target["Attribute"]


def _action(given: Mapping[str, Any]) -> Action:
    if given["Action"] in {"Add", "Import"}:
        return "add"
    if given["Action"] == "Remove":
        return "remove"
    replacement, kept = given.get("Replacement", "False"), KEPT.get(given["ResourceType"], frozenset())
    if replacement == "Conditional" and set(_properties(given, "Always", "Conditionally")) <= kept:
        return "change"
    return "change" if replacement == "False" else "replace"
