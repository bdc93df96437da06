"""Real processes that a test starts, kills and starts again, and that never outlive it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts.places import ROOT
from scripts.twin.identity import die_with
from scripts.twin.postgres import free_port
from scripts.twin.processes import Program, healthy

KEY = "00" * 32
RINGS = {"SESSION_KEYS": json.dumps({"k": KEY}), "SERVICE_KEYS": json.dumps({"k": KEY})}


class Process:
    """One program on one port."""

    def __init__(self, program: Program, log: Path) -> None:
        self.program = program
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.program.port}"

    def start(self) -> None:
        parent = os.getpid()
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(  # noqa: S603 - our own command
                self.program.command,
                env=dict(self.program.environment),
                cwd=self.program.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=lambda: die_with(parent, signal.SIGKILL),  # noqa: PLW1509 - no threads of ours hold a lock
            )

    async def ready(self) -> None:
        deadline = time.monotonic() + 30
        while not await asyncio.to_thread(healthy, self.program):
            assert self.alive, f"{self.program.name} ended while it was starting: {self._log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"{self.program.name} is not healthy: {self._log.read_text()[-2000:]}"
            await asyncio.sleep(0.05)

    async def killed(self) -> None:
        """Wait for the death of the process; it must have been SIGKILL."""
        assert self._running is not None
        code = await asyncio.to_thread(self._running.wait, 10)
        assert code == -signal.SIGKILL, f"{self.program.name} ended with {code}: {self._log.read_text()[-2000:]}"

    @property
    def alive(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def stop(self) -> None:
        if self._running is not None:
            self._running.kill()
            self._running.wait()


@dataclass(frozen=True, slots=True)
class Platform:
    """One product task, two order tasks, the load balancer in front."""

    product: Process
    orders: Sequence[Process]
    balancer: Process

    @property
    def all(self) -> list[Process]:
        return [self.product, *self.orders, self.balancer]


@contextmanager
def platform(
    folder: Path, databases: Mapping[str, str], *, product: str, order: str, order_tasks: int = 2
) -> Iterator[Platform]:
    """The services that the factories `product` and `order` make. They are starting when the block begins."""
    front = free_port()
    common = {**RINGS, "UPSTREAM_URL": f"http://127.0.0.1:{front}", "PATH": os.defpath}

    def service(name: str, kind: str, factory: str) -> Process:
        port = free_port()
        command = [sys.executable, "-m", "services.chassis.server", "--host", "127.0.0.1", "--lame-duck", "0", factory]
        settings = common | {"DATABASE_URL": databases[kind], "PORT": str(port)}
        program = Program(name=name, command=command, environment=settings, folder=ROOT, port=port)
        return Process(program, folder / f"{name}.log")

    products = service("product", "product", product)
    orders = [service(f"order-{number}", "order", order) for number in range(order_tasks)]
    targets = [("product", products), *(("order", task) for task in orders)]
    command = [sys.executable, "-m", "scripts.twin.load_balancer", f"--port={front}"]
    command += [f"--target={name}=127.0.0.1:{task.program.port}" for name, task in targets]
    balancer = Program(
        name="load-balancer",
        command=command,
        environment=common,
        folder=ROOT,
        port=front,
        health_path="/products/healthz",
    )
    whole = Platform(products, orders, Process(balancer, folder / "load-balancer.log"))
    with ExitStack() as stack:
        for process in whole.all:
            stack.callback(process.stop)
            process.start()
        yield whole
