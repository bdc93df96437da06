"""What stacks promise each other and CloudFormation, whatever they contain."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cfn.doctor.findings import Fault, Rules, Severity
from cfn.doctor.graph import Stack, World
from cfn.doctor.intrinsics import PSEUDO

rule = Rules()
INLINE_LIMIT = 51_200  # bytes that CloudFormation takes without a bucket
RESOURCES_LIMIT = 200
SECTIONS = {
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
    "Transform",
}
MACROS = {"AWS::LanguageExtensions", "AWS::SecretsManager-2020-07-23", "AWS::SecretsManager-2024-09-16"}


@rule("TND-STK-01", "Everything resolves")
def resolves(world: World) -> Iterator[Fault]:
    """Each reference, import, condition and intrinsic function is followed. What the doctor cannot follow it reports:
    a skipped one would be a place for mistakes to hide."""
    for stack in world.resolved:
        for problem in stack.problems:
            yield Fault(stack.stack.name, problem.path, problem.message, "correct the name, or the order of stacks")
        for path, message in _unread(stack.stack):
            yield Fault(stack.stack.name, path, message, "correct the name")


def _unread(stack: Stack) -> Iterator[tuple[str, str]]:
    """Names in branches that no condition takes today."""
    known = set(stack.body.get("Resources", {})) | set(stack.body.get("Parameters", {})) | PSEUDO
    known |= {"AWS::NoValue", "AWS::StackName"}
    for path, name in stack.mentions:
        if name.partition(".")[0] not in known:
            yield path, f"it refers to {name!r}, which this stack does not have"
    for name, resource in stack.body.get("Resources", {}).items():
        waits = resource.get("DependsOn", [])
        for other in [waits] if isinstance(waits, str) else waits:
            if other not in stack.body["Resources"] or other == name:
                yield f"Resources.{name}.DependsOn", f"it waits for {other!r}, which this stack does not have"
    for section in stack.body.keys() - SECTIONS:
        yield section, "CloudFormation knows no such section"
    for macro in _transforms(stack.body) - MACROS:
        yield "Transform", f"the doctor cannot see through the macro {macro}"


def _transforms(body: Mapping[str, Any]) -> set[str]:
    found = body.get("Transform", [])
    return {str(name) for name in ([found] if isinstance(found, str) else found)}


@rule("TND-STK-02", "Every export is imported by a later stack", Severity.WARNING)
def exports(world: World) -> Iterator[Fault]:
    """An export in use cannot be changed; one that nobody uses ties hands for nothing."""
    imported = {name for stack in world.resolved for name in stack.imported}
    for stack in world.resolved:
        for name in stack.exports:
            if name not in imported:
                wrong = f"nobody imports {name!r}"
                yield Fault(stack.stack.name, "Outputs", wrong, "drop the export")


@rule("TND-STK-03", "Nothing waits for itself")
def cycles(world: World) -> Iterator[Fault]:
    """CloudFormation refuses a circle of references before it makes anything."""
    for resource in world.circles():
        yield Fault(resource, "", "it waits for itself", "break the circle with a resource of its own")


@rule("TND-STK-04", "Templates fit")
def limits(world: World) -> Iterator[Fault]:
    """Beyond 51,200 bytes a template needs a bucket to be deployed from; beyond 200 resources it is a system."""
    for stack in world.stacks:
        if stack.size >= INLINE_LIMIT:
            yield Fault(stack.name, "", f"it has {stack.size} bytes minified", "cut the stack in two")
        count = len(stack.body.get("Resources", {}))
        if not 1 <= count <= RESOURCES_LIMIT:
            yield Fault(stack.name, "Resources", f"it has {count} resources", "cut the stack in two")


@rule("TND-STK-05", "Parameters are used, bounded and described")
def parameters(world: World) -> Iterator[Fault]:
    """A parameter is a question to whoever deploys. It needs a sentence, and to refuse nonsense."""
    for stack in world.stacks:
        used = {name.partition(".")[0] for _, name in stack.mentions}
        for name, parameter in stack.body.get("Parameters", {}).items():
            path = f"Parameters.{name}"
            if name not in used:
                yield Fault(stack.name, path, "nothing uses it", "drop the parameter")
            if len(str(parameter.get("Description") or "")) < 10:
                yield Fault(stack.name, path, "it is not described", "say in a sentence what it is")
            if parameter.get("Type") == "String" and not {"AllowedValues", "AllowedPattern"} & parameter.keys():
                yield Fault(stack.name, path, "it takes any text", "give a pattern or a list of values")
            if parameter.get("Type") == "Number" and not {"MinValue", "MaxValue"} <= parameter.keys():
                yield Fault(stack.name, path, "it takes any number", "give MinValue and MaxValue")
            yield from _value_faults(stack, name, parameter)
        for name in stack.parameters.keys() - stack.body.get("Parameters", {}).keys():
            yield Fault(stack.name, f"Parameters.{name}", "a value is given for no such parameter", "drop the value")


def _value_faults(stack: Stack, name: str, parameter: Mapping[str, Any]) -> Iterator[Fault]:
    value = stack.parameters.get(name, parameter.get("Default"))
    path = f"Parameters.{name}"
    if value is None:
        yield Fault(stack.name, path, "it has neither a value nor a default", "give one")
        return
    allowed = parameter.get("AllowedValues")
    pattern = parameter.get("AllowedPattern")
    if allowed is not None and value not in allowed:
        yield Fault(stack.name, path, f"{value!r} is not allowed", f"use one of {allowed}")
    if pattern is not None and not re.fullmatch(pattern, str(value)):
        yield Fault(stack.name, path, f"{value!r} does not match {pattern}", "correct the value")
    if parameter.get("Type") == "Number":
        least, most = parameter.get("MinValue", value), parameter.get("MaxValue", value)
        if not float(least) <= float(value) <= float(most):
            yield Fault(stack.name, path, f"{value} is outside {least} to {most}", "correct the value")


@rule("TND-STK-06", "Conditions and mappings are used", Severity.WARNING)
def unused(world: World) -> Iterator[Fault]:
    """What nothing asks for is a leftover, or a switch that somebody forgot to connect."""
    for resolved in world.resolved:
        for section in ("Conditions", "Mappings"):
            for name in resolved.stack.body.get(section, {}):
                if str(resolved.stack.body).count(f"'{name}'") < 2:
                    yield Fault(resolved.stack.name, f"{section}.{name}", "nothing uses it", "drop it")
