"""Who may reach whom, and whether everybody reaches what they need."""

from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World
from cfn.doctor.openings import GROUP, Opening, groups_of, members, openings, reaches
from cfn.doctor.rules.network import is_public
from cfn.doctor.rules.routing import serving
from cfn.doctor.services import has_name, services
from cfn.doctor.values import number, truth

rule = Rules()
BALANCER = "AWS::ElasticLoadBalancingV2::LoadBalancer"
WORKERS = {"AWS::ECS::Service", "AWS::Lambda::Function"}
STORES = {"AWS::RDS::DBInstance": 5432, "AWS::ElastiCache::ReplicationGroup": 6379}


@rule("TND-SEC-01", "The internet reaches only the load balancer, on 80 and 443", Severity.CRITICAL)
def internet(world: World) -> Iterator[Fault]:
    """Every opening to the world is looked at, and to whom the group belongs. With a CDN in front the balancer itself
    admits only the addresses of CloudFront, or web application firewall and cache can be walked around."""
    for opening in openings(world):
        if opening.outwards or opening.peer:
            continue
        users = members(world, opening.group)
        if not users or any(user.type != BALANCER for user in users):
            wrong = f"{opening.source} may reach {', '.join(map(str, users)) or 'a group nobody uses'}"
            yield Fault(opening.where, opening.path, wrong, "admit only security groups that need it")
        elif opening.protocol != "tcp" or {opening.first, opening.last} - {80, 443} or opening.first != opening.last:
            wrong = f"the load balancer is open on {opening.protocol} {opening.first}-{opening.last}"
            yield Fault(opening.where, opening.path, wrong, "open tcp 443, and 80 to redirect, one by one")
        elif not _admitted(world, opening):
            wrong = f"{opening.source} may bypass CloudFront on {opening.first}"
            mend = "admit the prefix list of CloudFront's origin-facing servers, and the addresses of NAT for own calls"
            yield Fault(opening.where, opening.path, wrong, mend)


def _admitted(world: World, opening: Opening) -> bool:
    """CloudFront's list, our own NAT as one address, and anybody on port 80 where that only redirects."""
    if str(opening.source).startswith("pl-"):
        return True
    if world.at(opening.source, "AWS::EC2::EIP"):
        return str(opening.source).endswith("/32")
    if not world.of("AWS::CloudFront::Distribution"):
        return opening.is_open
    return opening.is_open and opening.first == 80 and has_name(world)


@rule("TND-SEC-02", "Only the load balancer reaches the tasks, on their ports", Severity.CRITICAL)
def tasks(world: World) -> Iterator[Fault]:
    """A task believes what the load balancer puts into the headers. Who reaches it directly can put anything there."""
    ports = {mounted.port for mounted in services(world)} - {None}
    balancers = {group.key for group in groups_of(world, BALANCER)}
    task_groups = groups_of(world, "AWS::ECS::Service")
    for opening in openings(world):
        if opening.outwards or opening.group not in task_groups:
            continue
        if not opening.peer or opening.peer.key not in balancers:
            wrong = f"{opening.peer or opening.source} may reach the tasks"
            yield Fault(opening.where, opening.path, wrong, "admit the load balancer's security group and nothing else")
        if opening.protocol != "tcp" or opening.first != opening.last or opening.first not in ports:
            wrong = f"it opens {opening.protocol} {opening.first}-{opening.last}, where no single service listens"
            yield Fault(opening.where, opening.path, wrong, "open exactly one service's port per rule")


@rule("TND-SEC-03", "Only tasks and their Lambda twins reach the database and the cache", Severity.CRITICAL)
def stores(world: World) -> Iterator[Fault]:
    """The last door: a password that leaks is worth nothing to somebody who cannot connect."""
    workers = {group.key for group in groups_of(world, *WORKERS)}
    rotation = {group.key for group in world.of(GROUP) if _rotates(world, group)}
    for kind, port in STORES.items():
        for group in groups_of(world, kind):
            found = [opening for opening in openings(world) if opening.group is group and not opening.outwards]
            for opening in found:
                if not opening.peer or opening.peer.key not in workers | rotation:
                    wrong = f"{opening.peer or opening.source} may reach {kind}"
                    yield Fault(opening.where, opening.path, wrong, "admit the security group of the tasks")
                if opening.protocol != "tcp" or (opening.first, opening.last) != (port, port):
                    wrong = f"it opens {opening.protocol} {opening.first}-{opening.last}, not {port}"
                    yield Fault(opening.where, opening.path, wrong, f"open tcp {port} alone")


def _rotates(world: World, group: Resource) -> bool:
    return bool(world.users(group, "AWS::SecretsManager::RotationSchedule"))


@rule("TND-SEC-04", "Every chain can be walked: balancer to tasks, tasks to their stores")
def chains(world: World) -> Iterator[Fault]:
    """A closed door is as wrong as an open one: the health checks fail, and the deployment hangs for half an hour."""
    found = openings(world)
    for mounted in services(world):
        inner = world.all_at(mounted.service.get("NetworkConfiguration"), GROUP)
        for balancer in balancers_of(world, mounted.group):
            outer = world.all_at(balancer.get("SecurityGroups"), GROUP)
            if mounted.port and not reaches(found, outer, inner, mounted.port):
                wrong = f"{balancer} cannot reach its tasks on {mounted.port}"
                yield Fault(mounted.service, "NetworkConfiguration", wrong, "open that port between their groups")
    for worker in world.of(*WORKERS):
        inner = world.all_at(worker.get("NetworkConfiguration") or worker.get("VpcConfig"), GROUP)
        for kind, port in STORES.items():
            for store in world.of(kind):
                outer = world.all_at(store.get("VPCSecurityGroups") or store.get("SecurityGroupIds"), GROUP)
                if inner and _talks_to(world, worker, store) and not reaches(found, inner, outer, port):
                    wrong = f"it is configured to use {store} and cannot reach it on {port}"
                    yield Fault(worker, "", wrong, "admit its group at the store, and let its own group out")


def _talks_to(world: World, worker: Resource, store: Resource) -> bool:
    """Whether its environment or its task names the store, or a secret that is attached to it."""
    task = world.at(worker.get("TaskDefinition"), "AWS::ECS::TaskDefinition")
    configured = task.properties if task else {"Environment": worker.get("Environment")}
    named = {resource.key for resource in world.all_at(configured)}
    attached = world.users(store, "AWS::SecretsManager::SecretTargetAttachment")
    secrets = {secret.key for attachment in attached for secret in world.all_at(attachment.get("SecretId"))}
    return store.key in named or bool(named & secrets)


def balancers_of(world: World, group: Resource | None) -> list[Resource]:
    """The load balancers whose listeners forward to a target group, by its rules or their default action."""
    if not group:
        return []
    listeners = world.users(group, "AWS::ElasticLoadBalancingV2::Listener")
    for listener_rule in world.users(group, "AWS::ElasticLoadBalancingV2::ListenerRule"):
        listeners += world.all_at(listener_rule.get("ListenerArn"), "AWS::ElasticLoadBalancingV2::Listener")
    found = [world.at(listener.get("LoadBalancerArn"), BALANCER) for listener in listeners]
    return list({balancer.key: balancer for balancer in found if balancer}.values())


@rule("TND-SEC-11", "Services can call each other through the load balancer")
def own_calls(world: World) -> Iterator[Fault]:
    """The order service asks for products at the load balancer, so that its calls fail over too. An internal one must
    admit the tasks' group; a public one sees them as the addresses of NAT."""
    found = openings(world)
    for mounted in services(world):
        inner = world.all_at(mounted.service.get("NetworkConfiguration"), GROUP)
        for balancer in balancers_of(world, mounted.group):
            outer = world.all_at(balancer.get("SecurityGroups"), GROUP)
            listening = [one for one in serving(world) if world.at(one.get("LoadBalancerArn")) is balancer]
            ports = [int(number(one.get("Port")) or 0) for one in listening]
            if balancer.get("Scheme") == "internal" and not all(reaches(found, inner, outer, port) for port in ports):
                wrong = f"{mounted.service} cannot call it on {ports}"
                yield Fault(balancer, "SecurityGroups", wrong, "admit the tasks there, and let them out")
            elif balancer.get("Scheme") != "internal":
                yield from _without_nat(world, balancer, [o for o in found if o.group in outer and not o.outwards])


def _without_nat(world: World, balancer: Resource, ways_in: list[Opening]) -> Iterator[Fault]:
    admitted = [world.at(opening.source, "AWS::EC2::EIP") for opening in ways_in if opening.lets(443)]
    for nat in world.of("AWS::EC2::NatGateway"):
        if world.at(nat.get("AllocationId"), "AWS::EC2::EIP") not in admitted:
            yield Fault(balancer, "SecurityGroups", f"calls through {nat} are not admitted", "admit its address on 443")


@rule("TND-SEC-12", "Private doors to AWS open for the tasks")
def doors(world: World) -> Iterator[Fault]:
    """An interface endpoint takes over the API's name inside the VPC. If its group keeps the tasks out, or its name is
    not resolved, whoever needs the API hangs until the timeout."""
    workers = groups_of(world, *WORKERS)
    for endpoint in world.of("AWS::EC2::VPCEndpoint"):
        if endpoint.get("VpcEndpointType") != "Interface":
            continue
        inner = world.all_at(endpoint.get("SecurityGroupIds"), GROUP)
        if len(inner) != 1 or not reaches(openings(world), workers, inner, 443):
            yield Fault(
                endpoint, "SecurityGroupIds", "the tasks cannot reach it", "use a group that admits them on 443"
            )
        subnets = world.all_at(endpoint.get("SubnetIds"), "AWS::EC2::Subnet")
        if not subnets or any(is_public(world, subnet) for subnet in subnets):
            yield Fault(endpoint, "SubnetIds", "it stands in no private subnet", "put it into a private subnet")
        if truth(endpoint.get("PrivateDnsEnabled")) is not True:
            yield Fault(endpoint, "PrivateDnsEnabled", "nobody finds it", "set it to true")


@rule("TND-SEC-05", "Every group and every opening says what it is for", Severity.WARNING)
def described(world: World) -> Iterator[Fault]:
    """The reader of a security group at three in the morning sees numbers only, unless there is a sentence."""
    for opening in openings(world):
        if not opening.described:
            yield Fault(opening.where, f"{opening.path}.Description", "no description", "say who needs it, and why")
    for group in world.of(GROUP):
        if len(str(group.get("GroupDescription") or "")) < 10:
            yield Fault(group, "GroupDescription", "it does not say what it is for", "describe it in a sentence")


@rule("TND-SEC-06", "Groups say who they let out", Severity.WARNING)
def egress(world: World) -> Iterator[Fault]:
    """A group without egress rules lets everything out. Stores call nobody; tasks need stores, peers and AWS."""
    for group in world.of(GROUP):
        apart = world.users(group, "AWS::EC2::SecurityGroupEgress")
        if not apart and group.get("SecurityGroupEgress") is None:
            yield Fault(group, "SecurityGroupEgress", "it lets everything out", "list what it may reach")
    for opening in openings(world):
        if not opening.bounded or opening.first > opening.last or opening.source is None:
            yield Fault(opening.where, opening.path, "protocol, ports or peer are missing", "name all of them")
        elif opening.outwards and opening.peer is None and not _calls_aws(opening) and opening.source != NOWHERE:
            wrong = f"it lets {opening.protocol} {opening.first}-{opening.last} out to {opening.source}"
            yield Fault(opening.where, opening.path, wrong, "let tcp 443 out, or name the group it may reach")
        elif opening.peer and opening.first != opening.last:
            yield Fault(opening.where, opening.path, "it opens more than one port", "open one port per rule")


NOWHERE = "127.0.0.1/32"  # a group without any egress rule would get one to everywhere


def _calls_aws(opening: Opening) -> bool:
    return opening.is_open and opening.protocol == "tcp" and (opening.first, opening.last) == (443, 443)


@rule("TND-SEC-10", "The VPC's default security group is emptied")
def emptied(world: World) -> Iterator[Fault]:
    """It lets its members talk to each other and to everybody. CloudFormation cannot empty it, so a function does."""
    for vpc in world.of("AWS::EC2::VPC"):
        done = [
            user
            for user in world.users(vpc, "AWS::CloudFormation::CustomResource")
            if str(user.get("GroupId")).endswith(".DefaultSecurityGroup")
            and world.at(user.get("ServiceToken"), "AWS::Lambda::Function")
            and str(user.get("ServiceToken")).endswith(".Arn")
        ]
        if not done:
            yield Fault(vpc, "", "nobody empties its default security group", "add the custom resource that does")


@rule("TND-SEC-08", "Everything that has a network interface has a security group of ours")
def has_group(world: World) -> Iterator[Fault]:
    """Without one AWS takes the VPC's default group, and the chain has a hole nobody drew."""
    places = {
        "AWS::ECS::Service": ("NetworkConfiguration", "AwsvpcConfiguration", "SecurityGroups"),
        "AWS::ElastiCache::ReplicationGroup": ("SecurityGroupIds",),
        BALANCER: ("SecurityGroups",),
        "AWS::RDS::DBInstance": ("VPCSecurityGroups",),
    }
    seen: dict[tuple[str, str], set[str]] = {}
    for kind, path in places.items():
        for resource in world.of(kind):
            groups = world.all_at(resource.get(*path), GROUP)
            if len(groups) != 1:
                yield Fault(resource, ".".join(path), "it has no security group of its own", "name exactly one group")
            for group in groups:
                seen.setdefault(group.key, set()).add(kind)
                if len(seen[group.key]) > 1:
                    wrong = f"{group} is shared by {' and '.join(sorted(seen[group.key]))}"
                    yield Fault(resource, ".".join(path), wrong, "give each tier its own group")
