"""An optional cache between the services and the catalogue. Without one, its handle adds nothing to a task."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from troposphere import GetAtt, Ref, Sub, Template
from troposphere.elasticache import ReplicationGroup, SubnetGroup
from troposphere.secretsmanager import GenerateSecretString, Secret

from cfn.boxes.encryption import Encryption
from cfn.boxes.network import Network
from cfn.boxes.security import CACHE, Security
from cfn.environments import Environment
from cfn.wiring import Value


@dataclass(frozen=True, slots=True)
class Caching:
    """What a task needs to use it: plain settings, and secrets by ARN."""

    settings: Mapping[str, Value] = field(default_factory=dict)
    secrets: Mapping[str, Value] = field(default_factory=dict)


def cache(
    template: Template, environment: Environment, network: Network, security: Security, encryption: Encryption
) -> Caching:
    values = environment.cache
    if values is None:
        return Caching()
    token = template.add_resource(
        Secret(
            "CacheToken",
            Description="Password of the cache",
            KmsKeyId=encryption.key,
            GenerateSecretString=GenerateSecretString(PasswordLength=64, ExcludePunctuation=True),
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )
    subnets = template.add_resource(
        SubnetGroup("CacheSubnets", Description="The private subnets", SubnetIds=list(network.private_subnets))
    )
    group = template.add_resource(
        ReplicationGroup(
            "Cache",
            ReplicationGroupDescription="Catalogue pages and fragments",
            Engine="valkey",
            EngineVersion="8.0",
            CacheNodeType=values.node,
            NumCacheClusters=1 + values.replicas,
            AutomaticFailoverEnabled=values.replicas > 0,
            MultiAZEnabled=values.replicas > 0,
            Port=CACHE,
            CacheSubnetGroupName=Ref(subnets),
            SecurityGroupIds=[security.cache],
            AtRestEncryptionEnabled=True,
            TransitEncryptionEnabled=True,
            AuthToken=Sub("{{resolve:secretsmanager:${CacheToken}:SecretString}}"),
            KmsKeyId=encryption.key,
            AutoMinorVersionUpgrade=True,
            SnapshotRetentionLimit=1,
            DeletionPolicy="Snapshot",
            UpdateReplacePolicy="Snapshot",
        )
    )
    address = Sub("rediss://${Address}:${Port}", Address=GetAtt(group, "PrimaryEndPoint.Address"), Port=str(CACHE))
    return Caching(settings={"CACHE_URL": address}, secrets={"CACHE_TOKEN": Ref(token)})
