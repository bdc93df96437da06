"""What is deployed, and nothing else: images of each service, and the zips of its functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from awacs import s3 as actions
from awacs.aws import Bool, Condition, Principal
from troposphere import GetAtt, Ref, Sub, Template
from troposphere.ecr import EncryptionConfiguration, ImageScanningConfiguration, LifecyclePolicy, Repository
from troposphere.s3 import (
    AbortIncompleteMultipartUpload,
    Bucket,
    BucketEncryption,
    BucketPolicy,
    LifecycleConfiguration,
    LifecycleRule,
    NoncurrentVersionExpiration,
    OwnershipControls,
    OwnershipControlsRule,
    PublicAccessBlockConfiguration,
    ServerSideEncryptionByDefault,
    ServerSideEncryptionRule,
    VersioningConfiguration,
)

from cfn import names
from cfn.boxes.encryption import Encryption
from cfn.environments import Environment
from cfn.permissions import deny, document
from cfn.wiring import Value, minified

KEPT_IMAGES = 30
UNTAGGED_DAYS = 7


@dataclass(frozen=True, slots=True)
class Registry:
    images: Mapping[str, Value]  # repository URI of each service
    repositories: Mapping[str, Value]  # the ARNs of the same
    artifacts: Value  # name of the bucket of zips and templates


def registry(template: Template, environment: Environment, encryption: Encryption) -> Registry:
    repositories = {
        service.name: template.add_resource(_repository(environment, service.name, encryption))
        for service in environment.services
    }
    return Registry(
        images={name: GetAtt(repository, "RepositoryUri") for name, repository in repositories.items()},
        repositories={name: GetAtt(repository, "Arn") for name, repository in repositories.items()},
        artifacts=Ref(_artifacts(template, encryption)),
    )


def repository_name(environment: Environment, service: str) -> str:
    return f"{names.name(environment)}/{service}"


def _repository(environment: Environment, service: str, encryption: Encryption) -> Repository:
    return Repository(
        names.title(service, "repository"),
        RepositoryName=repository_name(environment, service),
        ImageTagMutability="IMMUTABLE",  # a tag that a rollback names must still mean the same image
        ImageScanningConfiguration=ImageScanningConfiguration(ScanOnPush=True),
        EncryptionConfiguration=EncryptionConfiguration(EncryptionType="KMS", KmsKey=encryption.key),
        LifecyclePolicy=LifecyclePolicy(LifecyclePolicyText=minified({"rules": _lifecycle()})),
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
    )


def _lifecycle() -> list[dict[str, Any]]:
    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }
    newest = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT_IMAGES}
    return [
        {"rulePriority": number, "selection": selection, "action": {"type": "expire"}}
        for number, selection in enumerate((untagged, newest), 1)
    ]


def _artifacts(template: Template, encryption: Encryption) -> Bucket:
    old = LifecycleRule(
        Id="old-versions",
        Status="Enabled",
        NoncurrentVersionExpiration=NoncurrentVersionExpiration(NoncurrentDays=90),
        AbortIncompleteMultipartUpload=AbortIncompleteMultipartUpload(DaysAfterInitiation=7),
    )
    key = ServerSideEncryptionByDefault(SSEAlgorithm="aws:kms", KMSMasterKeyID=encryption.key)
    bucket = template.add_resource(private_bucket("Artifacts", key, [old], owner="BucketOwnerEnforced"))
    bucket.VersioningConfiguration = VersioningConfiguration(Status="Enabled")
    only_over_tls(template, bucket)
    return bucket


def private_bucket(
    name: str, encryption: ServerSideEncryptionByDefault, rules: list[LifecycleRule], *, owner: str
) -> Bucket:
    return Bucket(
        name,
        BucketEncryption=BucketEncryption(
            ServerSideEncryptionConfiguration=[
                ServerSideEncryptionRule(ServerSideEncryptionByDefault=encryption, BucketKeyEnabled=True)
            ]
        ),
        LifecycleConfiguration=LifecycleConfiguration(Rules=rules),
        OwnershipControls=OwnershipControls(Rules=[OwnershipControlsRule(ObjectOwnership=owner)]),
        PublicAccessBlockConfiguration=PublicAccessBlockConfiguration(
            BlockPublicAcls=True, BlockPublicPolicy=True, IgnorePublicAcls=True, RestrictPublicBuckets=True
        ),
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
    )


def only_over_tls(template: Template, bucket: Bucket, *others: Any) -> BucketPolicy:
    everything = [GetAtt(bucket, "Arn"), Sub("${Bucket}/*", Bucket=GetAtt(bucket, "Arn"))]
    tls = deny(
        "OnlyOverTls",
        [actions.GetObject, actions.PutObject, actions.DeleteObject, actions.ListBucket],
        everything,
        principal=Principal("*"),
        condition=Condition(Bool({"aws:SecureTransport": False})),
    )
    policy = BucketPolicy(f"{bucket.title}Policy", Bucket=Ref(bucket), PolicyDocument=document(tls, *others))
    return template.add_resource(policy)
