"""An AWS on this machine: an emulator in an environment of its own, on loopback, gone with its last user."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from cfn.values import Site
from scripts import bootstrap
from scripts.places import LOCAL
from scripts.rehearsals.gaps import TYPES
from scripts.terminal import Problem
from scripts.twin.identity import die_with
from scripts.twin.postgres import free_port
from scripts.twin.programs import busy

EMULATOR = Path(__file__).with_name("emulator")
ENVIRONMENT = LOCAL / "rehearse" / "emulator"
PATIENCE = 60.0  # seconds
DOMAIN = "shop.rehearsal.test"


@dataclass(frozen=True, slots=True)
class Cloud:
    endpoint: str
    region: str = "us-east-1"

    def account(self, number: int) -> boto3.Session:
        """An account of its own: the emulator takes an access key of twelve digits for its number."""
        return boto3.Session(
            aws_access_key_id=f"{number:012}",
            aws_secret_access_key="rehearsal",  # noqa: S106 - anything will do
            region_name=self.region,
        )


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cloud]:
    """FOLDER takes the log and what is stored. Raises Problem."""
    try:
        python = bootstrap.environment("rehearse", ENVIRONMENT)
    except bootstrap.BootstrapError as error:
        raise Problem(f"The emulator of AWS: {error}") from None
    port, parent = free_port(), os.getpid()
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            [str(python), str(EMULATOR / "launch.py"), json.dumps(TYPES)],
            cwd=folder,
            env=_settings(folder, port),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=lambda: die_with(parent, signal.SIGKILL),  # noqa: PLW1509 - no threads of ours hold a lock
        )
    try:
        _wait(process, port, folder / "emulator.log")
        yield Cloud(f"http://127.0.0.1:{port}")
    finally:
        with contextlib.suppress(ProcessLookupError):  # with the workers that ran functions
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _settings(folder: Path, port: int) -> dict[str, str]:
    """Nothing of the person's own settings for AWS."""
    for name in ("objects", "state"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "S3_DATA_DIR": str(folder / "objects"),
        "STATE_DIR": str(folder / "state"),
        "PYTHONPATH": str(EMULATOR),  # for functions, too, which look there for cfnresponse
    }


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not busy(port):
        if process.poll() is not None:
            raise Problem(f"The emulator of AWS does not start: {bootstrap.last_line(log.read_text(errors='replace'))}")
        if time.monotonic() > end:
            raise Problem(f"The emulator of AWS has not started in {PATIENCE:.0f} s; see {log}.")
        time.sleep(0.1)


def settled(session: boto3.Session, cloud: Cloud) -> Site:
    """What an installation brings along: a name, its zone and its certificate."""
    zones = client(session, cloud, "route53")
    zone = zones.create_hosted_zone(Name=DOMAIN, CallerReference=DOMAIN)["HostedZone"]["Id"].rpartition("/")[2]
    names = [f"*.{DOMAIN}"]
    certificates = client(session, cloud, "acm")
    arn = certificates.request_certificate(DomainName=DOMAIN, SubjectAlternativeNames=names)["CertificateArn"]
    return Site(
        domain=DOMAIN,
        certificate=arn.rpartition("/")[2],
        zone=zone,
        emails=("alarms@rehearsal.test",),
        repository="rehearsal/tandem-commerce",
    )


def push(ecr: Any, repository: str, tag: str, findings: dict[str, int] | None = None) -> None:
    """An image of that tag, with nothing in it but what its scan will find."""
    manifest = {"schemaVersion": 2, "annotations": {"tag": tag, "findings": json.dumps(findings or {})}}
    ecr.put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)


def client(session: boto3.Session, cloud: Cloud, service: str) -> Any:
    return session.client(service, endpoint_url=cloud.endpoint)  # type: ignore[call-overload]
