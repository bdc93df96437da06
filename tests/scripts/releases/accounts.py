"""Accounts in an emulator of AWS, and deployments into them: stacks are the real thing, images and zips are empty."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from pathlib import Path

import boto3

from cfn.boxes.registry import repository_name
from cfn.environments import Environment, environment
from scripts.deploy import names
from scripts.rehearsals import cloud
from scripts.rehearsals.acts import QUICK
from scripts.rehearsals.cloud import Cloud
from scripts.releases.asked import Asked
from scripts.releases.aws import Aws, connected
from scripts.releases.live import Live, look
from scripts.releases.release import Plan, Release, planned
from scripts.terminal import Problem, Terminal

NUMBERS = count(100)


@dataclass(frozen=True, slots=True)
class Landing:
    """An account with the name, the zone and the certificate of a shop, and nothing else."""

    cloud: Cloud
    session: boto3.Session
    environment: Environment
    zips: Path

    @property
    def aws(self) -> Aws:
        return self.through(self.cloud.endpoint)

    def through(self, endpoint: str) -> Aws:
        return connected(self.environment.region, endpoint=endpoint, session=self.session)

    @property
    def asked(self) -> Asked:
        return Asked(environment=self.environment, tag="v1", artifacts=self.zips, here=True)

    def push(self, aws: Aws, tag: str, findings: dict[str, int] | None = None) -> None:
        for service in self.environment.services:
            cloud.push(aws.ecr, repository_name(self.environment, service.name), tag, findings)

    def live(self, aws: Aws) -> dict[str, Live | None]:
        return {name: look(aws.cloudformation, name) for name in names(self.environment)}


def landing(running: Cloud, zips: Path, name: str = "dev") -> Landing:
    session = running.account(next(NUMBERS))
    chosen = environment(name)
    return Landing(running, session, replace(chosen, site=cloud.settled(session, running)), zips)


def zips(folder: Path, environment: Environment) -> Path:
    """Such as `build` leaves them."""
    for path in (*(f"lambda/{service.name}" for service in environment.services), "ops/ops"):
        file = folder / f"{path}.zip"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"PK\x05\x06" + bytes(18))
        facts = {"sha256": sha256(file.read_bytes()).hexdigest(), "platform": "this machine", "python": "3.13.1"}
        file.with_suffix(".json").write_text(json.dumps(facts))
    return folder


def plan(aws: Aws, asked: Asked) -> Plan:
    return planned(aws, asked, names(asked.environment))


def carry_out(aws: Aws, found: Plan, tried: Callable[[], object] = lambda: None) -> bool:
    """With a shop that always answers as it should; `tried` is called whenever somebody asks it."""
    tags = {stack.row.name: stack.parameters.get("Version", "") for stack in found.stacks}
    doors = {"/products/healthz": "product", "/orders/healthz": "order", "/api/healthz": "frontend"}

    def fetch(url: str) -> tuple[int, bytes]:
        tried()
        path = "/" + url.split("/", 3)[3]
        service = doors.get(path, "")
        return 200, json.dumps({"service": service, "version": tags.get(service)}).encode()

    release = Release(aws=aws, plan=found, terminal=Terminal(io.StringIO()), clock=QUICK, fetch=fetch)
    return release.carry_out()


def everything(where: Landing, aws: Aws, tag: str = "v1") -> bool:
    """All of it, with images that are pushed as soon as they can be."""
    asked = replace(where.asked, tag=tag)
    try:
        return carry_out(aws, plan(aws, asked))
    except Problem as problem:
        if "There is no image" not in str(problem):
            raise
    where.push(aws, tag)
    return carry_out(aws, plan(aws, asked))


def wanting(found: Plan) -> Iterator[str]:
    """The stacks that are not what they should be."""
    yield from (one.stack.name for one in found.differences if not one.nothing)
