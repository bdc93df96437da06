"""What the house wants stated, because AWS's default is not what we mean, or is nothing one should have to know."""

from collections.abc import Iterator
from functools import cache
from typing import Any

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import World
from cfn.doctor.rules.references import select
from cfn.doctor.tables import KNOWN, LENGTHS, LISTS, NAMES, OF_THE_SOURCE, PAIRS, RANGES, STATED, UNTAGGED
from cfn.doctor.values import items, number

rule = Rules()


@rule("TND-STD-01", "What has a default that we do not mean is stated")
def stated(world: World) -> Iterator[Fault]:
    """A property that is left out is a decision by somebody at AWS, who did not know this shop."""
    for kind, paths in STATED.items():
        for resource in world.of(kind):
            for path, accepted in paths.items():
                if resource.get("SourceDBInstanceIdentifier") and path in OF_THE_SOURCE:
                    continue
                for place, value in last(resource.properties, steps(path)):
                    if value in (None, [], {}, ""):
                        yield Fault(resource, place, "it is left to AWS", "state it")
                    elif accepted and not (isinstance(value, str | int | bool) and value in accepted):
                        allowed = " or ".join(sorted(map(str, accepted)))
                        yield Fault(resource, place, f"it is {value}", f"use {allowed}")


@cache
def steps(path: str) -> tuple[str, ...]:
    """Database parameters have a dot in their own names."""
    return ("Parameters", path[11:]) if path.startswith("Parameters.") else tuple(path.split("."))


def last(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """The last step of the path in each of its parents that are there."""
    for place, parent in select(value, path[:-1]):
        found = parent.get(path[-1]) if isinstance(parent, dict) else None
        yield ".".join(filter(None, (place, path[-1]))), found


@rule("TND-STD-02", "Only types that somebody thought about")
def known(world: World) -> Iterator[Fault]:
    """The rules follow what they know. Of a type they do not know nothing has been proved."""
    for resource in world.resources:
        if resource.type not in KNOWN:
            wrong = f"{resource.type} is in no table of the doctor"
            yield Fault(resource, "Type", wrong, "add it with what must hold for it")


@rule("TND-STD-05", "Whatever can carry tags carries ours")
def tags(world: World) -> Iterator[Fault]:
    """Bills, alarms and clean-up find things by their tags. One without belongs to nobody."""
    for resource in world.resources:
        if resource.type in UNTAGGED:
            continue
        found = resource.get("Tags")
        given = found if isinstance(found, dict) else {t.get("Key"): t.get("Value") for t in items(found)}
        missing = [key for key in ("Environment", "ManagedBy", "Project", "Stack") if not given.get(key)]
        if missing:
            yield Fault(resource, "Tags", f"{', '.join(missing)} is missing", "tag it like everything else")
        elif given["Environment"] != world.expectations.environment:
            yield Fault(resource, "Tags", f"it says {given['Environment']}", f"say {world.expectations.environment}")


@rule("TND-STD-06", "Pairs are whole")
def pairs(world: World) -> Iterator[Fault]:
    """A key without a value, or the other way round, in lists of settings."""
    for kind, paths in PAIRS.items():
        for resource in world.of(kind):
            for path, (key, value) in paths.items():
                for place, pair in select(resource.properties, (*steps(path), "*")):
                    if not isinstance(pair, dict) or pair.get(key) in (None, "") or pair.get(value) is None:
                        yield Fault(resource, place, f"{key} or {value} is missing", "give both")


@rule("TND-STD-07", "Numbers are of the size that was meant")
def sizes(world: World) -> Iterator[Fault]:
    """A hundred times too much is a slip of the finger that AWS accepts."""
    for kind, paths in RANGES.items():
        for resource in world.of(kind):
            for path, (least, most) in paths.items():
                for place, value in select(resource.properties, steps(path)):
                    found = number(value)
                    if found is None or not least <= found <= most:
                        yield Fault(resource, place, f"it is {value}", f"use {least} to {most}")


@rule("TND-STD-03", "Names do not collide")
def names(world: World) -> Iterator[Fault]:
    """Two resources of a type with one physical name: the second is refused."""
    seen: dict[tuple[str, str], Any] = {}
    for resource in world.resources:
        for key in NAMES.get(resource.type, ()):
            name = resource.get(key)
            if name is None:
                continue
            other = seen.setdefault(
                (resource.type, f"{name} {resource.get('Type')} {resource.get('Cluster')}"), resource
            )
            if other is not resource:
                yield Fault(resource, key, f"{name} is the name of {other} too", "name it differently")
            limit = LENGTHS.get(resource.type)
            if limit and isinstance(name, str) and len(name) > limit:
                yield Fault(resource, key, f"{name} is longer than {limit} characters", "shorten it")


@rule("TND-STD-04", "Listed things are listed once")
def repeated(world: World) -> Iterator[Fault]:
    """The same subnet twice is one subnet less."""
    for kind, path in LISTS:
        for resource in world.of(kind):
            for place, value in select(resource.properties, steps(path)):
                shown = [str(item) for item in items(value)]
                if len(set(shown)) != len(shown):
                    yield Fault(resource, place, "something is in it twice", "list each once")
