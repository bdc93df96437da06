"""The Lambda twin of every service: it must be able to take over at once, and must not drown the database."""

import json
from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Resource, World, fact
from cfn.doctor.openings import GROUP
from cfn.doctor.rules.network import is_public
from cfn.doctor.rules.security import BALANCER
from cfn.doctor.rules.service import environment
from cfn.doctor.services import FUNCTIONS, TARGET_GROUP, services, serving
from cfn.doctor.values import dig, items, number

rule = Rules()
PRINCIPAL = "elasticloadbalancing.amazonaws.com"
# max_connections of db.t4g.micro by RDS's formula is about 80; a few stay for tasks, migrations and the operator.
CONNECTIONS_FOR_FALLBACK = 40


def lambda_groups(world: World) -> list[Resource]:
    return [group for group in world.of(TARGET_GROUP) if group.get("TargetType") == "lambda"]


def targets(world: World, group: Resource) -> list[Resource]:
    return world.all_at(group.get("Targets"), *FUNCTIONS)


@rule("TND-FBK-01", "The load balancer may call the function before it is attached")
def permission(world: World) -> Iterator[Fault]:
    """Registering a function checks the permission at that moment. The permission names the load balancing service, and
    the one target group from which it may call."""
    for group in lambda_groups(world):
        found = targets(world, group)
        if len(found) != 1 or len(items(group.get("Targets"))) != 1:
            yield Fault(group, "Targets", f"it has {len(found)} functions", "register exactly one function")
        for function in found:
            named = {function.key, serving(world, function).key}
            granted = [
                p
                for p in world.of("AWS::Lambda::Permission")
                if (target := world.at(p.get("FunctionName"), *FUNCTIONS)) and target.key in named
            ]
            good = [
                p for p in granted if p.get("Principal") == PRINCIPAL and p.get("Action") == "lambda:InvokeFunction"
            ]
            if not good:
                wrong = f"{PRINCIPAL} may not invoke {function}"
                yield Fault(group, "Targets", wrong, "add an AWS::Lambda::Permission for it")
            elif not any(world.waits_for(group, p) for p in good):
                yield Fault(group, "DependsOn", "it does not wait for the permission", "let it depend on it")


@rule("TND-FBK-02", "Nobody else may call a function", Severity.CRITICAL)
def restricted(world: World) -> Iterator[Fault]:
    """Without a source any account's load balancer, topic or rule could call it."""
    for found in world.of("AWS::Lambda::Permission"):
        source = str(found.get("SourceArn"))
        # Topics and schedules carry their account in the ARN, and their services do not promise to name it besides.
        named_alone = world.at(found.get("SourceArn"), *CALLERS.get(str(found.get("Principal")), ()))
        if not found.get("SourceArn") or source == "*" or not (found.get("SourceAccount") or named_alone):
            yield Fault(found, "SourceArn", f"any {found.get('Principal')} may call it", "name source and account")
        function = world.at(found.get("FunctionName"), *FUNCTIONS)
        named = [g for g in lambda_groups(world) if function and function in targets(world, g)]
        if found.get("Principal") == PRINCIPAL and not any(_is_source(g, source) for g in named):
            yield Fault(found, "SourceArn", f"{source} is not the target group that calls it", "name that group")
        if found.get("Principal") in {None, "*"} or not world.at(found.get("FunctionName"), *FUNCTIONS):
            yield Fault(found, "Principal", "it does not say who may call what", "name principal and function")


CALLERS = {"events.amazonaws.com": ("AWS::Events::Rule",), "sns.amazonaws.com": ("AWS::SNS::Topic",)}


def _is_source(group: Resource, source: str) -> bool:
    """By its ARN, or by its name where the group itself has to wait for the permission."""
    return str(group) in source or f":targetgroup/{group.get('Name')}/*" in source


@rule("TND-FBK-03", "Function target groups carry every header")
def multi_value(world: World) -> Iterator[Fault]:
    """With single values the second Set-Cookie and the repeated query key are lost on the way, in one runtime only."""
    for group in lambda_groups(world):
        attributes = {str(a.get("Key")): str(a.get("Value")) for a in items(group.get("TargetGroupAttributes"))}
        if attributes.get("lambda.multi_value_headers.enabled") != "true":
            wrong = "multi-value headers are off"
            yield Fault(group, "TargetGroupAttributes", wrong, "set lambda.multi_value_headers.enabled to true")
        if group.get("HealthCheckEnabled") is not False:
            yield Fault(group, "HealthCheckEnabled", "each health check is an invocation", "set it to false")
        if group.get("Port") is not None or group.get("Protocol") is not None:
            yield Fault(group, "Port", "a function has no port", "leave port and protocol out")


@rule("TND-FBK-04", "The function gives up before the load balancer does")
def timeouts(world: World) -> Iterator[Fault]:
    """Past the idle timeout the customer has a 504 already, and the function works on and is paid for."""
    idle = [
        number(
            {str(a.get("Key")): a.get("Value") for a in items(b.get("LoadBalancerAttributes"))}.get(
                "idle_timeout.timeout_seconds", 60
            )
        )
        for b in world.of(BALANCER)
    ]
    for function in twins(world):
        limit = number(function.get("Timeout"))
        if limit is None or limit < 5 or any(limit >= (seconds or 0) for seconds in idle):
            wrong = f"it may run {limit} s, the load balancer waits {idle}"
            yield Fault(function, "Timeout", wrong, "let it end before the load balancer's idle timeout")
        memory = number(function.get("MemorySize"))
        if memory is None or not 512 <= memory <= 3008:
            yield Fault(
                function, "MemorySize", f"it has {memory} MB", "give it 512 to 3008: cold starts need processor"
            )


@fact
def twins(world: World) -> list[Resource]:
    found = {function.key: function for mounted in services(world) for function in mounted.functions}
    return list(found.values())


@rule("TND-FBK-05", "Its concurrency is reserved, and the database can bear it")
def concurrency(world: World) -> Iterator[Fault]:
    """Each sandbox holds one connection. Reserved concurrency is both a promise that it can run and a lid."""
    total = 0.0
    for function in twins(world):
        value = number(function.get("ReservedConcurrentExecutions"))
        if not value or value > 100:
            yield Fault(function, "ReservedConcurrentExecutions", f"it is {value}", "reserve a handful")
        total += (value or 0) if function.get("VpcConfig") and _uses_database(function) else 0
    limit = CONNECTIONS_FOR_FALLBACK * (10 if world.expectations.multi_az else 1)
    if total > limit and twins(world):
        wrong = f"the fallback may open {total:.0f} connections, the database spares {limit}"
        yield Fault(twins(world)[0], "ReservedConcurrentExecutions", wrong, "reserve less, or grow the database")


def _uses_database(function: Resource) -> bool:
    return any("DATABASE" in str(name) for name in function.get("Environment", "Variables") or {})


@rule("TND-FBK-06", "Every service has its own twin")
def pairs(world: World) -> Iterator[Fault]:
    """Exactly one function per service, and another one for each: products must not answer for orders."""
    seen: dict[tuple[str, str], Resource] = {}
    for mounted in services(world):
        if len(mounted.functions) != 1:
            wrong = f"{len(mounted.functions)} functions stand beside it"
            yield Fault(mounted.service, "", wrong, "let its rule forward to one lambda target group")
        for function in mounted.functions:
            if seen.setdefault(function.key, mounted.service) is not mounted.service:
                yield Fault(mounted.service, "", f"it shares {function} with another service", "give it its own")


@rule("TND-FBK-07", "Both runtimes are told the same")
def same_environment(world: World) -> Iterator[Fault]:
    """A key that only the container has is a fallback that fails on the day it is needed. Secrets count by name: the
    container gets the value, the function the ARN and reads it itself."""
    for mounted in services(world):
        for function in mounted.functions if mounted.container else ():
            container = mounted.container or {}
            given = {key: value for key, value in environment(container).items() if key not in ONLY_CONTAINER}
            variables = function.get("Environment", "Variables") or {}
            needed = set(given) | {str(s.get("Name")) for s in items(container.get("Secrets"))}
            missing = {
                key for key in needed if not {key, f"{key}_ARN", f"{key}_SECRET", f"{key}_SECRET_ARN"} & set(variables)
            }
            if missing:
                wrong = f"{', '.join(sorted(missing))} is set for the container only"
                yield Fault(function, "Environment.Variables", wrong, "set the same keys for the function")
            for key in sorted(set(given) & set(variables) - DIFFERENT):
                if given[key] != variables[key]:
                    wrong = f"{key} is {variables[key]} here and {given[key]} in the container"
                    yield Fault(function, "Environment.Variables", wrong, "give both the same value")


ONLY_CONTAINER = {"PORT", "AWS_XRAY_DAEMON_ADDRESS", "DATABASE_POOL", "FORWARDED_ALLOW_IPS"}
DIFFERENT = {"SERVED_BY", "DATABASE_POOL", "BACKGROUND", "VERSION"}


@rule("TND-FBK-08", "The function runs where its container runs")
def place(world: World) -> Iterator[Fault]:
    """In the tasks' security group, so that "only tasks reach the database" stays true as it is written."""
    for mounted in services(world):
        for function in mounted.functions:
            groups = world.all_at(function.get("VpcConfig", "SecurityGroupIds"), GROUP)
            beside = world.all_at(mounted.service.get("NetworkConfiguration"), GROUP)
            if _needs_vpc(world, mounted.service) and {g.key for g in groups} != {g.key for g in beside}:
                wrong = "it is not in the security group of its tasks"
                yield Fault(function, "VpcConfig.SecurityGroupIds", wrong, "use the tasks' security group")
            subnets = world.all_at(function.get("VpcConfig", "SubnetIds"), "AWS::EC2::Subnet")
            if function.get("VpcConfig") and (
                len(subnets) < world.expectations.zones or any(is_public(world, s) for s in subnets)
            ):
                yield Fault(function, "VpcConfig.SubnetIds", "its subnets are public or too few", "use private ones")


def _needs_vpc(world: World, service: Resource) -> bool:
    return bool(world.all_at(service.get("NetworkConfiguration"), GROUP))


@rule("TND-FBK-09", "Background work goes on without containers")
def background(world: World) -> Iterator[Fault]:
    """What is held for a customer who went away comes back, and what was begun is finished, whoever is dead. Whatever
    is not the word for a round the function takes for a request, and it answers that in silence."""
    for mounted in services(world):
        for function in mounted.functions:
            rounds = [
                target
                for schedule in world.users(function, SCHEDULE)
                for target in items(schedule.get("Targets"))
                if world.at(target.get("Arn")) is function
            ]
            wanted = mounted.port in world.expectations.background
            if wanted != bool(rounds):
                wrong = "nothing wakes it" if wanted else "it is woken, and has nothing to do"
                yield Fault(function, "", wrong, "schedule those with background work, once a minute")
            for target in rounds:
                if _round(target.get("Input")) != ROUND:
                    yield Fault(function, "", f"it is sent {target.get('Input')}", f"send {ROUND}")
                if dig(target, "RetryPolicy") != ONCE:
                    yield Fault(function, "", f"EventBridge has {target.get('RetryPolicy')}", f"say {ONCE}")
            tries = [{key: one.get(key) for key in ONCE} for one in world.users(function, RETRIES)]
            if rounds and tries != [ONCE]:
                yield Fault(function, "", f"rounds are tried as {tries}", f"add one EventInvokeConfig with {ONCE}")


SCHEDULE, RETRIES = "AWS::Events::Rule", "AWS::Lambda::EventInvokeConfig"
ROUND = {"run": "background"}
ONCE = {"MaximumEventAgeInSeconds": 60, "MaximumRetryAttempts": 0}  # the next round comes within a minute


def _round(text: object) -> object:
    try:
        return json.loads(str(text))
    except ValueError:
        return None
