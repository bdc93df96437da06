"""Secrets: generated, of the form their readers parse, attached and rotated."""

import re
from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.openings import openings, reaches
from cfn.doctor.rules.data import DATABASE, VAULT, primaries
from cfn.doctor.rules.network import is_public
from cfn.doctor.values import Reference, dig, number, truth

rule = Rules()
EMPTY = ("[]", "{}")  # what an operator fills in later


@rule("TND-DAT-04", "The password is generated, and nobody wrote it down", Severity.CRITICAL)
def password(world: World) -> Iterator[Fault]:
    """User and password come from the secret by dynamic reference, or RDS manages them. A parameter or a literal is in
    the template, in the events and in somebody's shell history."""
    for database in primaries(world):
        if truth(database.get("ManageMasterUserPassword")):
            continue
        value = str(database.get("MasterUserPassword"))
        secret = world.at(database.get("MasterUserPassword"), VAULT)
        if not secret or not re.fullmatch(r"\{\{resolve:secretsmanager:.*:SecretString:password(::)?\}\}", value):
            wrong = "the password is no reference to a secret"
            yield Fault(
                database, "MasterUserPassword", wrong, "use {{resolve:secretsmanager:<secret>:SecretString:password}}"
            )
        elif world.at(database.get("MasterUsername"), VAULT) not in {secret, None}:
            yield Fault(database, "MasterUsername", "the user comes from another secret", "use the password's secret")
        if not database.get("MasterUsername"):
            yield Fault(database, "MasterUsername", "it has no user", "take it from the secret")


@rule("TND-DAT-10", "Secrets are generated, attached and rotated")
def secrets(world: World) -> Iterator[Fault]:
    """The attachment writes host and port into the secret, which rotation needs; a password that never changes was
    copied once and works for ever."""
    for secret in world.of(VAULT):
        made = secret.get("GenerateSecretString")
        if secret.get("SecretString") in EMPTY:
            continue
        if secret.get("SecretString") is not None or not made:
            yield Fault(secret, "GenerateSecretString", "it is not generated", "let Secrets Manager generate it")
        elif (number(made.get("PasswordLength")) or 32) < 24:
            yield Fault(secret, "GenerateSecretString.PasswordLength", "it is short", "use 32 characters or more")
        if secret.get("KmsKeyId") is not None and not world.at(secret.get("KmsKeyId"), "AWS::KMS::Key"):
            yield Fault(secret, "KmsKeyId", "its key is not declared", "refer to a key")
    for database in primaries(world):
        if truth(database.get("ManageMasterUserPassword")):
            continue
        secret_of_it = world.at(database.get("MasterUserPassword"), VAULT)
        if secret_of_it:
            yield from _attachment(world, database, secret_of_it)


@rule("TND-DAT-14", "Secrets have the form that their readers parse")
def forms(world: World) -> Iterator[Fault]:
    """A login is JSON with user and password, and stands in URLs; a ring of keys is JSON of hexadecimal digits; all
    else is plain text, in a header or on a command line."""
    for secret in world.of(VAULT):
        made = secret.get("GenerateSecretString")
        if not made or not isinstance(made, dict):
            continue
        template, key = made.get("SecretStringTemplate"), made.get("GenerateStringKey")
        if (template is None) is not (key is None):
            yield Fault(secret, "GenerateSecretString", "template and key belong together", "give both")
        elif template is None and truth(made.get("ExcludePunctuation")) is not True:
            yield Fault(secret, "GenerateSecretString", "it has characters that need quoting", "exclude punctuation")
        elif template is not None and "username" in str(template):
            if key != "password" or not set('"@/\\:?#%& ') <= set(str(made.get("ExcludeCharacters"))):
                yield Fault(secret, "GenerateSecretString", "it breaks URLs", "exclude what URLs and RDS do not take")
            if truth(made.get("ExcludePunctuation")) or truth(made.get("RequireEachIncludedType")) is False:
                yield Fault(secret, "GenerateSecretString", "it is weaker than it looks", "leave the rest to AWS")
        elif template is not None and not _is_ring(made):
            yield Fault(
                secret, "GenerateSecretString", "it is no ring of hexadecimal keys", "allow 0-9 and a-f, 64 digits"
            )


def _is_ring(made: dict[str, object]) -> bool:
    no = {truth(made.get("ExcludeUppercase")), truth(made.get("ExcludePunctuation"))}
    letters = set(str(made.get("ExcludeCharacters")))
    digits = number(made.get("PasswordLength")) == 64 and truth(made.get("RequireEachIncludedType")) is False
    return no == {True} and letters == set("ghijklmnopqrstuvwxyz") and digits


@rule("TND-DAT-15", "Rotation reaches the database")
def rotation(world: World) -> Iterator[Fault]:
    """The function that changes the password must be let in by the database's group, from private subnets."""
    for schedule in world.of("AWS::SecretsManager::RotationSchedule"):
        hosted = schedule.get("HostedRotationLambda")
        if not hosted:
            continue
        group = world.at(hosted.get("VpcSecurityGroupIds"), "AWS::EC2::SecurityGroup")
        subnets = world.all_at(hosted.get("VpcSubnetIds"), "AWS::EC2::Subnet")
        if len(subnets) < world.expectations.zones or any(is_public(world, s) for s in subnets):
            yield Fault(schedule, "HostedRotationLambda.VpcSubnetIds", "public or too few", "use the private subnets")
        stores = [g for d in primaries(world) for g in world.all_at(d.get("VPCSecurityGroups"))]
        if not group or not reaches(openings(world), [group], stores, 5432):
            yield Fault(
                schedule,
                "HostedRotationLambda.VpcSecurityGroupIds",
                "it cannot reach the database",
                "use a group that the database admits",
            )


def _attachment(world: World, database: Resource, secret: Resource) -> Iterator[Fault]:
    attachments = world.users(secret, "AWS::SecretsManager::SecretTargetAttachment")
    good = [a for a in attachments if world.at(a.get("TargetId")) is database and a.get("TargetType") == DATABASE]
    if not good:
        yield Fault(secret, "", f"it is not attached to {database}", "add a SecretTargetAttachment")
    schedules = [
        schedule
        for schedule in world.of("AWS::SecretsManager::RotationSchedule")
        if (found := world.at(schedule.get("SecretId"))) and (found is secret or found in attachments)
    ]
    if not schedules:
        yield Fault(secret, "", "it never rotates", "add a RotationSchedule")
    for schedule in schedules:
        days = number(dig(schedule.properties, "RotationRules", "AutomaticallyAfterDays"))
        if not schedule.get("RotationRules", "ScheduleExpression") and (days is None or not 1 <= days <= 90):
            yield Fault(schedule, "RotationRules", f"it rotates after {days} days", "rotate every 1 to 90 days")
        if not schedule.get("HostedRotationLambda") and not schedule.get("RotationLambdaARN"):
            yield Fault(schedule, "", "nothing rotates it", "name a rotation function")
        if isinstance(schedule.get("SecretId"), Reference) and not any(world.waits_for(schedule, a) for a in good):
            yield Fault(schedule, "SecretId", "it does not wait for the attachment", "refer to the attachment")
