"""The twin as `up` runs it, from the templates, each program a process of its own that a test can kill and start."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from cfn.environments import LOCAL
from scripts.twin.deployment.file import save
from scripts.twin.deployment.local import local_deployment
from scripts.twin.deployment.values import Deployment
from scripts.twin.keys import Keys, new_keys
from scripts.twin.postgres import free_port
from scripts.twin.processes import Program
from scripts.twin.programs import Ports, lambda_service, load_balancer, placed, python, task
from services.chassis.auth import InternalRequest, Session, Sessions, Signer
from tests.chaos.processes import Process

SANDBOXES = 3  # of each function: enough to work side by side, and few to start
SECONDS = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def runtime(self) -> str:
        """Which one answered; the load balancer itself says nothing."""
        return self.headers.get("X-Served-By", "")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Tandem:
    """The load balancer and the Lambda service run; the containers in `tasks` are started by whoever needs them."""

    ports: Ports
    keys: Keys
    deployment: Deployment
    tasks: Mapping[str, Process]
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.shop}"

    @property
    def sessions(self) -> Sessions:
        return Sessions({"local": bytes.fromhex(self.keys.session)})

    async def ask(self, method: str, target: str, *, token: str = "", document: Any = None) -> Reply:
        return await asked(method, self.url + target, {"Authorization": f"Bearer {token}"} if token else {}, document)

    async def order(self, customer: Session, key: str, product_id: int, *, url: str = "") -> Reply:
        """One unit. With `url`, of that task and past the load balancer."""
        headers = {"Authorization": f"Bearer {customer.token}", "Idempotency-Key": key}
        body = {"lines": [{"product_id": product_id, "qty": 1}]}
        return await asked("POST", f"{url or self.url}/orders", headers, body)

    async def product(self, stock: int) -> int:
        """A new one; its id."""
        admin = self.keys.admin
        await self.ask("PUT", "/products/categories/desk", token=admin, document={"name": "Desk"})
        draft = {"sku": uuid4().hex, "name": "Pen", "category": "desk", "price_cents": 250, "stock": stock}
        made = await self.ask("POST", "/products", token=admin, document=draft)
        assert made.status == 201, made
        identifier: int = made.json()["id"]
        return identifier

    async def hold(self, product_id: int, units: int) -> None:
        """A reservation, as the order service asks for one."""
        target = f"/products/reservations/{uuid4()}"
        body = json.dumps({"lines": [{"product_id": product_id, "qty": units}]}).encode()
        signer = Signer({"local": bytes.fromhex(self.keys.service)})
        signed = signer.sign(InternalRequest("PUT", target, body, "product"))
        headers = {"Authorization": signed, "Content-Type": "application/json"}
        reply = await asked("PUT", self.url + target, headers, body)
        assert reply.status == 201, reply

    async def weigh(self, fargate: int, fallback: int, services: Sequence[str] = ("product", "order")) -> None:
        weights = {service: {"fargate": fargate, "lambda": fallback} for service in services}
        reply = await asked("PUT", f"http://127.0.0.1:{self.ports.control}/weights", {}, weights)
        assert reply.status == 200, reply

    async def answers(self) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """How many the load balancer has passed on, by service, runtime and class of status."""
        reply = await asked("GET", self.ports.status_url, {"Accept": "application/json"})
        found: Mapping[str, Any] = reply.json()["answers"]
        return found

    async def work(self, service: str) -> Reply:
        """What the schedule does: one round of background work."""
        url = f"{self.ports.lambda_url}/2015-03-31/functions/{self.deployment.function(service).name}/invocations"
        return await asked("POST", url, {}, {"run": "background"})

    async def running(self, *services: str) -> None:
        """These containers and no others."""
        for name, process in self.tasks.items():
            if name not in services:
                process.stop()
            elif not process.alive:
                process.start()
        await asyncio.gather(*(self.tasks[name].ready() for name in services))

    @asynccontextmanager
    async def doomed(self, point: str) -> AsyncIterator[Process]:
        """An order task that kills itself at this point."""
        port = free_port()
        factory = "tests.services.order.victim:create"
        command = python("services.chassis.server", "--host=127.0.0.1", "--lame-duck=0", factory)
        order = self.tasks["order"].program
        own = {"PORT": str(port), "KILL_AT": point, "UPSTREAM_URL": self.url, "BACKGROUND": "false"}
        settings = {**order.environment, **own}
        program = replace(order, name="victim", command=command, port=port, environment=settings)
        victim = Process(program, self.folder / "victim.log")
        try:
            victim.start()
            await victim.ready()
            yield victim
        finally:
            victim.stop()


async def asked(method: str, url: str, headers: Mapping[str, str], document: Any = None) -> Reply:
    """The answer; status 0 when there is none. A connection of its own, so that none is lost with a dead process."""
    given = {"data": document} if isinstance(document, bytes) else {"json": document}
    async with aiohttp.ClientSession(timeout=SECONDS, connector=aiohttp.TCPConnector(force_close=True)) as http:
        try:
            async with http.request(method, url, headers=headers, **given) as answer:
                return Reply(answer.status, answer.headers, await answer.read())
        except aiohttp.ClientError:
            return Reply(0, {}, b"")


@contextmanager
def tandem(folder: Path, admin_url: str, passwords: dict[str, str]) -> Iterator[Tandem]:
    """The processes of the load balancer and the Lambda service are starting when the block begins."""
    keys = replace(new_keys(), passwords=passwords)
    environment = replace(LOCAL, functions=replace(LOCAL.functions, concurrency=SANDBOXES))
    deployment = local_deployment(keys.environment(), seed_demo=False, environment=environment)
    ports = placed(deployment, free_port(), anywhere=True)
    save(deployment, folder / "deployment.json")

    def process(program: Program) -> Process:
        return Process(program, folder / f"{program.name}.log")

    tasks = {service: process(task(deployment, service, ports, admin_url, keys)) for service in ports.services}
    elsewhere = replace(ports, traces=free_port())  # where services send their traces, a test listens
    front = [
        process(load_balancer(elsewhere, folder / "deployment.json", folder)),
        process(lambda_service(deployment, ports, admin_url, keys, folder / "functions.json")),
    ]
    with ExitStack() as stack:
        for each in [*front, *tasks.values()]:
            stack.callback(each.stop)
        for each in front:
            each.start()
        asyncio.run(ready(front))
        yield Tandem(ports, keys, deployment, tasks, folder)


async def ready(processes: Sequence[Process]) -> None:
    await asyncio.gather(*(process.ready() for process in processes))
