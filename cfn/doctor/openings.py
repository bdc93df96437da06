"""Who can reach whom: security groups as a graph."""

from dataclasses import dataclass
from typing import Any

from cfn.doctor.graph import Resource, World, fact
from cfn.doctor.values import items, number

GROUP = "AWS::EC2::SecurityGroup"
EVERYWHERE = {"0.0.0.0/0", "::/0"}


@dataclass(frozen=True, slots=True)
class Opening:
    """One rule of a security group. `peer` is a group, else `source` is whatever stands there."""

    group: Resource
    where: Resource
    path: str
    outwards: bool
    protocol: str
    first: int
    last: int
    source: Any
    peer: Resource | None
    described: bool
    bounded: bool  # names its ports, or is for everything

    def lets(self, port: int) -> bool:
        return self.protocol in {"tcp", "6", "-1"} and self.first <= port <= self.last

    @property
    def is_open(self) -> bool:
        return self.source in EVERYWHERE


@fact
def openings(world: World) -> list[Opening]:
    found = []
    for group in world.of(GROUP):
        for name, outwards in (("SecurityGroupIngress", False), ("SecurityGroupEgress", True)):
            entries = enumerate(items(group.get(name)))
            found += [_opening(world, group, group, f"{name}.{index}", entry, outwards) for index, entry in entries]
    for kind, outwards in (("AWS::EC2::SecurityGroupIngress", False), ("AWS::EC2::SecurityGroupEgress", True)):
        for apart in world.of(kind):
            if owner := world.at(apart.get("GroupId"), GROUP):
                found.append(_opening(world, owner, apart, "", apart.properties, outwards))
    return found


def _opening(
    world: World, group: Resource, where: Resource, path: str, entry: dict[str, Any], outwards: bool
) -> Opening:
    side = "Destination" if outwards else "Source"
    protocol = str(entry.get("IpProtocol"))
    everything = protocol == "-1"
    first, last = (number(entry.get(key)) for key in ("FromPort", "ToPort"))
    by_group = entry.get(f"{side}SecurityGroupId")
    by_list = entry.get(f"{side}PrefixListId")
    block = entry.get("CidrIp") or entry.get("CidrIpv6")
    return Opening(
        group=group,
        where=where,
        path=path,
        outwards=outwards,
        protocol=protocol,
        first=0 if everything or first is None else int(first),
        last=65535 if everything or last is None else int(last),
        source=by_group or by_list or block,
        peer=world.at(by_group, GROUP),
        described=bool(entry.get("Description")),
        bounded=everything or (first is not None and last is not None),
    )


def members(world: World, group: Resource) -> list[Resource]:
    """What runs in a security group."""
    rules = {GROUP, "AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress"}
    return [user for user in world.users(group) if user.type not in rules]


def groups_of(world: World, *types: str) -> list[Resource]:
    return [group for group in world.of(GROUP) if any(user.type in types for user in members(world, group))]


def reaches(found: list[Opening], outer: list[Resource], inner: list[Resource], port: int) -> bool:
    admitted = any(
        not opening.outwards and opening.group in inner and opening.peer in outer and opening.lets(port)
        for opening in found
    )
    let_out = [opening for opening in found if opening.outwards and opening.group in outer]
    closed = bool(outer) and all("SecurityGroupEgress" in group.properties for group in outer)
    out = any(o.lets(port) and (o.peer in inner or o.source in EVERYWHERE) for o in let_out)
    return admitted and (out or (not let_out and not closed))
