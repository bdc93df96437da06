"""The secrets that services share. Each is generated where it is kept: no template, parameter or person ever has it."""

from dataclasses import dataclass

from troposphere import Ref, Template
from troposphere.secretsmanager import GenerateSecretString, Secret

from cfn.boxes.encryption import Encryption
from cfn.environments import Environment
from cfn.wiring import Value

NOT_HEXADECIMAL = "ghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Keys:
    """ARNs of secrets. The rings are JSON objects, key id → 64 hexadecimal digits, as the services read them."""

    session: Value
    service: Value
    admin: Value
    origin: Value  # what CloudFront and our own calls show to the load balancer
    slack: Value  # how the operations app posts


def keys(template: Template, environment: Environment, encryption: Encryption) -> Keys:
    del environment
    return Keys(
        session=_ring(template, "SessionKeys", "Sign the sessions of guests", encryption),
        service=_ring(template, "ServiceKeys", "Sign the calls between services", encryption),
        admin=_admin(template, encryption),
        origin=_secret(
            template,
            "OriginSecret",
            "Shown to the load balancer by CloudFront and by our own calls",
            encryption,
            GenerateSecretString=GenerateSecretString(PasswordLength=48, ExcludePunctuation=True),
        ),
        slack=_slack(template, encryption),
    )


def _ring(template: Template, title: str, description: str, encryption: Encryption) -> Value:
    """256 random bits under the id "k1". To rotate: put a new key first, deploy, and later drop the old one."""
    digits = GenerateSecretString(
        SecretStringTemplate="{}",
        GenerateStringKey="k1",
        PasswordLength=64,
        ExcludeCharacters=NOT_HEXADECIMAL,
        ExcludeUppercase=True,
        ExcludePunctuation=True,
        RequireEachIncludedType=False,
    )
    return _secret(template, title, description, encryption, GenerateSecretString=digits)


def _admin(template: Template, encryption: Encryption) -> Value:
    """Hashes of the back office's keys: none at first, then what an operator puts there."""
    return _secret(
        template, "AdminKeys", "SHA-256 hashes of the keys of the back office", encryption, SecretString="[]"
    )


def _slack(template: Template, encryption: Encryption) -> Value:
    """Empty at first: the operations app then only logs, and alarms reach people by e-mail alone."""
    form = 'How alarms reach Slack: {"webhook": URL}, or {"token": bot token, "channel": id}'
    return _secret(template, "SlackSecret", form, encryption, SecretString="{}")


def _secret(template: Template, title: str, description: str, encryption: Encryption, **content: Value) -> Value:
    secret = Secret(
        title,
        Description=description,
        KmsKeyId=encryption.key,
        DeletionPolicy="Retain",
        UpdateReplacePolicy="Retain",
        **content,
    )
    return Ref(template.add_resource(secret))
