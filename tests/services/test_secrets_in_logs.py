"""Whatever holds a secret on its way through a service, no line that the process writes has it.

Every secret here has a part that exists nowhere else, and that part is looked for in everything written: by us, by
uvicorn, asyncio and aiohttp, by warnings and by whatever nobody caught. What cannot be tested is a secret without a
form in the text of an exception; see `redaction`.
"""

import asyncio
import gc
import json
import string
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from pg8000.exceptions import DatabaseError

from services.chassis.auth import InternalRequest, Sessions, Signer
from services.chassis.connection import Connection, WireConnection
from services.chassis.database import Database
from services.chassis.seals import Seals
from services.chassis.session import refusal
from services.chassis.settings import Settings
from services.chassis.upstream import Answer, Upstream
from services.frontend import main as frontend
from services.frontend.backends import HttpOrders, HttpProducts
from services.frontend.shelf import Shelf
from services.order import main as order
from services.order.catalog import HttpCatalog
from services.product import main as product
from tests.services.chassis.test_logs import configured
from tests.services.conftest import served
from tests.services.raw_http import request, talk
from tests.services.whole_shop import SERVICE_KEYS, SESSION_KEYS, whole_shop

SEED = 7
PATHS = {
    "product": ["/products", "/products/7", "/products/import"],
    "order": ["/orders", "/orders/0b9f3a52-7f0e-4a4e-9d2c-3f1f6a3a4a11"],
    "frontend": ["/cart", "/admin/login", "/api/products", "/item/7"],
}


@dataclass
class Secrets:
    """Makes secrets, and knows the part of each that must be read nowhere."""

    random: Random = field(default_factory=lambda: Random(SEED))
    parts: list[str] = field(default_factory=list)

    def part(self, length: int = 24) -> str:
        part = "".join(self.random.choices(string.ascii_lowercase + string.digits, k=length))
        self.parts.append(part)
        return part

    def session(self) -> str:
        token = Sessions(SESSION_KEYS).issue().token
        self.parts.append(token.rpartition(".")[2])
        return token

    def seal(self) -> str:
        sealed = Seals(SESSION_KEYS, "form", 60).seal(self.part())
        self.parts += sealed.split(".")[2:]
        return sealed

    def signature(self) -> str:
        signed = Signer(SERVICE_KEYS).sign(InternalRequest("GET", self.part(), b"", "product"))
        self.parts.append(signed.rpartition(".")[2])
        return signed

    def admin(self) -> str:
        return f"adm_boss_{self.part(43)}"

    def mail(self) -> str:
        return f"{self.part(12)}@example.org"

    def any(self) -> str:
        forms: list[Callable[[], str]] = [self.session, self.seal, self.signature, self.admin, self.mail]
        return self.random.choice(forms)()

    def sentence(self) -> str:
        """As an exception's text may hold them: each in a form that something of ours would give it."""
        forms: list[Callable[[], str]] = [
            lambda: f"could not read {self.any()}.",
            lambda: f"RequestInfo(headers=<CIMultiDictProxy('Authorization': 'Bearer {self.part()}')>)",
            lambda: f"[(b'cookie', b'session={self.part()}; cart={self.part()}')]",
            lambda: f"X-Origin-Verify: {self.part()}",
            lambda: f"cannot connect to postgresql://product_svc:{self.part()}@db.internal:5432/shop",
            lambda: f"GET https://shop.example/orders?{urlencode({'name': self.part(), 'mail': self.mail()})} failed",
            lambda: json.dumps({"password": self.part(), "who": self.mail()}),
            lambda: f"1 validation error: [type=int_parsing, input_value='{self.part()}', input_type=str]",
        ]
        return self.random.choice(forms)()


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@dataclass
class Written:
    capture: pytest.CaptureFixture[str]

    def lines(self) -> list[dict[str, Any]]:
        captured = self.capture.readouterr()
        assert captured.err == ""
        self.text = captured.out
        return [json.loads(line) for line in captured.out.splitlines()]

    def holds(self, secrets: Secrets) -> list[str]:
        return [part for part in secrets.parts if part in self.text]


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Written:
    return Written(capsys)


def requests(secrets: Secrets, path: str) -> list[bytes]:
    """Requests with a secret wherever one fits, most of them refused sooner or later, some of them no HTTP."""
    fields = {secrets.part(6): secrets.any(), "email": secrets.mail(), "key": secrets.admin()}
    form, body = urlencode(fields).encode(), json.dumps(fields).encode()
    bearer, json_type = f"Authorization: Bearer {secrets.any()}", "Content-Type: application/json"
    return [
        request("GET", f"{path}?{urlencode(fields)}", bearer),
        request("GET", f"{path}/{quote(secrets.any())}", f"Cookie: session={secrets.session()}; cart={secrets.seal()}"),
        request(
            "GET", path, f"X-Request-Id: {secrets.admin()}", f"X-Forwarded-For: {secrets.mail()}, {secrets.mail()}"
        ),
        request("GET", path, f"User-Agent: {secrets.any()}", f"Referer: https://a.example/?{urlencode(fields)}"),
        request("GET", path, f"X-Amzn-Trace-Id: Root={secrets.any()}", f"If-None-Match: {secrets.any()}"),
        request("POST", path, bearer, json_type, f"Idempotency-Key: {secrets.part()}", body=body),
        request("POST", path, json_type, f"Authorization: {secrets.signature()}", body=body[:-1]),
        request("POST", path, "Content-Type: application/x-www-form-urlencoded", body=form),
        request("POST", path, f"Content-Type: {secrets.mail()}", body=form),
        request("PUT", path, bearer, json_type, f"If-Match: {secrets.any()}", body=b'{"lines": [' + body + b"]}"),
        f"GET {path} {secrets.any()}\r\n\r\n".encode(),
        f"GET {path} HTTP/1.1\r\nHost: a\r\n{secrets.part()}\r\n\r\n".encode(),
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 400\r\n{json_type}\r\n\r\n{secrets.any()}".encode(),
    ]


async def hung_up(url: str, raw: bytes) -> None:
    """Say it, hear what comes at once, and leave."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    try:
        async with asyncio.timeout(0.5):
            await reader.read(100)
    except TimeoutError:
        pass
    writer.close()


async def test_no_request_brings_a_secret_into_the_log(
    database_urls: dict[str, str], secrets: Secrets, written: Written
) -> None:
    with configured("shop"):
        async with whole_shop(database_urls, served_by="fargate") as shop:
            doors = [(url, requests(secrets, path)) for name, url in shop.doors.items() for path in PATHS[name]]
            await asyncio.gather(*(hung_up(url, raw) for url, raws in doors for raw in raws))
        lines = written.lines()
    assert written.holds(secrets) == []
    told = [line for line in lines if line.get("message") == "request"]
    assert len(told) >= sum(len(raws) for _, raws in doors) * 3 // 5, "most of them came as far as a line"
    assert {"unmatched", "/products", "/orders", "/cart"} <= {line["route"] for line in told}
    assert {200, 401, 404, 422} <= {line["status"] for line in told}
    assert any(line["logger"] == "uvicorn.error" for line in lines)


class FailingDatabase(Database):
    """Every use of it raises what `make` gives: an exception with secrets in its text."""

    def __init__(self, make: Callable[[], Exception]) -> None:
        super().__init__("")
        self._make = make

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        for wire in self._idle:
            yield WireConnection(wire)
        raise self._make()

    read = transaction = connection


class FailingUpstream(Upstream):
    """The same, of a backend."""

    def __init__(self, make: Callable[[], Exception]) -> None:
        super().__init__("http://nowhere")
        self._make = make

    async def request(self, *_: Any, **__: Any) -> Answer:
        raise self._make()


async def test_no_exception_brings_a_secret_into_the_log(secrets: Secrets, written: Written) -> None:
    def make() -> Exception:
        kinds: list[Callable[[str], Exception]] = [RuntimeError, ValueError, KeyError, ConnectionError, refused]
        return secrets.random.choice(kinds)(secrets.sentence())

    def refused(text: str) -> Exception:
        """As PostgreSQL says no, with a value in its text where it does that."""
        state = secrets.random.choice(["42703", "XX000", "22P02"])
        said = f'invalid input syntax: "{secrets.part()}"' if state == "22P02" else text
        return refusal(DatabaseError({"C": state, "M": said, "D": f"Key (name)=({secrets.part()}) exists."}))

    database, failing = FailingDatabase(make), FailingUpstream(make)
    common: dict[str, Any] = {"session_keys": SESSION_KEYS, "service_keys": SERVICE_KEYS, "background": False}
    products = HttpProducts(failing, probing=failing, shelf=Shelf())
    token = f"Authorization: Bearer {Sessions(SESSION_KEYS).issue().token}"
    with configured("shop"):
        async with AsyncExitStack() as stack:
            apps: dict[str, Any] = {
                "product": product.create(Settings(service="product", **common), database=database),
                "frontend": frontend.create(
                    Settings(service="frontend", **common),
                    products=products,
                    orders=HttpOrders(failing, probing=failing),
                ),
            }
            for app in apps.values():  # what a start needs is not what is asked here
                app.router.lifespan_context = nothing
            apps["order"] = order.create(
                Settings(service="order", **common), database=database, catalog=HttpCatalog(failing)
            )
            apps["order"].router.lifespan_context = nothing
            urls = {name: await stack.enter_async_context(served(app)) for name, app in apps.items()}
            for _ in range(12):
                for name, target in (("product", "/products/7"), ("order", "/orders"), ("frontend", "/item/7")):
                    (reply,) = await talk(urls[name], request("GET", target, token), most=1)
                    assert reply.status >= 500
        loop = asyncio.get_running_loop()
        for _ in range(8):
            loop.call_exception_handler({"message": secrets.sentence(), "exception": ValueError(secrets.sentence())})
            await forgotten(secrets.sentence())
            warnings.warn(secrets.sentence(), UserWarning, stacklevel=1)
        gc.collect()
        await asyncio.sleep(0)
        lines = written.lines()
    assert written.holds(secrets) == []
    stacks = [line for line in lines if "exception" in line]
    assert len([line for line in stacks if line["logger"] == "http"]) >= 30
    assert {line["logger"] for line in lines} >= {"http", "asyncio", "py.warnings"}
    assert written.text.count("[redacted]") > 50


@asynccontextmanager
async def nothing(_: Any) -> AsyncIterator[None]:
    yield


async def forgotten(text: str) -> None:
    """A task whose exception nobody asks for, and a client that nobody closes."""

    async def work() -> None:
        raise RuntimeError(text)

    task = asyncio.ensure_future(work())
    await asyncio.wait([task])
    aiohttp.ClientSession(headers={"Authorization": text.replace("\n", "")})
