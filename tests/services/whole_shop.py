"""The whole shop on real ports: the load balancer, three services on uvicorn, and one PostgreSQL behind them."""

import asyncio
import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
from starlette.types import ASGIApp

from scripts.twin.deployment.local import local_deployment
from scripts.twin.load_balancer.account import Account
from scripts.twin.load_balancer.balancer import LoadBalancer
from scripts.twin.load_balancer.front_door import FrontDoor
from services.chassis.auth import InternalRequest, Session, Sessions, Signer
from services.chassis.metrics import Metrics
from services.chassis.server import Drain
from services.chassis.settings import AdminKey, Settings
from services.frontend import main as frontend
from services.order import main as order
from services.product import main as product
from tests.services.conftest import served

ROLES = ("catalog:write", "orders:write", "ops:read")
SESSION_KEYS = {"s1": b"s" * 32}
SERVICE_KEYS = {"k1": b"k" * 32}
ADMINS = {
    "all": set(ROLES),
    **{f"only {role}": {role} for role in ROLES},
    **{f"all but {role}": set(ROLES) - {role} for role in ROLES},
}
"""Who is on the staff, and what each of them may do."""

_PLAIN = str.maketrans("", "", " :")
SESSIONS = Sessions(SESSION_KEYS)
STOCKED = 1_000_000  # of each product: nothing a test buys is short by accident


@dataclass(frozen=True, slots=True)
class Shop:
    """`url` is the load balancer's; `doors` are the services' own."""

    url: str
    doors: Mapping[str, str]

    @property
    def product(self) -> str:
        return self.doors["product"]

    @property
    def order(self) -> str:
        return self.doors["order"]

    @property
    def frontend(self) -> str:
        return self.doors["frontend"]


@asynccontextmanager
async def whole_shop(
    database_urls: Mapping[str, str],
    *,
    wrap: Callable[[str, ASGIApp], ASGIApp] = lambda _, app: app,
    write: Callable[[str], None] = lambda _: None,
    **settings: Any,
) -> AsyncIterator[Shop]:
    """All of it on the running loop. `wrap` may put something before a service; `write` gets the lines of metrics;
    `settings` go to every service.
    """
    common: dict[str, Any] = {
        "session_keys": SESSION_KEYS,
        "service_keys": SERVICE_KEYS,
        "admin_keys": tuple(AdminKey(**_key(who), roles=frozenset(roles)) for who, roles in ADMINS.items()),
        "sessions_per_minute": 1_000_000,
        **settings,
    }
    deployment = local_deployment({"ORIGIN_SECRET": "known to the front door only"})
    balancer = LoadBalancer(Account(deployment))
    metrics = {
        name: Metrics(name, environment="local", runtime="local", version="test", write=write)
        for name in ("product", "order", "frontend")
    }
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(served(FrontDoor(balancer, deployment.front_headers)))
        apps = {
            "product": product.create(
                Settings(service="product", database_url=database_urls["product"], **common),
                metrics=metrics["product"],
            ),
            "order": order.create(
                Settings(service="order", database_url=database_urls["order"], upstream_url=url, **common),
                clock=Leaps(),
                metrics=metrics["order"],
            ),
            "frontend": frontend.create(
                Settings(service="frontend", upstream_url=url, **common), metrics=metrics["frontend"]
            ),
        }
        wrapped = {name: wrap(name, Drain(app, app.state)) for name, app in apps.items()}
        doors = {name: await stack.enter_async_context(served(app)) for name, app in wrapped.items()}
        for name, door in doors.items():
            balancer.register_service(name, urlsplit(door).netloc)
        yield Shop(url, doors)


@contextmanager
def whole_shop_apart(database_urls: Mapping[str, str]) -> Iterator[Shop]:
    """The same in a process of its own, for tests that block their loop or share a shop between them.

    It ends with its standard input, so it outlives nobody.
    """
    command = [sys.executable, "-m", "tests.services.whole_shop"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - ours
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(dict(database_urls)) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, "the shop did not start; above is why"
        yield Shop(**json.loads(line))
    assert process.returncode == 0


async def _stand() -> None:
    async with whole_shop(json.loads(sys.stdin.readline())) as shop:
        print(json.dumps(asdict(shop)), flush=True)
        await asyncio.to_thread(sys.stdin.read)


class Leaps:
    """A clock on which a minute passes between any two looks: rates are not what these tests are about."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 60.0
        return self._now


def admin_token(who: str = "all") -> str:
    """The key of somebody on the staff; the same in every process."""
    return f"adm_{who.translate(_PLAIN)}_{'0' * 43}"


def _key(who: str) -> dict[str, Any]:
    return {"kid": who.translate(_PLAIN), "sha256": hashlib.sha256(admin_token(who).encode()).digest()}


async def stock_up(shop: Shop, products: int, *, category: str = "desk", name: str = "Notebook {}") -> list[int]:
    """Make products with plenty in stock; their ids."""
    headers = {"Authorization": f"Bearer {admin_token()}"}
    async with aiohttp.ClientSession(shop.url, headers=headers, raise_for_status=True) as http:
        await (await http.put(f"/products/categories/{category}", json={"name": category.title()})).read()
        return [
            await _made(http, f"{uuid4().hex[:12]}-{number}", name.format(number), category, 100 + number)
            for number in range(products)
        ]


async def _made(http: aiohttp.ClientSession, sku: str, name: str, category: str, price: int) -> int:
    body = {"sku": sku, "name": name, "category": category, "price_cents": price, "stock": STOCKED}
    async with http.post("/products", json=body) as answer:
        identifier: int = (await answer.json())["id"]
    return identifier


async def buy(shop: Shop, session: Session, *product_ids: int) -> str:
    """One of each; the id of the order."""
    body = {"lines": [{"product_id": product_id, "qty": 1} for product_id in product_ids]}
    headers = {"Authorization": f"Bearer {session.token}", "Idempotency-Key": uuid4().hex}
    async with (
        aiohttp.ClientSession(shop.url, raise_for_status=True) as http,
        http.post("/orders", json=body, headers=headers) as answer,
    ):
        assert answer.status == 201
        identifier: str = (await answer.json())["id"]
    return identifier


async def hold(shop: Shop, *product_ids: int, confirmed: bool = False) -> str:
    """One of each; the id of the reservation."""
    target = f"/products/reservations/{(identifier := str(uuid4()))}"
    body = json.dumps({"lines": [{"product_id": product_id, "qty": 1} for product_id in product_ids]}).encode()
    async with aiohttp.ClientSession(shop.product, raise_for_status=True) as http:
        headers = {"Authorization": signature("PUT", target, body), "Content-Type": "application/json"}
        await (await http.put(target, data=body, headers=headers)).read()
        if confirmed:
            target += "/confirm"
            await (await http.post(target, headers={"Authorization": signature("POST", target)})).read()
    return identifier


def session_of(audience: str = "shop", *, key: bytes = SESSION_KEYS["s1"], seconds: float = 3600) -> str:
    """A session token put together by hand, so that any part of it can be wrong."""
    claims = f"v1.s1.{uuid4().hex}.{int(time.time() + seconds)}.{audience}"
    return f"{claims}.{hmac.new(key, claims.encode(), hashlib.sha256).hexdigest()}"


def signature(method: str, target: str, body: bytes = b"", *, audience: str = "product", age: float = 0.0) -> str:
    """The Authorization of a call between services."""
    signer = Signer(SERVICE_KEYS, clock=lambda: time.time() - age)
    return signer.sign(InternalRequest(method, target, body, audience))


if __name__ == "__main__":
    asyncio.run(_stand())
