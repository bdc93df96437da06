"""One customer key for what an environment keeps: database, secrets, logs, images and alarms."""

from collections.abc import Sequence
from dataclasses import dataclass

from awacs import kms
from awacs.aws import Action, ArnLike, Condition, Principal, Statement
from troposphere import GetAtt, Ref, Sub, Template
from troposphere.kms import Alias, Key

from cfn import names
from cfn.environments import Environment
from cfn.permissions import EVERYTHING, allow, document, own_account
from cfn.wiring import Value


@dataclass(frozen=True, slots=True)
class Encryption:
    key: Value  # its ARN


# What the account's own IAM policies may then grant. Listed, so that nobody can be given a grant on everything at once.
ADMINISTRATION = (
    kms.CancelKeyDeletion,
    kms.CreateAlias,
    kms.CreateGrant,
    kms.Decrypt,
    kms.DeleteAlias,
    kms.DescribeKey,
    kms.DisableKey,
    kms.EnableKey,
    kms.EnableKeyRotation,
    kms.Encrypt,
    kms.GenerateDataKey,
    kms.GenerateDataKeyWithoutPlaintext,
    kms.GetKeyPolicy,
    kms.GetKeyRotationStatus,
    kms.ListAliases,
    kms.ListGrants,
    kms.ListResourceTags,
    kms.PutKeyPolicy,
    kms.ReEncryptFrom,
    kms.ReEncryptTo,
    kms.RevokeGrant,
    kms.ScheduleKeyDeletion,
    kms.TagResource,
    kms.UntagResource,
    kms.UpdateAlias,
    kms.UpdateKeyDescription,
)
USE: Sequence[Action] = (kms.Decrypt, kms.GenerateDataKey)


def encryption(template: Template, environment: Environment) -> Encryption:
    key = template.add_resource(
        Key(
            "Key",
            Description=Sub("Everything that ${Name} keeps", Name=names.name(environment)),
            EnableKeyRotation=True,
            PendingWindowInDays=30,
            KeyPolicy=document(_account(), _logs(), _publishers()),
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )
    template.add_resource(
        Alias("KeyAlias", AliasName=f"alias/{names.name(environment)}", TargetKeyId=Ref(key)),
    )
    return Encryption(key=GetAtt(key, "Arn"))


def _account() -> Statement:
    root = Principal("AWS", Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root"))
    return allow("AccountPoliciesMayGrant", ADMINISTRATION, [EVERYTHING], principal=root)  # "*" is the key itself


def _logs() -> Statement:
    groups = Sub("arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:*")
    return allow(
        "LogsOfThisAccount",
        [kms.Decrypt, kms.DescribeKey, kms.Encrypt, kms.GenerateDataKey, kms.ReEncryptFrom, kms.ReEncryptTo],
        [EVERYTHING],
        principal=Principal("Service", Sub("logs.${AWS::Region}.${AWS::URLSuffix}")),
        condition=Condition(ArnLike({"kms:EncryptionContext:aws:logs:arn": groups})),
    )


def _publishers() -> Statement:
    """Alarms and database events go to an encrypted topic, for which the publisher needs the key."""
    services = ["cloudwatch.amazonaws.com", "events.rds.amazonaws.com"]
    return allow("Publishers", USE, [EVERYTHING], principal=Principal("Service", services), condition=own_account())
