"""What runs locally: the tasks and functions of the deployment, and the load balancer, as commands with their
environment."""

import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.databases import OWNERS, service_url
from scripts.places import ROOT
from scripts.terminal import Problem
from scripts.twin.alarms.database import VARIABLE
from scripts.twin.deployment.values import Deployment
from scripts.twin.keys import Keys, write_private
from scripts.twin.postgres import free_port
from scripts.twin.processes import Program
from scripts.twin.stand_ins import Here, settled

LOCAL_COMMAND = ("--host", "127.0.0.1", "--lame-duck", "0")
"""What is added to a task's command: nobody else's machine calls, and nobody waits for a load balancer to notice."""


TRACES = 2000  # where agents and SDKs of X-Ray meet if nobody says otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """`shop` is the front door, `origin` the load balancer behind it, `lambda_service` the Invoke API, `alarms` the
    operations app's side of AWS, and `traces` that of the agent for traces, by UDP."""

    shop: int
    control: int
    origin: int
    lambda_service: int
    alarms: int
    traces: int
    services: Mapping[str, int]

    @property
    def origin_url(self) -> str:
        return f"http://127.0.0.1:{self.origin}"

    @property
    def lambda_url(self) -> str:
        return f"http://127.0.0.1:{self.lambda_service}"

    @property
    def status_url(self) -> str:
        return f"{self.control_url}/status"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control}"

    @property
    def trace_address(self) -> str:
        return f"127.0.0.1:{self.traces}"

    @property
    def traces_url(self) -> str:
        return f"http://127.0.0.1:{self.shop}/_traces"

    @property
    def slack_url(self) -> str:
        return f"http://127.0.0.1:{self.alarms}/slack"


def vacant(port: int) -> int:
    """The port, if the shop can have it. Raises Problem."""
    if busy(port):
        raise Problem(f"Port {port} is in use by another program; choose another with --port.")
    return port


def placed(deployment: Deployment, port: int, *, anywhere: bool, only: Iterable[str] | None = None) -> Ports:
    """The ports that everything will have, given the shop's. Raises Problem when a service's own is taken; what people
    do not type stands beside the shop's where there is room, and anywhere else."""
    services = {task.service: task.port for task in deployment.tasks if only is None or task.service in only}
    for service, own in services.items():
        if anywhere:
            services[service] = free_port()
        elif busy(own):
            raise Problem(f"Port {own} of {service} is in use; --free-ports lets the services move.")
    taken = {port, *services.values()}
    control, origin, lambda_service, alarms = (beside(port + step, taken) for step in (1, 2, 3, 4))
    return Ports(
        shop=port,
        control=control,
        origin=origin,
        lambda_service=lambda_service,
        alarms=alarms,
        traces=for_datagrams(0 if anywhere else TRACES),
        services=services,
    )


def beside(wanted: int, taken: set[int]) -> int:
    found = wanted if wanted < 65_536 and wanted not in taken and not busy(wanted) else free_port()
    taken.add(found)
    return found


def for_datagrams(wanted: int) -> int:
    """That port for UDP if it is free, else any."""
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        try:
            receiver.bind(("127.0.0.1", wanted))
        except OSError:
            receiver.bind(("127.0.0.1", 0))
        return int(receiver.getsockname()[1])


def busy(port: int) -> bool:
    with socket.socket() as listener_socket:
        listener_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener_socket.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def task(deployment: Deployment, service: str, ports: Ports, admin_url: str, secrets: Keys) -> Program:
    """The container of a service, as its task definition has it. Raises Problem."""
    described = deployment.task(service)
    if described.command[:1] != ("python",):
        raise Problem(
            f"The task of {service} runs {' '.join(described.command) or 'nothing'}, which is no Python here."
        )
    environment = settled(f"the task of {service}", described.settings, here(service, ports, admin_url, secrets))
    return Program(
        name=service,
        command=[sys.executable, *described.command[1:], *LOCAL_COMMAND],
        environment=inherited() | environment,
        folder=ROOT,
        port=ports.services[service],
        health_path=described.health_path,
    )


def here(service: str, ports: Ports, admin_url: str, secrets: Keys) -> Here:
    return Here(
        port=ports.services[service],
        upstream_url=ports.origin_url,
        control_url=ports.control_url,
        trace_address=ports.trace_address,
        database_url=service_url(admin_url, service, secrets.passwords) if service in OWNERS else "",
        secrets=secrets.environment(),
    )


def load_balancer(ports: Ports, deployment: Path, logs: Path | None = None) -> Program:
    """The deployment is a file, because rules and tags that change while it runs are written down there. `logs` is the
    folder of what the programs say, which the pages of traces show."""
    return Program(
        name="load-balancer",
        command=python(
            "scripts.twin.load_balancer",
            f"--port={ports.shop}",
            f"--origin-port={ports.origin}",
            f"--control-port={ports.control}",
            f"--deployment={deployment}",
            f"--functions={ports.lambda_url}",
            f"--traces-port={ports.traces}",
            *([f"--logs={logs}"] if logs else []),
            *(f"--target={service}=127.0.0.1:{port}" for service, port in ports.services.items()),
        ),
        environment=inherited(),
        folder=ROOT,
        port=ports.control,
    )


def lambda_service(deployment: Deployment, ports: Ports, admin_url: str, secrets: Keys, file: Path) -> Program:
    """The functions, as their resources have them; the file tells the program so. Raises Problem."""
    functions = [
        {
            "name": function.name,
            "service": function.service,
            "handler": function.handler,
            "zip": None,
            "environment": settled(
                f"the function of {function.service}",
                function.settings,
                here(function.service, ports, admin_url, secrets),
            ),
            "timeout": function.timeout,
            "memory": function.memory,
            "concurrency": function.concurrency,
        }
        for function in deployment.functions
        if function.service in ports.services
    ]
    write_private(file, json.dumps({"functions": functions}, indent=1))
    return Program(
        name="lambda",
        command=python("scripts.twin.lambda_runtime", f"--port={ports.lambda_service}", f"--functions={file}"),
        environment=inherited(),
        folder=ROOT,
        port=ports.lambda_service,
    )


def operations(ports: Ports, admin_url: str, logs: Path) -> Program:
    """The alarms of the templates, and the operations app that they wake; `logs` is where the others' output goes."""
    return Program(
        name="operations",
        command=python(
            "scripts.twin.alarms",
            f"--port={ports.alarms}",
            f"--control={ports.control_url}",
            f"--functions={ports.lambda_url}",
            f"--logs={logs}",
        ),
        environment={**inherited(), VARIABLE: admin_url},
        folder=ROOT,
        port=ports.alarms,
    )


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def inherited() -> dict[str, str]:
    """The environment of the person, less the address of the database: each service gets its own, or none."""
    return {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
