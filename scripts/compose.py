"""Run the platform in containers: writes what compose.yaml reads, then starts `docker compose` with what follows.

The settings are those of the templates, with what stands for AWS here; the secrets are the ones of `scripts/up`. They
lie in .local/compose/, one file for each container, readable by their owner only.
"""

import argparse
import shutil
import signal
import subprocess
from collections.abc import Mapping

from scripts.databases import OWNERS, service_url
from scripts.places import LOCAL, ROOT
from scripts.terminal import Problem
from scripts.twin import keys
from scripts.twin.deployment.local import local_deployment
from scripts.twin.keys import Keys, write_private
from scripts.twin.stand_ins import Here, settled

SUMMARY = "run the platform in containers: compose up --build"
FOLDER = LOCAL / "compose"
BALANCER = "http://load-balancer"
ORIGIN = 8082  # port of the load balancer itself, behind the front door
DATABASE, USER = "tandem", "tandem"

Files = dict[str, dict[str, str]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(rest=[])


def run(options: argparse.Namespace) -> int:
    for name, environment in files(keys.load(LOCAL)).items():
        write_private(FOLDER / f"{name}.env", text(environment))
    if not options.rest:
        print(f"Settings are in {FOLDER.relative_to(ROOT)}/. Now: scripts/tandem compose up --build")
        return 0
    if shutil.which("docker") is None:
        raise Problem("There is no docker; scripts/up runs the same platform without containers.")
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is Compose's, which ends its containers in order
    return subprocess.call(["docker", "compose", "--project-directory", str(ROOT), *options.rest])


def files(secrets: Keys) -> Files:
    """The environment of each container, by the name of its file."""
    return {**of_services(secrets), **of_database(secrets), "load-balancer": {"ORIGIN_SECRET": secrets.origin}}


def of_services(secrets: Keys) -> Files:
    """What the task definitions say. Control plane and traces are for the load balancer's own machine alone, which
    here is its container."""
    deployment, found = local_deployment(secrets.environment()), {}
    for task in deployment.tasks:
        url = service_url(admin_url(secrets), task.service, secrets.passwords) if task.service in OWNERS else ""
        here = Here(
            port=task.port,
            upstream_url=f"{BALANCER}:{ORIGIN}",
            control_url="",
            trace_address="",
            database_url=url,
            secrets=secrets.environment(),
        )
        found[task.service] = settled(f"the task of {task.service}", task.settings, here)
    return found


def of_database(secrets: Keys) -> Files:
    """PostgreSQL itself, who migrates each schema, and the tools of an operator."""
    url, password = admin_url(secrets), secrets.database
    migrations = {
        f"migrate-{service}": {"ADMIN_DATABASE_URL": url, "DATABASE_PASSWORD": secrets.passwords[service]}
        for service in OWNERS
    }
    return {
        "database": {"POSTGRES_USER": USER, "POSTGRES_PASSWORD": password, "POSTGRES_DB": DATABASE},
        "psql": {"PGHOST": "database", "PGUSER": USER, "PGPASSWORD": password, "PGDATABASE": DATABASE},
        "load": {
            "DATABASE_URL": url,
            "ADMIN_KEY": secrets.admin,
            "SESSION_KEYS": secrets.environment()["SESSION_KEYS"],
        },
        **migrations,
    }


def admin_url(secrets: Keys) -> str:
    return f"postgresql://{USER}:{secrets.database}@database:5432/{DATABASE}?sslmode=disable"


def text(environment: Mapping[str, str]) -> str:
    """In single quotes, within which Compose replaces nothing."""
    return "".join(f"{key}='{environment[key]}'\n" for key in sorted(environment))
