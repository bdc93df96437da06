"""Build the image of the services, one for all three: `build images`.

With Docker where an engine answers, else with buildah. The base is pulled first and built upon by its digest, which a
label keeps. --push puts the image into the repository of each service, where it needs a login of the engine
(`aws ecr get-login-password | docker login …`), and writes down the digests in the form of sha256sum, to be signed.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cfn.boxes.registry import repository_name
from cfn.configuration import CERTIFICATES
from cfn.environments import ENVIRONMENTS, Environment, environment
from scripts.builds.engines import Engine, Recipe, available
from scripts.builds.functions import checked
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem, Terminal

SUMMARY = "the image of the services"
OUT = LOCAL / "build" / "images"
BASE = "python:3.13-slim"
PROCESSORS = {"x86_64": "amd64", "arm64": "arm64"}  # how images call the processors that AWS offers
LARGEST = 120_000_000  # bytes above the base


def build(
    engine: Engine,
    tag: str,
    platform: str,
    *,
    base: str = BASE,
    certificates: Path | None = None,
    env: Mapping[str, str] = os.environ,
) -> int:
    """Make `tandem:TAG`, and return how many bytes it has above its base. Raises Problem."""
    digest = engine.pull(base, platform)
    arguments = {"PYTHON_IMAGE": base} | ({"PYTHON_DIGEST": digest} if digest and "@" not in base else {})
    authorities = env.get("SSL_CERT_FILE")  # of a proxy between here and the package index
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if certificates is not None:
            (folder / CERTIFICATES).write_bytes(checked(certificates))
            (folder / CERTIFICATES).chmod(0o644)
        engine.build(
            Recipe(
                tag=local_name(tag),
                target="service",
                platform=platform,
                arguments=arguments,
                labels=labels(tag, base, digest),
                contexts={"certificates": folder} if certificates is not None else {},
                secrets={"authorities": Path(authorities)} if authorities else {},
            )
        )
    above = engine.size(local_name(tag)) - engine.size(base)
    if above > LARGEST:
        raise Problem(f"The image is {above / 1e6:.0f} MB above its base; more than {LARGEST / 1e6:.0f} is too much.")
    return above


def labels(tag: str, base: str, digest: str) -> dict[str, str]:
    """Not in the Dockerfile: buildah would take a layer with the values of another build for the same."""
    said = {"version": tag, "revision": revision(), "base.name": base, "base.digest": digest}
    return {f"org.opencontainers.image.{key}": value for key, value in said.items() if value}


def local_name(tag: str) -> str:
    return f"localhost/tandem:{tag}"


def revision() -> str:
    """The commit that is checked out; empty outside git."""
    git = shutil.which("git")
    if git is None:
        return ""
    asked = [git, "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def push(engine: Engine, tag: str, registry: str, deployed: Environment) -> dict[str, str]:
    """Where the registry has the image of each service, and by which digest. Raises Problem."""
    pushed = {}
    for service in deployed.services:
        place = f"{registry}/{repository_name(deployed, service.name)}"
        pushed[place] = engine.push(local_name(tag), f"{place}:{tag}")
    return pushed


def checksums(pushed: Mapping[str, str]) -> str:
    return "".join(f"{digest.removeprefix('sha256:')}  {place}\n" for place, digest in pushed.items())


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tag", default="dev", help="and the version that its labels say (default: dev)")
    parser.add_argument("--env", default="dev", choices=sorted(ENVIRONMENTS), help="what is deployed (default: dev)")
    parser.add_argument(
        "--base", default=BASE, metavar="IMAGE", help="with @sha256:… exactly that (default: %(default)s)"
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help=f"certificates of RDS, which become {CERTIFICATES}")
    parser.add_argument(
        "--push", metavar="REGISTRY", help="host of the registry, where the environment has repositories"
    )


def run(options: argparse.Namespace) -> int:
    terminal, deployed, engine = Terminal(), environment(options.env), available()
    platform = f"linux/{PROCESSORS[deployed.size.architecture]}"
    with terminal.step(f"image with {engine.name}") as step:
        above = build(engine, options.tag, platform, base=options.base, certificates=options.ca)
        step.detail = f"{local_name(options.tag)}, {platform}, {above / 1e6:.0f} MB above {options.base}"
    if options.push:
        with terminal.step("push") as step:
            pushed = push(engine, options.tag, options.push, deployed)
            step.detail = f"{len(pushed)} repositories"
        OUT.mkdir(parents=True, exist_ok=True)
        (OUT / "checksums.txt").write_text(checksums(pushed))
        terminal.say(f"Digests in {OUT / 'checksums.txt'}.")
    if options.ca is None:
        terminal.say(
            f"There is no {CERTIFICATES} in it: the templates tell the services to check the database's certificate"
            f" against it, and they will not reach one without. --ca FILE adds the bundle that AWS publishes for RDS."
        )
    return 0
