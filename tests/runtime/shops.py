"""Three shops that differ in one thing: uvicorn, Lambda with multi-value headers, Lambda without.

Each has a load balancer, the services (and the mirror) behind it and a database of its own, so that a row which changes
something changes it in each of them, from the same state. What the services ask of each other goes through the load
balancer of their shop, and so to the same runtime.
"""

import asyncio
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cfn.environments import SERVICES
from scripts.builds import archive
from scripts.builds.functions import build
from scripts.builds.targets import Target
from scripts.places import ROOT
from scripts.twin.deployment.values import Action, Condition, Deployment, HealthCheck, Rule, Share, TargetGroup
from scripts.twin.functions.code import FOLDER
from scripts.twin.functions.function import Function
from scripts.twin.functions.service import LambdaService
from scripts.twin.lambda_runtime import served as invoke_api
from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.balancer import LoadBalancer
from scripts.twin.postgres import free_port
from services.chassis.server import Drain
from services.frontend import main as frontend
from services.order import main as order
from services.product import main as product
from tests.runtime import mirror
from tests.services.conftest import served
from tests.services.whole_shop import ADMINS, SERVICE_KEYS, SESSION_KEYS, admin_token

HANDLER = b"""\
from mirror import create
from services.chassis.serverless import Sandbox

handler = Sandbox("mirror", create)
"""
PATIENCE = 60.0  # seconds: how fast this machine is, is no question here
WAKE = json.dumps({"httpMethod": "GET", "path": "/healthz", "requestContext": {"elb": {}}, "headers": {}}).encode()


def _admin_key(who: str) -> dict[str, Any]:
    token = admin_token(who)
    return {
        "kid": token.split("_")[1],
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        "roles": sorted(ADMINS[who] if isinstance(ADMINS[who], set) else {ADMINS[who]}),
    }


UVICORN, FORMS = "uvicorn", ("multi", "single")
SHOPS = (UVICORN, *FORMS)
CREATE: Mapping[str, Any] = {
    "product": product.create,
    "order": order.create,
    "frontend": frontend.create,
    "mirror": mirror.create,
}
PATHS = {service.name: service.paths for service in SERVICES} | {"mirror": ("/mirror*",)}
# Pages ask the product service for three things at once, and the order service for two.
SANDBOXES = {"product": 3, "order": 2, "frontend": 1, "mirror": 1}
SETTINGS = {
    "VERSION": "parity",
    "SESSION_KEYS": json.dumps({name: key.hex() for name, key in SESSION_KEYS.items()}),
    "SERVICE_KEYS": json.dumps({name: key.hex() for name, key in SERVICE_KEYS.items()}),
    "ADMIN_KEYS": json.dumps([_admin_key(who) for who in ADMINS]),
    "SESSIONS_PER_MINUTE": "1",  # so that the second one of an address is refused
    "BACKGROUND": "false",  # a sweep between two rows would be seen by one of the shops alone
}


def deployment(shop: str) -> Deployment:
    """One target group and one rule for each service; the gateway takes what nobody else does."""
    groups = {name: group(shop, name) for name in PATHS}
    rules = [
        Rule(
            arn=f"{shop}/{name}",
            priority=number if paths else None,
            action=Action(shares=(Share(group=groups[name].arn),)),
            conditions=(Condition(field="path-pattern", values=tuple(paths)),) if paths else (),
            service=name,
        )
        for number, (name, paths) in enumerate(PATHS.items(), 1)
    ]
    rules.sort(key=lambda rule: rule.priority or 1000)
    return Deployment(environment=shop, balancer=shop, listener=shop, rules=tuple(rules), groups=tuple(groups.values()))


def group(shop: str, name: str) -> TargetGroup:
    found = TargetGroup(
        arn=f"group/{shop}/{name}", name=f"{shop}-{name}", kind="ip", port=80, health=HealthCheck(enabled=False)
    )
    if shop == UVICORN:
        return found
    attributes = {"lambda.multi_value_headers.enabled": str(shop == "multi").lower()}
    return replace(
        found, kind="lambda", functions=(f"arn:aws:lambda:x:0:function:{shop}-{name}",), attributes=attributes
    )


def functions(shop: str, plan: "Plan", url: str) -> list[Function]:
    return [
        Function(
            name=f"{shop}-{service}",
            handler="mirror_handler.handler" if service == "mirror" else f"services.{service}.lambda_handler.handler",
            service=service,
            zip=Path(plan.zips[service]),
            environment=plan.settings(shop, service, url) | {"DATABASE_POOL": "1"},
            timeout=PATIENCE,
            concurrency=count,
        )
        for service, count in SANDBOXES.items()
    ]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the process of the shops is told: the URLs of each one's databases, and a zip for each service."""

    databases: Mapping[str, Mapping[str, str]]
    zips: Mapping[str, str]

    def settings(self, shop: str, service: str, url: str) -> dict[str, str]:
        database = self.databases[shop].get(service)
        return {**SETTINGS, "UPSTREAM_URL": url, **({"DATABASE_URL": database} if database else {})}


def zips(folder: Path) -> dict[str, str]:
    """What is deployed, for this machine, and the mirror in a copy of one of them. Raises Problem."""
    built = {service.name: build(service.name, Target.here(), FOLDER / "zips").path for service in SERVICES}
    copied = Path(shutil.copyfile(built["product"], folder / "mirror.zip"))
    archive.write(copied, {"mirror.py": Path(mirror.__file__), "mirror_handler.py": HANDLER}, append=True)
    return {name: str(path) for name, path in {**built, "mirror": copied}.items()}


@asynccontextmanager
async def three_shops(plan: Plan) -> AsyncIterator[dict[str, str]]:
    """The URL of each shop. All of their sandboxes have been started, since a cold one has a deadline to miss."""
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    balancers = {shop: LoadBalancer(Account(deployment(shop)), functions=endpoint) for shop in SHOPS}
    async with AsyncExitStack() as stack:
        urls = {shop: await stack.enter_async_context(served(balancer)) for shop, balancer in balancers.items()}
        known = [function for shop in FORMS for function in functions(shop, plan, urls[shop])]
        service = await stack.enter_async_context(LambdaService(known, listen=_listen, init=PATIENCE))
        await stack.enter_async_context(invoke_api(service, port))
        for name, create in CREATE.items():
            app = create(env=plan.settings(UVICORN, name, urls[UVICORN]))
            door = await stack.enter_async_context(served(Drain(app, app.state)))
            balancers[UVICORN].register(group(UVICORN, name).arn, urlsplit(door).netloc)
        sandboxes = [function.name for function in known for _ in range(function.concurrency)]
        woken = await asyncio.gather(*(service.invoke(name, WAKE) for name in sandboxes))
        assert all(invocation.cold and not invocation.failed for invocation in woken), woken
        yield urls


def _listen(name: str, line: str) -> None:
    print(name, line, file=sys.stderr)


@contextmanager
def three_shops_apart(plan: Plan, log: Path) -> Iterator[dict[str, str]]:
    """The same in a process of their own, which ends with its standard input, so it outlives nobody."""
    command = [sys.executable, "-m", "tests.runtime.shops"]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(  # noqa: S603 - ours
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=ROOT
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(plan)) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, f"the shops did not open: {log.read_text()[-3000:]}"
        yield json.loads(line)
    assert process.returncode == 0


async def _stand() -> None:
    plan, answer = Plan(**json.loads(sys.stdin.readline())), sys.stdout
    with redirect_stdout(sys.stderr):  # metrics: after the first line nobody reads this pipe
        async with three_shops(plan) as urls:
            print(json.dumps(urls), file=answer, flush=True)
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_stand())
