"""The alarms and the operations app beside a running twin, and what they have seen and said."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from scripts.places import ROOT
from scripts.twin.postgres import free_port
from scripts.twin.processes import Program
from scripts.twin.programs import inherited, python
from tests.chaos.processes import Process
from tests.runtime.tandem import Tandem, asked

HURRY = 60.0  # a minute lasts a second
PATIENCE = 30.0  # seconds for what takes a few


@dataclass(frozen=True, slots=True)
class Operations:
    url: str

    async def status(self) -> Any:
        return (await asked("GET", f"{self.url}/status", {})).json()

    async def posts(self) -> list[str]:
        return [json.dumps(post["body"]) for post in (await asked("GET", f"{self.url}/slack", {})).json()]

    async def heard(self, alarm: str) -> bool:
        """Whether Slack has been told of it, in whatever state it is by now."""
        return any(f"tandem-local-{alarm}" in post for post in await self.posts())

    async def all_well(self) -> bool:
        """Whatever the twin can know is OK."""
        known = [one["state"] for one in (await self.status())["alarms"].values() if one["known"]]
        return bool(known) and set(known) == {"OK"}


@asynccontextmanager
async def operating(shop: Tandem, settings: Mapping[str, str] | None = None) -> AsyncIterator[Operations]:
    port = free_port()
    command = python(
        "scripts.twin.alarms",
        f"--port={port}",
        f"--control=http://127.0.0.1:{shop.ports.control}",
        f"--functions={shop.ports.lambda_url}",
        f"--logs={shop.folder}",
        f"--hurry={HURRY}",
    )
    program = Program(
        name="alarms", command=command, environment={**inherited(), **(settings or {})}, folder=ROOT, port=port
    )
    process = Process(program, shop.folder / "alarms.log")
    process.start()
    try:
        await process.ready()
        yield Operations(f"http://127.0.0.1:{port}")
    finally:
        process.stop()


async def until(what: Any, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not await what():
        assert time.monotonic() < deadline, f"{what} did not come true"
        await asyncio.sleep(0.1)


async def status(shop: Tandem) -> Any:
    return (await asked("GET", shop.ports.status_url, {"Accept": "application/json"})).json()


async def all_healthy(shop: Tandem) -> bool:
    groups = [group for group in (await status(shop))["groups"] if group["runtime"] == "fargate"]
    return all(target["state"] == "healthy" for group in groups for target in group["targets"])
