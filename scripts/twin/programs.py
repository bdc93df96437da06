"""What runs locally: each service of the table, and the load balancer, as commands with their environment."""

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace

from cfn.environments import SERVICES, Service
from scripts.databases import service_url
from scripts.places import ROOT
from scripts.terminal import Problem
from scripts.twin.keys import Keys
from scripts.twin.postgres import free_port
from scripts.twin.processes import Program


def placed(port: int, *, anywhere: bool, services: Sequence[Service] = SERVICES) -> list[Service]:
    """The services with the ports they will have. Raises Problem when one is taken."""
    if busy(port):
        raise Problem(f"Port {port} is in use by another program; choose another with --port.")
    if anywhere:
        return [replace(service, port=free_port()) for service in services]
    for service in services:
        if busy(service.port):
            raise Problem(f"Port {service.port} of {service.name} is in use; --free-ports lets the services move.")
    return list(services)


def busy(port: int) -> bool:
    with socket.socket() as listener_socket:
        listener_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener_socket.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def program(service: Service, port: int, admin_url: str, secrets: Keys) -> Program:
    settings = {
        "ENVIRONMENT": "local",
        "SERVED_BY": "local",
        "PORT": str(service.port),
        "UPSTREAM_URL": f"http://127.0.0.1:{port}",
        "SEED_DEMO": "false",  # done once, above
        "SESSIONS_PER_MINUTE": "100000",  # everybody comes from one address here
        **secrets.environment(),
    }
    if service.database:
        settings["DATABASE_URL"] = service_url(admin_url, service.name, secrets.passwords)
    return Program(
        name=service.name,
        command=python("services.chassis.server", "--host", "127.0.0.1", "--lame-duck", "0", service.app),
        environment=inherited() | settings,
        folder=ROOT,
        port=service.port,
        health_path=service.health_path,
    )


def load_balancer(port: int, services: Sequence[Service]) -> Program:
    targets = [f"--target={service.name}=127.0.0.1:{service.port}" for service in services]
    return Program(
        name="load-balancer",
        command=python("scripts.twin.load_balancer", f"--port={port}", *targets),
        environment=inherited(),
        folder=ROOT,
        port=port,
    )


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def inherited() -> dict[str, str]:
    """The environment of the person, less the address of the database: each service gets its own, or none."""
    return {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
