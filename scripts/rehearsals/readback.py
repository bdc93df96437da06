"""What was deployed, read back through the services' own APIs and compared with the resolved templates."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cfn.doctor.graph import Resource, World
from cfn.doctor.values import Call, Pseudo, Reference, Text, Unknown, number
from scripts.rehearsals.deployed import Account
from scripts.rehearsals.gaps import EMPTY
from scripts.rehearsals.readers import READERS, Found
from scripts.releases.live import resources
from scripts.twin.deployment.names import PSEUDO

PARTED = {"ContainerDefinitions"}  # too large to be one field
# What no API tells again.
NOT_TOLD = {
    ("AWS::RDS::DBInstance", "MasterUserPassword"),
    ("AWS::RDS::DBInstance", "DeleteAutomatedBackups"),
    ("AWS::Lambda::Function", "Code"),
}


class Made(Exception):
    """AWS makes the value; nobody can foretell it."""


def dropped(account: Account, world: World) -> set[tuple[str, str]]:
    """Types and properties that the templates give and the API does not have, or has otherwise. Raises KeyError for a
    resource that is not there."""
    physical = {
        (stack.name, name): one["PhysicalResourceId"]
        for stack in world.stacks
        for name, one in resources(account.aws.cloudformation, stack.name).items()
    }
    lost: set[tuple[str, str]] = set()
    for resource in world.of(*READERS):
        if empty := sorted(name for kind, name in EMPTY if kind == resource.type and name in resource.properties):
            lost |= {(resource.type, name) for name in empty}
            continue
        found = READERS[resource.type](account, physical[resource.key])
        lost |= {(resource.type, name) for name in _differing(resource, found, physical, account)}
    return lost


def given(world: World) -> set[tuple[str, str]]:
    """All types and properties that are compared."""
    found = set()
    for resource in world.of(*READERS):
        for name, value in resource.properties.items():
            parts = {part for one in value for part in one} if name in PARTED else set()
            found |= {(resource.type, f"{name}.{part}") for part in parts} or {(resource.type, name)}
    return found


def _differing(
    resource: Resource, found: Found, physical: Mapping[tuple[str, str], str], account: Account
) -> Iterator[str]:
    have = _lowered(found)
    for name, value in resource.properties.items():
        if name == "Tags" or (resource.type, name) in NOT_TOLD:
            continue
        wanted, told = _lowered(_known(value, physical, account)), have.get(name.lower())
        if name in PARTED:
            yield from (f"{name}.{part}" for part in _parts(value, wanted, told))
        elif not _contained(wanted, told):
            yield name


def _parts(given: Sequence[Mapping[str, Any]], wanted: Sequence[Found], told: Sequence[Found]) -> Iterator[str]:
    """The members that differ, of objects that have names."""
    by_name = {one["name"]: one for one in told}
    for raw, one in zip(given, wanted, strict=True):
        other = by_name.get(one["name"], {})
        yield from (key for key in raw if not _contained(one[key.lower()], other.get(key.lower())))


class Anything:
    """Stands where only AWS knows the value."""


def _known(value: Any, physical: Mapping[tuple[str, str], str], account: Account) -> Any:
    if isinstance(value, Mapping):
        return {key: _known(item, physical, account) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_known(item, physical, account) for item in value]
    try:
        return _text(value, physical, account)
    except Made:
        return Anything()


def _text(value: Any, physical: Mapping[tuple[str, str], str], account: Account) -> Any:
    if isinstance(value, Text):
        parts = [str(_text(part, physical, account)) for part in value.parts]
        if any(part.startswith("{{resolve:") for part in parts):
            raise Made
        return "".join(parts)
    if isinstance(value, Pseudo):
        own = {**PSEUDO, "AWS::AccountId": account.session.get_credentials().access_key}  # type: ignore[union-attr]
        return own[value.name]
    if isinstance(value, Reference):
        if value.attribute or (value.stack, value.resource) not in physical:
            raise Made
        return physical[value.stack, value.resource]
    if isinstance(value, Unknown | Call):
        raise Made
    return value


def _lowered(value: Any) -> Any:
    """Names of members without regard to case: the APIs begin them small here and large there."""
    if isinstance(value, Mapping):
        return {key.lower(): _lowered(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_lowered(item) for item in value]
    return value


def _contained(wanted: Any, have: Any) -> bool:
    """Whether all that is wanted is there; what is there beyond it are defaults. Lists in any order."""
    if isinstance(wanted, Anything):
        return have is not None
    if isinstance(wanted, Mapping):
        return isinstance(have, Mapping) and all(_contained(item, have.get(key)) for key, item in wanted.items())
    if isinstance(wanted, list):
        return isinstance(have, list) and all(any(_contained(item, other) for other in have) for item in wanted)
    known = number(wanted)
    return str(wanted).lower() == str(have).lower() or (known is not None and known == number(have))
