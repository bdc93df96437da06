"""The services as containers of the real image, with the settings of the templates, on the network of this machine."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scripts.places import ROOT
from scripts.twin.deployment.file import save
from scripts.twin.deployment.local import local_deployment
from scripts.twin.keys import Keys, new_keys
from scripts.twin.postgres import free_port
from scripts.twin.processes import Program, healthy
from scripts.twin.programs import LOCAL_COMMAND, here, load_balancer, placed
from scripts.twin.stand_ins import settled
from tests.chaos.processes import Process
from tests.images.machine import Machine

HARMLESS = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=host", "--memory=512m")
PATIENCE = 30.0  # seconds


@dataclass(frozen=True, slots=True)
class Image:
    machine: Machine
    name: str

    def run(self, *command: str, options: Sequence[str] = (), check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A container for one command, with all that a task may not do taken away."""
        return self.machine.run(
            "run", "--rm", *HARMLESS, *self.machine.limits, *options, self.name, *command, check=check
        )

    def config(self) -> Any:
        """What the image says of itself, in Docker's words."""
        found = json.loads(self.machine.run("image", "inspect", self.name).stdout)[0]
        return found["Config"] | {"Healthcheck": found.get("Healthcheck") or found["Config"].get("Healthcheck")}


@dataclass(frozen=True, slots=True)
class Container:
    """One task."""

    image: Image
    name: str
    program: Program

    def start(self) -> float:
        """Seconds until it was healthy."""
        machine, began = self.image.machine, time.monotonic()
        settings = [f"--env={key}={value}" for key, value in self.program.environment.items()]
        named = ["run", "--detach", f"--name={self.name}"]
        machine.run(*named, *HARMLESS, *machine.limits, *settings, self.image.name, *self.program.command)
        while not healthy(self.program):
            assert time.monotonic() - began < PATIENCE, self.logs()
            time.sleep(0.01)
        return time.monotonic() - began

    def check(self) -> int:
        """Run the image's own health check in it: 0 is healthy."""
        _, *command = self.image.config()["Healthcheck"]["Test"]
        return self.image.machine.run("exec", self.name, *command, check=False).returncode

    def stop(self) -> int:
        """The exit code."""
        self.image.machine.run("stop", "--time=20", self.name)
        return int(self.image.machine.run("inspect", "--format={{.State.ExitCode}}", self.name).stdout)

    def remove(self) -> None:
        self.image.machine.run("rm", "--force", self.name, check=False)

    def logs(self) -> str:
        return self.image.machine.run("logs", self.name, check=False).stderr[-2000:]


@dataclass(frozen=True, slots=True)
class Shop:
    """The load balancer runs; the containers are started by whoever needs them."""

    url: str
    keys: Keys
    containers: Mapping[str, Container]


@contextmanager
def shop(folder: Path, image: Image, admin_url: str, passwords: dict[str, str]) -> Iterator[Shop]:
    secrets = replace(new_keys(), passwords=passwords)
    deployment = local_deployment(secrets.environment(), seed_demo=False)
    ports = placed(deployment, free_port(), anywhere=True)
    save(deployment, folder / "deployment.json")
    balancer = Process(load_balancer(ports, folder / "deployment.json"), folder / "load-balancer.log")
    containers = {
        task.service: Container(
            image,
            f"tandem-smoke-{os.getpid()}-{task.service}",
            Program(
                name=task.service,
                command=[*task.command, *LOCAL_COMMAND],
                environment=settled("a task", task.settings, here(task.service, ports, admin_url, secrets)),
                folder=ROOT,
                port=ports.services[task.service],
                health_path=task.health_path,
            ),
        )
        for task in deployment.tasks
    }
    with ExitStack() as stack:
        for each in containers.values():
            stack.callback(each.remove)
        stack.callback(balancer.stop)
        balancer.start()
        yield Shop(f"http://127.0.0.1:{ports.shop}", secrets, containers)
