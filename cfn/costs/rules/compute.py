"""Fargate and Lambda."""

from collections.abc import Iterator, Mapping

from cfn.costs.lines import Item
from cfn.costs.rules.bill import Bill, Rule
from cfn.costs.rules.operations import runs, woken
from cfn.costs.table import Unpriced
from cfn.costs.traffic import PER_MILLION, TASK, public_tasks, quantity, tasks
from cfn.doctor.graph import Resource
from cfn.doctor.values import items


def service(resource: Resource, bill: Bill) -> Iterator[Item]:
    definition = bill.world.at(resource.get("TaskDefinition"), TASK)
    if definition is None:
        raise Unpriced(f"{resource} names no task definition of these stacks, so the size of its tasks is unknown.")
    chip = str(definition.get("RuntimePlatform", "CpuArchitecture") or "X86_64").lower()
    cpu, memory = quantity(definition, "Cpu") / 1024, quantity(definition, "Memory") / 1024
    running = tasks(bill.world, resource, bill.usage)
    for count, kind, times in (
        (running.on_demand, chip, 1.0),
        (running.spot, f"spot.{chip}", 1 - bill.usage["spot_discount"]),
    ):
        if count:
            place = "on Spot" if kind.startswith("spot") else "on demand"
            for what, size, unit in (("cpu", cpu, "vCPU"), ("memory", memory, "GB")):
                hours, detail = count * size * bill.hours, f"{count:g} × {size:g} {unit}"
                yield Item("fargate", f"fargate.{kind}.{what}", hours, f"{what} {place}", detail, times)
    if public_tasks(resource):
        yield Item("ipv4", "ipv4.public", running.count * bill.hours, "addresses of tasks", f"{running.count:g}")


def function(resource: Resource, bill: Bill) -> Iterator[Item]:
    """What customers ask of it, and what schedules and topics wake it for; without either it runs at deployments."""
    answer, operation = bill.usage["function_ms"], bill.usage["operation_ms"]
    wakes = runs(resource, bill)
    if resource in bill.traffic.functions:
        yield from _invoked(resource, "fallback", bill.traffic.to_function(resource), answer)
        if wakes:
            yield from _invoked(resource, "fallback", wakes, answer, " of background work")
    elif woken(resource, bill):
        yield from _invoked(resource, "ops", wakes, operation)
    else:
        yield Item("fallback", "lambda.requests", 0, "requests (at deployments only)")


def _invoked(resource: Resource, group: str, times: float, milliseconds: float, kind: str = "") -> Iterator[Item]:
    chip = next(iter(items(resource.get("Architectures"))), "x86_64")
    seconds = times * milliseconds / 1000
    yield Item(group, "lambda.requests", times / PER_MILLION, f"requests{kind}")
    yield Item(group, f"lambda.{chip}", seconds * quantity(resource, "MemorySize") / 1024, f"time × memory{kind}")


RULES: Mapping[str, Rule] = {"AWS::ECS::Service": service, "AWS::Lambda::Function": function}
