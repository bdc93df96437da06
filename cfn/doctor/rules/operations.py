"""The operations app: what its functions are told and may do, so that no alarm at night is the first to find out."""

from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.events_to_functions import operations
from cfn.doctor.rules.fallback import twins
from cfn.doctor.services import LISTENER_RULE, TARGET_GROUP, services
from cfn.doctor.statements import ROLE, may
from cfn.doctor.values import dig, items

rule = Rules()
TABLE = "AWS::DynamoDB::Table"


@rule("TND-OPS-01", "The functions of the operations app are all there, with what they read")
def told(world: World) -> Iterator[Fault]:
    """A setting that is missing has a default in the app, which is to look after nothing."""
    wanted = world.expectations.operations
    found = {str(function.get("Handler")): function for function in operations(world)}
    for handler in sorted(wanted.keys() - found.keys() if services(world) else ()):
        yield Fault(world.stacks[-1].name, "Resources", f"nothing wakes {handler}", "declare it with what wakes it")
    for handler, function in found.items():
        given = set(function.get("Environment", "Variables") or {})
        if given != wanted.get(handler, given):
            wrong = f"it is told {sorted(given)}"
            yield Fault(function, "Environment.Variables", wrong, f"tell it {sorted(wanted[handler])}")
        for name in ("FunctionName", "KmsKeyArn", "ReservedConcurrentExecutions"):
            if not function.get(name):
                yield Fault(function, name, "it is left to AWS", "state it")
        architectures = [items(one.get("Architectures")) for one in twins(world)]
        if architectures and items(function.get("Architectures")) not in architectures:
            yield Fault(function, "Architectures", "it is not that of the other functions", "use the same")


@rule("TND-OPS-02", "Every rule with two runtimes is in somebody's care")
def failover(world: World) -> Iterator[Fault]:
    """The load balancer moves nothing by itself: a rule that no function may change stays with dead containers."""
    movers = [one for one in operations(world) if _known(world, one)]
    for found in world.of(LISTENER_RULE):
        groups = world.all_at(found.get("Actions"), TARGET_GROUP)
        told = [function for function in movers if found in _known(world, function)]
        if len(groups) > 1 and not told:
            yield Fault(found, "Actions", "no function moves it", "list it in FAILOVER of the operations app")
        for function in told:
            yield from _care(world, function, found, groups)


def _known(world: World, function: Resource) -> list[Resource]:
    return world.all_at(dig(function.properties, "Environment", "Variables", "FAILOVER"))


def _care(world: World, function: Resource, found: Resource, groups: list[Resource]) -> Iterator[Fault]:
    behind = [f for group in groups for f in world.all_at(group.get("Targets"), "AWS::Lambda::Function")]
    for missing in (one for one in (*groups, *behind) if one not in _known(world, function)):
        wrong = f"it does not know {missing}"
        yield Fault(function, "Environment.Variables.FAILOVER", wrong, "name both groups, and the function")
    role = world.at(function.get("Role"), ROLE)
    wanted = [(f"elasticloadbalancing:{verb}", found) for verb in ("AddTags", "ModifyRule", "RemoveTags")]
    wanted += [("lambda:InvokeFunction", one) for one in behind]
    for action, resource in wanted if role else ():
        if role and resource not in [r for s in may(world, role, action) for r in world.all_at(s.resources)]:
            yield Fault(role, "Policies", f"it may not {action} on {resource}", "allow it")


@rule("TND-OPS-03", "Tables forget what has expired, and who uses one may")
def tables(world: World) -> Iterator[Fault]:
    """The app writes `id` and `expiration`; without the second the table grows for ever."""
    for table in world.of(TABLE):
        declared = {
            one.get("AttributeName"): one.get("AttributeType") for one in items(table.get("AttributeDefinitions"))
        }
        keys = {one.get("AttributeName"): one.get("KeyType") for one in items(table.get("KeySchema"))}
        if declared != {"id": "S"} or keys != {"id": "HASH"}:
            yield Fault(table, "KeySchema", f"its key is {keys} of {declared}", "use the string id")
        if table.get("TimeToLiveSpecification", "AttributeName") != "expiration":
            yield Fault(table, "TimeToLiveSpecification", "nothing in it expires", "expire by the attribute expiration")
        for function in world.users(table, "AWS::Lambda::Function"):
            role = world.at(function.get("Role"), ROLE)
            if role and table not in [
                t for s in may(world, role, "dynamodb:PutItem") for t in world.all_at(s.resources)
            ]:
                yield Fault(role, "Policies", f"it may not write to {table}", "allow dynamodb:PutItem on it")
