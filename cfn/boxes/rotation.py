"""Rotation of the administrator's password, by the function that AWS publishes for it.

In a stack of its own: that function comes through a macro, and no macro should process the stack of the database. The
services' own passwords change with a deployment instead (the migration container sets what the secret says): a task
that has read its password would be locked out by a rotation behind its back.
"""

from troposphere import Join, Template
from troposphere.secretsmanager import HostedRotationLambda, RotationRules, RotationSchedule

from cfn import names
from cfn.boxes.data import Data
from cfn.boxes.encryption import Encryption
from cfn.boxes.network import Network
from cfn.boxes.security import Security
from cfn.environments import Environment

TRANSFORM = "AWS::SecretsManager-2024-09-16"
DAYS = 30


def rotation(
    template: Template,
    environment: Environment,
    network: Network,
    security: Security,
    data: Data,
    encryption: Encryption,
) -> None:
    template.set_transform(TRANSFORM)
    template.add_resource(
        RotationSchedule(
            "AdminRotation",
            SecretId=data.admin,
            RotationRules=RotationRules(AutomaticallyAfterDays=DAYS),
            RotateImmediatelyOnUpdate=False,
            HostedRotationLambda=HostedRotationLambda(
                RotationType="PostgreSQLSingleUser",
                RotationLambdaName=names.name(environment, "rotation"),
                KmsKeyArn=encryption.key,
                VpcSecurityGroupIds=security.tasks,
                VpcSubnetIds=Join(",", list(network.private_subnets)),
            ),
        )
    )
