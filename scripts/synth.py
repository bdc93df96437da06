"""Render the templates of an environment, with their parameters and a manifest that says in which order."""

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cfn.environments import ENVIRONMENTS, Environment, environment
from cfn.stacks import LIMIT, Stack, render
from cfn.values import BadValue, Site, Weights
from scripts.places import ROOT
from scripts.terminal import Problem, Terminal

SUMMARY = "render the CloudFormation templates"
BUILD = ROOT / ".local" / "templates"
MANIFEST = "manifest.json"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--env", metavar="E", help=f"one of {', '.join(ENVIRONMENTS)}; all of them without this")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to; a folder for each environment is made in it")
    tailoring(parser)
    parser.add_argument("--version", metavar="TAG", help="of the images, and prefix of the zips")
    parser.add_argument("--weights", metavar="F/L", help="shares of Fargate and Lambda, such as 100/0")


def tailoring(parser: argparse.ArgumentParser) -> None:
    """What one installation has that the environments in the repository have not."""
    site = parser.add_argument_group("what belongs to your installation")
    site.add_argument("--domain", metavar="NAME", help="of the shop; needs certificate and zone, too")
    site.add_argument("--no-domain", action="store_true", help="use CloudFront's own; with --edge vpc-origin")
    site.add_argument(
        "--certificate", metavar="ID", help="of the ACM certificate in us-east-1 for the domain and *.domain"
    )
    site.add_argument("--zone", metavar="ID", help="of the Route 53 hosted zone")
    site.add_argument("--email", action="append", metavar="ADDRESS", help="gets the alarms; can be repeated")
    site.add_argument("--repository", metavar="OWNER/NAME", help="the GitHub repository that may deploy")
    parser.add_argument("--edge", metavar="EDGE", help="public-alb or vpc-origin")
    parser.add_argument("--region", help="us-east-1, where CloudFront's certificate and firewall live")


def run(options: argparse.Namespace) -> int:
    terminal = Terminal()
    for chosen in selected(options):
        folder = (options.out or BUILD) / chosen.name
        with terminal.step(f"Rendering {chosen.name}") as step:
            stacks = render(chosen)
            write(chosen, stacks, folder)
            step.detail = f"{len(stacks)} stacks, {sum(stack.size for stack in stacks):,} bytes → {folder}"
    return 0


def selected(options: argparse.Namespace) -> list[Environment]:
    """The environments that are asked for, as the options change them. Raises Problem before anything is rendered."""
    names = [options.env] if options.env else list(ENVIRONMENTS)
    try:
        return [tailored(environment(name), options) for name in names]
    except BadValue as error:
        raise Problem(str(error)) from None


def tailored(chosen: Environment, options: argparse.Namespace) -> Environment:
    """Raises BadValue."""
    changes: dict[str, Any] = _given(options, ("edge", "region", "version"))
    changes["site"] = _site(chosen.site, options)
    if options.weights:
        changes["weights"] = _weights(options.weights)
    return replace(chosen, **changes)


def _given(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _site(site: Site, options: argparse.Namespace) -> Site:
    """A new domain brings its own certificate and zone, or is refused: those of another would be wrong for it."""
    changes = _given(options, ("certificate", "zone", "repository"))
    if options.email:
        changes["emails"] = tuple(options.email)
    if options.domain:
        changes = {"certificate": None, "zone": None} | changes | {"domain": options.domain}
    if options.no_domain:
        changes |= {"domain": None, "certificate": None, "zone": None}
    return replace(site, **changes)


def _weights(text: str) -> Weights:
    fargate, _, fallback = text.partition("/")
    try:
        return Weights(fargate=int(fargate), fallback=int(fallback))
    except ValueError as error:
        if isinstance(error, BadValue):
            raise
        raise BadValue(f"Weights are two whole numbers such as 100/0, not {text!r}.") from None


def write(chosen: Environment, stacks: Sequence[Stack], folder: Path) -> None:
    """Template and parameters of each stack, and the manifest; what an earlier run left there goes."""
    for stack in stacks:
        if stack.size >= LIMIT:
            raise Problem(f"The stack {stack.name} has {stack.size} bytes; CloudFormation takes less than {LIMIT}.")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    for stack in stacks:
        (folder / f"{stack.row.name}.json").write_text(stack.body)
        (folder / f"{stack.row.name}.parameters.json").write_text(_pretty(stack.parameters))
    (folder / MANIFEST).write_text(_pretty(manifest(chosen, stacks)))


def manifest(chosen: Environment, stacks: Sequence[Stack]) -> dict[str, Any]:
    return {
        "environment": chosen.name,
        "region": chosen.region,
        "version": chosen.version,
        "stacks": [_entry(chosen, stack) for stack in stacks],
    }


def _entry(chosen: Environment, stack: Stack) -> dict[str, Any]:
    return {
        "name": stack.name,
        "purpose": stack.row.purpose,
        "template": f"{stack.row.name}.json",
        "parameters": f"{stack.row.name}.parameters.json",
        "region": chosen.region,
        "bytes": stack.size,
        "sha256": hashlib.sha256(stack.body.encode()).hexdigest(),
        "capabilities": list(stack.capabilities),
        "stateful": stack.row.stateful,
        "termination_protection": stack.row.stateful and chosen.protected,
    }


def _pretty(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
