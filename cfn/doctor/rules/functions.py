"""Every Lambda function: the fallbacks, and the small helpers of the templates."""

from collections.abc import Iterator

from cfn.doctor.findings import Fault, Rules
from cfn.doctor.graph import Resource, World
from cfn.doctor.rules.fallback import twins
from cfn.doctor.values import dig, items, number

rule = Rules()
FUNCTION = "AWS::Lambda::Function"
CURRENT = {"python3.11", "python3.12", "python3.13", "python3.14"}


@rule("TND-FUN-01", "Functions run on a current runtime, from a zip")
def runtime(world: World) -> Iterator[Fault]:
    """AWS stops patching old runtimes, and one day refuses to update functions that use them. An image would share the
    registry with the containers, whose failure the fallback is there for."""
    for function in world.of(FUNCTION):
        if function.get("PackageType") == "Image":
            yield Fault(function, "PackageType", "it shares the registry with the containers", "ship it as a zip")
        elif function.get("Runtime") not in CURRENT:
            yield Fault(function, "Runtime", f"it runs on {function.get('Runtime')}", f"use {max(CURRENT)}")
        code = function.get("Code") or {}
        if not (code.get("S3Bucket") and code.get("S3Key")) and not code.get("ZipFile"):
            yield Fault(function, "Code", "it has no code", "name bucket and key")


@rule("TND-FUN-02", "Functions end")
def ends(world: World) -> Iterator[Fault]:
    """Lambda allows fifteen minutes; what needs longer is no function."""
    for function in world.of(FUNCTION):
        limit = number(function.get("Timeout"))
        if limit is None or not 1 <= limit <= 900:
            yield Fault(function, "Timeout", f"the timeout is {limit} s", "use 1 to 900")


@rule("TND-FUN-03", "Functions log to a declared group")
def logs(world: World) -> Iterator[Fault]:
    """Without one Lambda makes a group by itself, and that keeps everything for ever."""
    for function in world.of(FUNCTION):
        if not _groups(world, function):
            yield Fault(function, "LoggingConfig", "it logs to a group that AWS makes for ever", "name a log group")


def _groups(world: World, function: Resource) -> list[Resource]:
    kind = "AWS::Logs::LogGroup"
    conventional = f"/aws/lambda/{function.get('FunctionName')}"
    named = [group for group in world.of(kind) if str(group.get("LogGroupName")) == conventional]
    return [*world.all_at(dig(function.properties, "LoggingConfig", "LogGroup"), kind), *named]


@rule("TND-FUN-04", "Functions that serve are traced, named and locked like the tasks")
def serving(world: World) -> Iterator[Fault]:
    """Whoever looks for a failed order on the night of a failover needs the trace, and the function by its name."""
    for function in twins(world):
        if dig(function.properties, "TracingConfig", "Mode") != "Active":
            yield Fault(function, "TracingConfig", "it sends no traces", "set Mode to Active")
        if not function.get("FunctionName"):
            yield Fault(function, "FunctionName", "nobody can find it by name", "name it")
        if not function.get("KmsKeyArn"):
            yield Fault(function, "KmsKeyArn", "its environment has a key of AWS", "use ours")
        if not items(function.get("Architectures")):
            yield Fault(function, "Architectures", "it names no architecture", "name that of the tasks")
