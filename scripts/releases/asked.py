"""What a person asks for, and the stacks that follow from it and from what runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cfn.environments import Environment
from cfn.stacks import Stack, render
from cfn.wiring import minified
from scripts.places import LOCAL
from scripts.releases.live import Live
from scripts.releases.traffic import Traffic
from scripts.terminal import Problem

WEIGHTS = ("FargateWeight", "LambdaWeight")
FUNCTIONS = "fallback"  # the stack of the functions
UNRELEASED = "unreleased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Without services everything is deployed; without a tag, with the tags that run."""

    environment: Environment
    services: tuple[str, ...] = ()
    tag: str | None = None
    allowed: frozenset[str] = frozenset()  # logical ids
    while_failed_over: bool = False
    accept_findings: bool = False
    url: str | None = None  # of the shop, if it is not what the stacks say
    artifacts: Path = LOCAL / "build"
    here: bool = False  # zips for this machine will do


def wanted(asked: Asked, live: Mapping[str, Live | None], moving: Mapping[str, Traffic]) -> list[Stack]:
    """In the order of the table, with the parameters of this moment. Raises Problem where no version is known."""
    return [_settled(stack, asked, live.get(stack.name), moving) for stack in render(asked.environment)]


def _settled(stack: Stack, asked: Asked, live: Live | None, moving: Mapping[str, Traffic]) -> Stack:
    own = dict(stack.parameters)
    if "Version" in own:
        own["Version"] = _version(stack, asked, live)
    if stack.row.name in moving:
        own |= moving[stack.row.name].parameters
    return replace(stack, parameters=own)


def _version(stack: Stack, asked: Asked, live: Live | None) -> str:
    running = live.parameters.get("Version", "") if live else ""
    chosen = not asked.services or stack.row.name in {*asked.services, FUNCTIONS}
    version = (asked.tag if chosen else None) or running or asked.environment.version
    if version == UNRELEASED:
        raise Problem(f"Nothing runs in {asked.environment.name} yet: say which images with --image-tag.")
    return version


def held(stack: Stack, live: Live | None) -> Stack:
    """The functions with the version that they have. They get the new one when the containers of all services run it:
    only those migrate, and until then the functions are the way back."""
    running = live.parameters.get("Version") if live and live.template else None
    return replace(stack, parameters={**stack.parameters, "Version": running}) if running else stack


def recorded(stack: Stack, live: Live | None) -> Stack | None:
    """What runs, with the weights of the moment; None when the stack knows them. They are recorded before anything else
    is changed, because a rollback goes back to what the stack knows, and would move traffic as it was moved once."""
    if live is None or not live.template:
        return None
    weights = {name: stack.parameters[name] for name in WEIGHTS if name in stack.parameters and name in live.parameters}
    if weights.items() <= live.parameters.items():
        return None
    return replace(stack, body=minified(live.template), parameters={**live.parameters, **weights})


def services_to_release(stacks: Sequence[Stack], live: Mapping[str, Live | None], asked: Asked) -> list[str]:
    """Whose version changes."""
    names = {service.name for service in asked.environment.services}
    return [
        stack.row.name
        for stack in stacks
        if stack.row.name in names and _changes(stack, live.get(stack.name)) and _chosen(stack, asked)
    ]


def _changes(stack: Stack, live: Live | None) -> bool:
    return live is None or not live.template or live.parameters.get("Version") != stack.parameters["Version"]


def _chosen(stack: Stack, asked: Asked) -> bool:
    return not asked.services or stack.row.name in asked.services
