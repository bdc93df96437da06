"""The settings of a service, the same keys on both runtimes; what differs is passed in.

A secret is a reference in the form that ECS resolves: an ARN, with `:key::` behind it where one value of a JSON object
is meant. ECS injects the values; on Lambda the references themselves are in the environment, for the handler to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from awacs import kms, secretsmanager
from awacs.aws import Condition, Statement, StringEquals
from troposphere import Sub

from cfn.boxes.data import Data
from cfn.boxes.encryption import Encryption
from cfn.boxes.tracing import sampling
from cfn.environments import Environment, Service
from cfn.foundation import Backing
from cfn.permissions import allow
from cfn.wiring import Value

CERTIFICATES = "rds.pem"  # the bundle of RDS, beside the code in image and zip


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """`readable` are the ARNs that the secrets lie in."""

    settings: Mapping[str, Value]
    secrets: Mapping[str, Value]
    readable: tuple[Value, ...]

    def permissions(self, encryption: Encryption) -> list[Statement]:
        through = [Sub(f"{service}.${{AWS::Region}}.${{AWS::URLSuffix}}") for service in ("lambda", "secretsmanager")]
        return [
            allow("ReadOwnSecrets", [secretsmanager.GetSecretValue], self.readable),
            allow(
                "DecryptOwnSecrets",
                [kms.Decrypt],
                [encryption.key],
                condition=Condition(StringEquals({"kms:ViaService": through})),
            ),
        ]


def configuration(
    environment: Environment,
    service: Service,
    backing: Backing,
    runtime: Mapping[str, Value],
) -> Configuration:
    keys, caching = backing.keys, backing.caching
    settings = {
        "ENVIRONMENT": environment.name,
        "PORT": str(service.port),
        "SEED_DEMO": str(environment.seed_demo).lower(),
        "UPSTREAM_URL": backing.balancer.url,
        **caching.settings,
        **sampling(),
        **runtime,
    }
    secrets = {
        "ADMIN_KEYS": keys.admin,
        "ORIGIN_SECRET": keys.origin,
        "SERVICE_KEYS": keys.service,
        "SESSION_KEYS": keys.session,
        **caching.secrets,
    }
    readable = tuple(secrets.values())
    if service.database:
        role = backing.data.roles[service.name]
        settings |= place(backing.data)
        secrets |= login(role)
        readable += (role,)
    return Configuration(settings=settings, secrets=secrets, readable=readable)


def place(data: Data) -> dict[str, Value]:
    return {
        "DATABASE_HOST": data.host,
        "DATABASE_PORT": str(data.port),
        "DATABASE_NAME": data.name,
        "DATABASE_CA": CERTIFICATES,
    }


def login(secret: Value, prefix: str = "DATABASE") -> dict[str, Value]:
    return {
        f"{prefix}_USER": Sub("${Secret}:username::", Secret=secret),
        f"{prefix}_PASSWORD": Sub("${Secret}:password::", Secret=secret),
    }
