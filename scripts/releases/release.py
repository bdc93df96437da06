"""A release from beginning to end, in the order that leaves no moment without a shop.

The registry first, then nothing more until the images are in it and have been scanned and the zips lie in their bucket.
Then what everything stands on, the services one by one, each with the migrations of its version; what customers see is
tried from the outside, and only then the functions and the operations app move, too: until then they are the way back.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cfn.environments import Environment
from cfn.names import stack_name
from cfn.stacks import Stack
from scripts.releases import artifacts, images, smoke
from scripts.releases.applying import Applier, endangered
from scripts.releases.asked import FUNCTIONS, Asked, held, recorded, services_to_release, wanted
from scripts.releases.aws import Aws
from scripts.releases.clock import Clock
from scripts.releases.contracts import broken
from scripts.releases.differences import Difference, difference
from scripts.releases.live import Live, look, resources
from scripts.releases.traffic import Traffic, traffic
from scripts.terminal import Problem, Terminal

REGISTRY, OPERATIONS, FRONT = "bootstrap", "ops", "cdn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`live` by stack name, `moving` by service. `stacks` are all of the environment, `chosen` what is deployed."""

    asked: Asked
    live: Mapping[str, Live | None]
    moving: Mapping[str, Traffic]
    stacks: Sequence[Stack]

    @property
    def chosen(self) -> list[Stack]:
        names = {*self.asked.services, FUNCTIONS}
        return [stack for stack in self.stacks if not self.asked.services or stack.row.name in names]

    @property
    def differences(self) -> list[Difference]:
        return [difference(stack, self.live.get(stack.name)) for stack in self.chosen]

    @property
    def refusals(self) -> Iterator[str]:
        """Why it must not be deployed as it is, a sentence for each reason."""
        yield from broken(self.differences)
        for change in (change for one in self.differences for change in one.changes):
            if change.endangers and change.resource not in self.asked.allowed:
                yield endangered(change)
        for one in self.moving.values():
            if one.away and not self.asked.while_failed_over:
                yield (
                    f"The functions answer for {one.service} (weights {one.fargate}/{one.fallback}): a deployment now"
                    " would be tried by nobody, and its functions would replace what serves. Wait, or say"
                    " --while-failed-over."
                )


def planned(aws: Aws, asked: Asked, names: Sequence[str]) -> Plan:
    live = {name: look(aws.cloudformation, name) for name in names}
    moving = traffic(aws, asked.environment, live)
    return Plan(asked=asked, live=live, moving=moving, stacks=wanted(asked, live, moving))


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    aws: Aws
    plan: Plan
    terminal: Terminal
    clock: Clock
    fetch: smoke.Fetch = smoke.fetched

    @property
    def asked(self) -> Asked:
        return self.plan.asked

    @property
    def environment(self) -> Environment:
        return self.asked.environment

    def carry_out(self) -> bool:
        """Whether anything had to be done. Raises Problem at the first failure; run again, it goes on there."""
        chosen = {stack.row.name: stack for stack in self.plan.chosen}
        applier = Applier(aws=self.aws, terminal=self.terminal, clock=self.clock, allowed=self.asked.allowed)
        done = self._apply(applier, chosen.pop(REGISTRY, None))
        registry = self._registry()
        applier = replace(applier, role=registry.outputs.get("BuilderRoleArn"))
        self._publish()
        last, functions = chosen.pop(OPERATIONS, None), chosen.pop(FUNCTIONS)
        if not self.asked.services:
            chosen[FUNCTIONS] = held(functions, self.plan.live.get(functions.name))
        ordered = [chosen[stack.row.name] for stack in self.plan.stacks if stack.row.name in chosen]
        for stack in ordered:
            done |= self._apply(applier, recorded(stack, self.plan.live.get(stack.name)))
            done |= self._apply(applier, stack)
        self._try()
        if chosen.get(FUNCTIONS) != functions:
            done |= self._apply(applier, functions)
        return self._apply(applier, last) or done

    def _apply(self, applier: Applier, stack: Stack | None) -> bool:
        return stack is not None and applier.apply(stack, protect=stack.row.stateful and self.environment.protected)

    def _registry(self) -> Live:
        name = stack_name(self.environment, REGISTRY)
        registry = look(self.aws.cloudformation, name)
        if registry is None or not registry.template:
            raise Problem(f"There is no stack {name}: deploy the whole environment first, without --service.")
        return registry

    def _publish(self) -> None:
        """Images are there and scanned, zips are in the bucket: of what is about to change."""
        services = services_to_release(self.plan.stacks, self.plan.live, self.asked)
        if not services:
            return
        tags = {
            stack.row.name: stack.parameters["Version"] for stack in self.plan.stacks if "Version" in stack.parameters
        }
        with self.terminal.step("images") as step:
            for service in services:
                accepted = self.asked.accept_findings
                found = images.check(
                    self.aws.ecr, self.environment, [service], tags[service], accepted=accepted, clock=self.clock
                )
                step.detail += "; ".join(found) + " "
        bucket = self._bucket()
        with self.terminal.step("zips") as step:
            built = artifacts.built(self.environment, self.asked.artifacts, here=self.asked.here)
            step.detail = "; ".join(artifacts.upload(self.aws.s3, bucket, tags[FUNCTIONS], built))

    def _bucket(self) -> str:
        name = stack_name(self.environment, REGISTRY)
        return str(resources(self.aws.cloudformation, name)["Artifacts"]["PhysicalResourceId"])

    def _try(self) -> None:
        """The shop from the outside. A service that is answered for by its functions has their version for now."""
        url = self.asked.url or self._url()
        if not url:
            return
        moving = traffic(self.aws, self.environment, self.plan.live)
        names = [service.name for service in self.environment.services]
        tags = {stack.row.name: stack.parameters["Version"] for stack in self.plan.stacks if stack.row.name in names}
        versions = {name: None if name in moving and moving[name].away else tags[name] for name in names}
        with self.terminal.step(f"smoke at {url}"):
            smoke.check(url, smoke.Expected(versions), clock=self.clock, fetch=self.fetch)

    def _url(self) -> str:
        live = look(self.aws.cloudformation, stack_name(self.environment, FRONT))
        return live.outputs.get("ShopUrl", "") if live else ""
