"""The same request to a container and to a warm function, one after the other: how much longer the function takes.

The container is asked on its own port; the function gets the event that the load balancer would make of the request,
through the Invoke API and AWS's own runtime client. Both are what the templates say, on one database, and an order asks
the same product service wherever it is placed. The ratio is what counts: both times depend on the machine.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
from multidict import CIMultiDict

from scripts.benches.options import positive
from scripts.benches.platform import Own, own
from scripts.terminal import Problem, Terminal
from scripts.twin.deployment.values import TargetGroup
from scripts.twin.load_balancer.answers import parsed
from scripts.twin.load_balancer.events import event

SUMMARY = "a warm function against a container, request by request"
WARMING = 10  # rounds that are not counted
RUNTIMES = ("container", "function")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to a service."""

    service: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


Answer = tuple[int, bytes]  # status and body
Ask = Callable[[Asked], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Series:
    """Milliseconds of each request on one runtime."""

    times: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def p95(self) -> float:
        return sorted(self.times)[min(len(self.times) * 95 // 100, len(self.times) - 1)]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--times", type=positive, default=300, metavar="N", help="requests of each (default: 300)")


def run(options: argparse.Namespace) -> int:
    return asyncio.run(compare(options, Terminal()))


async def compare(options: argparse.Namespace, terminal: Terminal) -> int:
    limit = aiohttp.ClientTimeout(total=60)
    async with own(terminal, functions=True) as here, aiohttp.ClientSession(timeout=limit) as http:
        doors: Mapping[str, Ask] = {"container": container(here, http), "function": function(here, http)}
        product = await stocked(here, http, 2 * (options.times + WARMING))
        terminal.say(f"milliseconds, median and p95 of {options.times} requests, by turns")
        terminal.say(f"{'':<14}{'container':>18}{'warm function':>18}{'ratio':>18}")
        wrong = 0
        for name, requests in (("product read", reads(product)), ("order", orders(here, product))):
            measured, different = await measure(doors, requests, options.times)
            terminal.say(line(name, measured))
            wrong += different
    terminal.say(verdict(wrong))
    return 1 if wrong else 0


async def measure(doors: Mapping[str, Ask], requests: Iterator[Asked], times: int) -> tuple[dict[str, Series], int]:
    """The times by runtime, and in how many rounds the statuses (of reads the bodies too) were not the same."""
    series = {runtime: Series([]) for runtime in RUNTIMES}
    different = 0
    for number in range(-WARMING, times):
        answers = []
        for runtime in RUNTIMES if number % 2 else reversed(RUNTIMES):  # neither is always the first
            request = next(requests)
            began = time.perf_counter()
            status, body = await doors[runtime](request)
            elapsed = (time.perf_counter() - began) * 1000
            answers.append((status, body if request.method == "GET" else b""))
            if number >= 0:
                series[runtime].times.append(elapsed)
        different += answers[0] != answers[1] or answers[0][0] >= 300
    return series, different


def line(name: str, measured: Mapping[str, Series]) -> str:
    here, there = (measured[runtime] for runtime in RUNTIMES)
    pairs = [(here.median, here.p95), (there.median, there.p95)]
    ratios = (there.median / here.median, there.p95 / here.p95)
    cells = [f"{median:.2f} / {p95:.2f}" for median, p95 in [*pairs, ratios]]
    return f"{name:<14}" + "".join(f"{cell:>18}" for cell in cells)


def verdict(wrong: int) -> str:
    if wrong:
        return f"{wrong} rounds had two different answers, or none that was expected."
    return "Every round had the same answer from both."


# --- what is asked ----------------------------------------------------------------------------------------------------


def reads(product: int) -> Iterator[Asked]:
    while True:
        yield Asked("product", "GET", f"/products/{product}", {})


def orders(here: Own, product: int) -> Iterator[Asked]:
    """Each of another customer, since nobody may order that often."""
    body = json.dumps({"lines": [{"product_id": product, "qty": 1}]}).encode()
    while True:
        (token,) = here.sessions(1)
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "idempotency-key": uuid4().hex,
        }
        yield Asked("order", "POST", "/orders", headers, body)


async def stocked(here: Own, http: aiohttp.ClientSession, units: int) -> int:
    """A product with so many of it; its id."""
    ask = container(here, http)
    headers = {"authorization": f"Bearer {here.keys.admin}", "content-type": "application/json"}
    product = {"sku": "PARITY", "name": "Parity", "category": "bench", "price_cents": 100, "stock": units}
    await ask(Asked("product", "PUT", "/products/categories/bench", headers, b'{"name":"Bench"}'))
    status, body = await ask(Asked("product", "POST", "/products", headers, json.dumps(product).encode()))
    if status != 201:
        raise Problem(f"the product service answered {status}: {body[:200].decode(errors='replace')}")
    identifier: int = json.loads(body)["id"]
    return identifier


# --- who is asked -----------------------------------------------------------------------------------------------------


def container(here: Own, http: aiohttp.ClientSession) -> Ask:
    async def ask(asked: Asked) -> Answer:
        url = f"http://127.0.0.1:{here.ports.services[asked.service]}{asked.path}"
        async with http.request(asked.method, url, headers=asked.headers, data=asked.body or None) as answer:
            return answer.status, await answer.read()

    return ask


def function(here: Own, http: aiohttp.ClientSession) -> Ask:
    groups = {each.service: (each.name, group_of(here, each.arn)) for each in here.deployment.functions}

    async def ask(asked: Asked) -> Answer:
        name, group = groups[asked.service]
        headers = CIMultiDict({"host": "127.0.0.1", **asked.headers})
        made = event(group, method=asked.method, path=asked.path, query="", headers=headers, body=asked.body)
        url = f"{here.ports.lambda_url}/2015-03-31/functions/{name}/invocations"
        async with http.post(url, data=json.dumps(made).encode()) as answer:
            payload = await answer.read()
            if answer.status != 200 or "X-Amz-Function-Error" in answer.headers:
                raise Problem(f"{name} failed: {payload[:300].decode(errors='replace')}")
        told = parsed(payload, multi_value=group.multi_value_headers)
        return told.status, told.body

    return ask


def group_of(here: Own, arn: str) -> TargetGroup:
    return next(group for group in here.deployment.groups if arn in group.functions)
