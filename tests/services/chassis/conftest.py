"""A small app on the chassis: what the doors do is the same whatever stands behind them."""

from collections.abc import AsyncIterator, Mapping
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


@pytest.fixture
async def base_url(app: FastAPI, serve: Any) -> AsyncIterator[str]:
    async with serve(app) as url:
        yield url
