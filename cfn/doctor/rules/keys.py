"""Keys: that they rotate, and who may use them."""

from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.values import dig, items, only, truth

rule = Rules()


@rule("TND-SEC-07", "Keys rotate and belong to the account", Severity.ERROR)
def keys(world: World) -> Iterator[Fault]:
    """A key policy without the account's root locks everybody out, AWS support too; a key open to all is no key."""
    for key in world.of("AWS::KMS::Key"):
        if truth(key.get("EnableKeyRotation")) is not True:
            yield Fault(key, "EnableKeyRotation", "it never rotates", "set it to true")
        principals = [str(value) for path, value in key.leaves if "Principal" in path]
        if not any(value.endswith(":root") for value in principals):
            yield Fault(key, "KeyPolicy", "the account's root may not administer it", "allow the root of the account")
    for alias in world.of("AWS::KMS::Alias"):
        if not world.at(alias.get("TargetKeyId"), "AWS::KMS::Key") or only(alias.get("TargetKeyId")) is None:
            yield Fault(alias, "TargetKeyId", "it stands for no declared key", "refer to the key")


@rule("TND-SEC-09", "The key lets those use it who have to")
def key_users(world: World) -> Iterator[Fault]:
    """A log group or topic with a key that its service may not use takes nothing, and says nothing."""
    for key in world.of("AWS::KMS::Key"):
        wanted = (
            {"logs": {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"}}
            if world.users(key, "AWS::Logs::LogGroup")
            else {}
        )
        for topic in world.users(key, "AWS::SNS::Topic"):
            for name, kinds in PUBLISHERS.items():
                if world.users(topic, *kinds):
                    wanted[name] = {"kms:Decrypt", "kms:GenerateDataKey"}
        for name, actions in wanted.items():
            if missing := actions - _may_use(key, name):
                wrong = f"{name} may not {', '.join(sorted(missing))}"
                yield Fault(key, "KeyPolicy", wrong, "allow that service, for this account")


PUBLISHERS = {
    "cloudwatch.amazonaws.com": ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"),
    "events.rds.amazonaws.com": ("AWS::RDS::EventSubscription",),
}


def _may_use(key: Resource, name: str) -> set[str]:
    found: set[str] = set()
    for statement in items(key.get("KeyPolicy", "Statement")):
        services = [str(one) for one in items(dig(statement, "Principal", "Service"))]
        if (
            statement.get("Effect") == "Allow"
            and statement.get("Resource")
            and any(s.startswith(name) for s in services)
        ):
            found |= {str(action) for action in items(statement.get("Action"))}
    return found
