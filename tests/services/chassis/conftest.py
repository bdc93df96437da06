"""A small app on the chassis: what the doors do is the same whatever stands behind them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Request

from services.chassis.auth import AdminKeys, Sessions, Signer, new_admin_key
from services.chassis.callers import AnyCaller, Customer, admin, peer
from services.chassis.errors import Conflict
from services.chassis.fields import Id, Integer, Model, QueryFlag, QueryInt, Text
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.settings import Settings
from services.chassis.web import JSONBytes, create_app

ADMIN_TOKEN, ADMIN_KEY = new_admin_key("boss", ["things:write"])
READER_TOKEN, READER_KEY = new_admin_key("reader", ["things:read"])
SETTINGS = Settings(
    service="things",
    session_keys={"s1": b"s" * 32},
    service_keys={"k1": b"k" * 32},
    admin_keys=(ADMIN_KEY, READER_KEY),
)


class Thing(Model):
    name: Text
    n: Integer


class Filter(Model):
    limit: QueryInt = 20
    flag: QueryFlag = False


router = APIRouter(prefix="/things", route_class=Route)


@router.get("", responses=problems())
async def list_things(query: Annotated[Filter, Query()]) -> dict[str, Any]:
    return {"limit": query.limit, "flag": query.flag}


@router.post("", responses=problems(415), status_code=201)
async def make_thing(thing: Thing) -> dict[str, Any]:
    return {"name": thing.name, "n": thing.n}


@router.get("/bytes", responses=problems())
async def bytes_thing() -> JSONBytes:
    return JSONBytes(b'{"from": "postgres"}')


@router.get("/refused", responses=problems(409))
async def refused() -> None:
    raise Conflict("Because", retry_after=3, left=2)


@router.get("/broken", responses=problems())
async def broken() -> None:
    raise RuntimeError("a secret detail")


@router.get("/mine", responses=problems(401, 403))
async def mine(customer: Customer) -> dict[str, str]:
    return {"customer": str(customer)}


@router.get("/either", responses=problems(401))
async def either(caller: AnyCaller) -> dict[str, str]:
    return {"kind": caller.kind}


@router.post("/admin", responses=problems(401, 403))
async def write(key: Annotated[str, Depends(admin("things:write"))]) -> dict[str, str]:
    return {"key": key}


@router.put("/internal/{number}", responses=problems(401))
async def internal(number: Id, key: Annotated[str, Depends(peer)], request: Request) -> dict[str, Any]:
    return {"number": number, "key": key, "length": len(await request.body())}


@router.post("/large", responses=problems())
async def large(request: Request) -> dict[str, int]:
    return {"length": len(await request.body())}


@router.put("/{number}", responses=problems())
async def put_thing(number: Id) -> dict[str, int]:
    return {"number": number}


@router.get("/{number}", responses=problems())
async def get_thing(number: Id) -> dict[str, int]:
    return {"number": number}


@pytest.fixture
def app() -> FastAPI:
    async def ready() -> Mapping[str, bool]:
        return {"dependency": True}

    return create_app(
        SETTINGS,
        title="Things",
        prefix="/things",
        routers=[router],
        ready=ready,
        large_bodies={"/things/large": 200_000},
    )


@pytest.fixture
def sessions() -> Sessions:
    return Sessions(SETTINGS.session_keys)


@pytest.fixture
def admin_keys() -> AdminKeys:
    return AdminKeys(SETTINGS.admin_keys)


@pytest.fixture
def signer() -> Signer:
    return Signer(SETTINGS.service_keys)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool

    def json(self) -> Any:
        return json.loads(self.body)


async def talk(base_url: str, raw: bytes, *, most: int = 9) -> list[Reply]:
    """Send bytes as they are on one connection, and read answers until the server closes or falls silent."""
    host, port = base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(raw)
    replies: list[Reply] = []
    try:
        while len(replies) < most and (reply := await _read_reply(reader, 0.3 if replies else 10.0)):
            replies.append(reply)
    finally:
        writer.close()
    return replies


async def _read_reply(reader: asyncio.StreamReader, patience: float) -> Reply | None:
    try:
        async with asyncio.timeout(patience):
            head = await reader.readuntil(b"\r\n\r\n")
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return None
    status_line, *lines = head.decode("latin-1").strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Reply(int(status_line.split()[1]), headers, body, headers.get("connection") == "close")


@pytest.fixture
async def base_url(app: FastAPI, serve: Any) -> AsyncIterator[str]:
    async with serve(app) as url:
        yield url
