"""The smallest app that the server can be told to serve."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query
from fastapi.responses import StreamingResponse

from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.settings import Settings
from services.chassis.web import create_app

router = APIRouter(prefix="/tiny", route_class=Route)


@router.get("", responses=problems())
async def wait(seconds: Annotated[float, Query()] = 0.0) -> dict[str, float]:
    await asyncio.sleep(seconds)
    return {"waited": seconds}


@router.get("/broken-off", responses=problems())
async def break_off() -> StreamingResponse:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("in the middle")

    return StreamingResponse(pieces())


async def ready() -> Mapping[str, bool]:
    return {}


def create() -> FastAPI:
    return create_app(Settings.from_env("tiny"), title="Tiny", prefix="/tiny", routers=[router], ready=ready)
