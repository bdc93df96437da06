"""The server as a process: how it starts, how it says that it cannot, and how it leaves without losing a request."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from scripts.twin.load_balancer.targets import Target
from tests.scripts.twin.balancing import balancer_of, opened, until
from tests.services.emf import CloudWatch
from tests.services.raw_http import Reply, request, talk

FACTORY = "tests.services.chassis.tiny:create"
KEYS = json.dumps({"k1": "00" * 32})
LAME_DUCK = 1.2  # seconds; a deployment takes fifteen


@dataclass(frozen=True, slots=True)
class Running:
    process: asyncio.subprocess.Process
    url: str

    def signal(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def left(self, within: float) -> int:
        async with asyncio.timeout(within):
            return await self.process.wait()


async def start(
    port: int, environment: Mapping[str, str] | None = None, *, lame_duck: float = LAME_DUCK
) -> asyncio.subprocess.Process:
    settings = {"SESSION_KEYS": KEYS, "SERVICE_KEYS": KEYS, "PORT": str(port), **(environment or {})}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.chassis.server", FACTORY),
        *("--host", "127.0.0.1", "--lame-duck", str(lame_duck)),
        env={"PATH": os.defpath, **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def end(processes: Sequence[asyncio.subprocess.Process]) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@asynccontextmanager
async def running(port: int = 0, *, lame_duck: float = LAME_DUCK) -> AsyncIterator[Running]:
    port = port or free_port()
    server = Running(await start(port, lame_duck=lame_duck), f"http://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(20):
            while not await answers(server):  # noqa: ASYNC110 - another process decides
                await asyncio.sleep(0.05)
        yield server
    finally:
        await end([server.process])


async def answers(server: Running) -> bool:
    assert server.process.returncode is None, "it ended while starting"
    try:
        return (await get(server, "/healthz")).status == 200
    except ConnectionError:
        return False


async def get(server: Running, target: str) -> Reply:
    return (await talk(server.url, request("GET", target), most=1))[0]


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
    return head.lower()


async def test_a_signal_begins_a_lame_duck_phase_in_which_everything_is_served() -> None:
    async with running() as server:
        host, port = server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request("GET", "/tiny"))
        assert b"connection: close" not in await read_answer(reader)
        server.signal()
        await asyncio.sleep(0.2)
        health = await get(server, "/healthz")  # a new connection
        assert (health.status, health.json()["status"], health.closed) == (503, "draining", True)
        writer.write(request("GET", "/tiny"))  # the one that was open
        head = await read_answer(reader)
        assert head.startswith(b"http/1.1 200")
        assert head.count(b"connection: close") == 1
        assert await reader.read() == b""
        writer.close()
        started = time.monotonic()
        assert await server.left(within=5) == 0
        assert time.monotonic() - started > LAME_DUCK - 0.6


async def test_a_request_that_takes_longer_than_the_phase_is_answered() -> None:
    async with running(lame_duck=0.3) as server:
        slow = asyncio.create_task(get(server, "/tiny?seconds=1.5"))
        await asyncio.sleep(0.2)
        server.signal()
        assert (await slow).json() == {"waited": 1.5}
        assert await server.left(within=5) == 0


async def test_a_second_signal_ends_the_phase() -> None:
    async with running(lame_duck=60) as server:
        server.signal()
        await asyncio.sleep(0.3)
        assert (await get(server, "/healthz")).status == 503
        server.signal()
        assert await server.left(within=3) == 0


async def test_a_third_signal_waits_for_nothing() -> None:
    async with running(lame_duck=60) as server:
        slow = asyncio.create_task(talk(server.url, request("GET", "/tiny?seconds=8")))
        await asyncio.sleep(0.2)
        for _ in range(3):
            server.signal()
            await asyncio.sleep(0.3)
        assert await server.left(within=3) == 0
        assert 200 not in [reply.status for reply in await slow]


async def test_without_a_phase_one_signal_is_enough() -> None:
    async with running(lame_duck=0) as server:
        server.signal()
        assert await server.left(within=3) == 0


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SESSION_KEYS": ""}, "SESSION_KEYS is malformed"),
        ({"SERVICE_KEYS": '{"k1": "secret"}'}, "SERVICE_KEYS is malformed"),
        ({"ADMIN_KEYS": "secret"}, "ADMIN_KEYS is malformed"),
        ({"PORT": "secret"}, "PORT is malformed"),
    ],
)
async def test_a_setting_that_is_wrong_is_one_sentence(environment: dict[str, str], sentence: str) -> None:
    process = await start(free_port(), environment)
    output, _ = await process.communicate()
    assert process.returncode == 1
    assert output.decode() == f"{FACTORY}: {sentence}\n"


async def test_a_setting_that_is_missing_is_one_sentence() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.chassis.server", "services.order.main:create"),
        env={"PATH": os.defpath},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 1
    assert output.decode() == "services.order.main:create: DATABASE_URL is missing\n"


PAUSE = 0.02  # seconds between two requests


async def visit(url: str, pace: float, finished: asyncio.Event) -> list[int]:
    """Requests at an even pace, whether the ones before are answered or not; their statuses."""
    statuses: list[int] = []

    async def one(http: aiohttp.ClientSession) -> None:
        async with http.get("/tiny?seconds=0.01") as answer:
            statuses.append(answer.status)

    async with aiohttp.ClientSession(url) as http, asyncio.TaskGroup() as visits:
        while not finished.is_set():
            visits.create_task(one(http))
            await asyncio.sleep(pace)
    return statuses


async def turn(target: Target, *, healthy: bool) -> None:
    await until(lambda: target.healthy is healthy)


@pytest.mark.slow
async def test_a_rolling_restart_loses_no_request() -> None:
    """Two tasks, each of them replaced twice behind the load balancer, at fifty requests a second."""
    ports = [free_port(), free_port()]
    balancer, finished = balancer_of([]), asyncio.Event()
    for port in ports:
        balancer.register_service("frontend", f"127.0.0.1:{port}")  # which takes every path
    targets = balancer.groups[balancer.account.deployment.task("frontend").group].targets
    processes = [await start(port) for port in ports]
    try:
        async with opened(balancer) as (url, _):
            for target in targets:
                await turn(target, healthy=True)
            visiting = asyncio.create_task(visit(url, PAUSE, finished))
            for number in (0, 1) * 2:
                processes[number].terminate()
                await turn(targets[number], healthy=False)
                assert await processes[number].wait() == 0
                processes[number] = await start(ports[number])
                await turn(targets[number], healthy=True)
            finished.set()
            statuses = await visiting
    finally:
        await end(processes)
    assert len(statuses) > 200
    assert set(statuses) == {200}


async def test_a_process_that_a_signal_ends_has_counted_every_request_and_told_every_error_once() -> None:
    cloudwatch = CloudWatch()
    async with running(lame_duck=0) as server:
        for _ in range(3):
            await get(server, "/tiny")
        reader, writer = await asyncio.open_connection(*server.url.removeprefix("http://").split(":"))
        writer.write(request("GET", "/tiny/broken-off"))
        assert b"half" in await reader.read()
        writer.close()
        server.signal()
        assert await server.left(within=10) == 0
        assert server.process.stdout is not None
        lines = (await server.process.stdout.read()).decode().splitlines()
    cloudwatch.hear_all(lines)
    assert len(cloudwatch.values("Duration", "tiny", route="/tiny")) == 3
    assert cloudwatch.values("Faults", "tiny", route="/tiny") == [0]
    assert cloudwatch.values("Faults", "tiny", route="/tiny/broken-off") == [1], "its status was 200"
    (told,) = (line for line in lines if "in the middle" in line)
    assert json.loads(told)["exception"].count("RuntimeError: in the middle") == 1
