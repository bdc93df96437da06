"""The deployed shop on this machine: its tasks as processes, behind the twin's load balancer with its rules."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from scripts.databases import migrate_all
from scripts.rehearsals.deployed import Account, Handed
from scripts.releases import smoke
from scripts.terminal import Problem
from scripts.twin.deployment.file import save
from scripts.twin.identity import die_with
from scripts.twin.postgres import Server, free_port, running
from scripts.twin.processes import Program, healthy
from scripts.twin.programs import load_balancer, placed, task

PATIENCE = 60.0  # seconds


@dataclass(slots=True)
class Shop:
    """Opens when it is first asked, and again after `close`, each time with what is deployed by then."""

    account: Account
    server: Server
    folder: Path
    keys: Handed | None = None
    port: int = 0
    _programs: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def staff(self) -> str:
        """The token of somebody in the back office."""
        return self.keys.admin if self.keys else ""

    def fetch(self, url: str) -> tuple[int, bytes]:
        """What the shop answers at its public address: this stands for its name, and for CloudFront."""
        self.open()
        parts = urlsplit(url)
        return smoke.fetched(f"{self.url}{parts.path}" + f"?{parts.query}" * bool(parts.query))

    def open(self) -> None:
        if self._programs:
            return
        for last in (False, False, True):  # a port that was free may be taken by the time a program listens on it
            try:
                self._open()
            except BaseException as error:
                self.close()
                if last or not isinstance(error, Problem):
                    raise
            else:
                return

    def _open(self) -> None:
        self.keys = self.account.keys()
        deployment = self.account.deployment(self.keys)
        asyncio.run(migrate_all(self.server.url, self.keys.passwords))
        self.port = free_port()
        ports = placed(deployment, self.port, anywhere=True)
        save(deployment, self.folder / "deployment.json")
        tasks = [task(deployment, service, ports, self.server.url, self.keys) for service in ports.services]
        programs = [load_balancer(ports, self.folder / "deployment.json"), *tasks]
        for program in programs:
            self._programs[program.name] = started(program, self.folder)
        for program in programs:
            ready(program, self._programs[program.name], self.folder)

    def close(self) -> None:
        for process in self._programs.values():
            process.kill()
        for process in self._programs.values():
            process.wait()
        self._programs.clear()

    def purchase(self) -> str:
        """A product made by the staff and bought by a guest; the order's id. Raises Problem."""
        self.open()
        self.ask("PUT", "/products/categories/desk", self.staff, {"name": "Desk"})
        draft = {"sku": uuid.uuid4().hex, "name": "Pen", "category": "desk", "price_cents": 250, "stock": 3}
        product = self.ask("POST", "/products", self.staff, draft)["id"]
        guest = self.ask("POST", "/api/sessions")["token"]
        order = self.ask("POST", "/orders", guest, {"lines": [{"product_id": product, "qty": 2}]}, key=uuid.uuid4().hex)
        found = self.ask("GET", f"/orders/{order['id']}", guest)
        left = self.ask("GET", f"/products/{product}")["stock"]
        if found["status"] != "confirmed" or left != 1:
            raise Problem(f"The purchase ended as {found['status']}, with {left} left of 3 after 2 were bought.")
        return str(order["id"])

    def ask(self, method: str, path: str, token: str = "", document: Any = None, *, key: str = "") -> Any:
        headers = {"Content-Type": "application/json"} if document is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        headers |= {"Idempotency-Key": key} if key else {}
        body = json.dumps(document).encode() if document is not None else None
        request = Request(self.url + path, body, headers, method=method)  # noqa: S310 - loopback
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except HTTPError as error:
            raise Problem(f"{method} {path} was answered with {error.code}: {error.read()[:300]!r}") from None


@contextlib.contextmanager
def shop(account: Account, folder: Path) -> Iterator[Shop]:
    with running(folder / "postgres", durable=False, environment={}) as server:
        opened = Shop(account, server, folder)
        try:
            yield opened
        finally:
            opened.close()


def started(program: Program, folder: Path) -> "subprocess.Popen[bytes]":
    parent = os.getpid()
    with (folder / f"{program.name}.log").open("ab") as log:
        return subprocess.Popen(
            program.command,
            env=dict(program.environment),
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=lambda: die_with(parent, signal.SIGKILL),  # noqa: PLW1509 - no threads of ours hold a lock
        )


def ready(program: Program, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not healthy(program):
        if process.poll() is not None or time.monotonic() > end:
            said = (folder / f"{program.name}.log").read_text(errors="replace").strip().splitlines()
            raise Problem(f"{program.name} does not become healthy{': ' + said[-1] if said else ''}")
        time.sleep(0.05)
