"""Many buyers, little stock: exactly as many orders are confirmed as there are units, every time.

Starts a platform of its own, on a database that is thrown away afterwards, unless --running or --url is given. Each
buyer is a guest of its own and asks through the load balancer, again under the same key when there was no decision.
"""

import argparse
import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp

from scripts.benches.buyers import Round, compete
from scripts.benches.options import positive
from scripts.benches.platform import Platform, elsewhere, own, running_here
from scripts.invariants import Breach, breaches
from scripts.terminal import Problem, Terminal
from services.chassis.database import Database

SUMMARY = "buyers against stock: nothing is sold that is not there"
CATEGORY = "bench"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--stock", type=positive, default=100, metavar="N", help="units there are (default: 100)")
    parser.add_argument("--buyers", type=positive, default=1000, metavar="N", help="of one unit each (default: 1000)")
    parser.add_argument("--connections", type=positive, default=64, metavar="N", help="at a time (default: 64)")
    parser.add_argument("--times", type=positive, default=20, metavar="N", help="rounds (default: 20)")
    parser.add_argument("--running", action="store_true", help="use what scripts/up runs; its orders stay in the data")
    parser.add_argument("--port", type=int, default=8080, help="of the running shop (default: 8080)")
    parser.add_argument(
        "--url", help="of a shop elsewhere, with DATABASE_URL, ADMIN_KEY and SESSION_KEYS in the environment"
    )


def _chosen(options: argparse.Namespace, terminal: Terminal) -> contextlib.AbstractAsyncContextManager[Platform]:
    if options.url:
        return elsewhere(options.url)
    return running_here(options.port) if options.running else own(terminal)


@dataclass(frozen=True, slots=True)
class Result:
    """A round, and what the database says after it."""

    round: Round
    left: int  # units
    stored: int  # confirmed orders of this product
    broken: list[Breach]

    def exact(self, stock: int, buyers: int) -> bool:
        sold = min(stock, buyers)
        told = (self.round.confirmed, self.round.refused, len(self.round.order_ids))
        return (
            told == (sold, buyers - sold, sold) and (self.stored, self.left) == (sold, stock - sold) and not self.broken
        )


def run(options: argparse.Namespace) -> int:
    return asyncio.run(race(options, Terminal()))


async def race(options: argparse.Namespace, terminal: Terminal) -> int:
    terminal.say(
        f"{options.buyers} buyers of one unit each, {options.stock} in stock, {options.connections} connections"
    )
    async with _chosen(options, terminal) as here, _administrator(here) as admin:
        terminal.say("round  confirmed  refused  unknown  repeated  seconds  orders/s  invariants")
        results = [await _round(options, terminal, here, admin, number) for number in range(1, options.times + 1)]
    return judge(results, options.stock, options.buyers, terminal)


def judge(results: list[Result], stock: int, buyers: int, terminal: Terminal) -> int:
    exact = sum(result.exact(stock, buyers) for result in results)
    rate = sum(result.round.orders_per_second for result in results) / len(results)
    answers = sum((result.round.answers for result in results), Counter[int]())
    terminal.say("answers: " + ", ".join(f"{count} x {status or 'none'}" for status, count in sorted(answers.items())))
    terminal.say(
        f"{exact} of {len(results)} rounds exact ({min(stock, buyers)} of {buyers} confirmed, none oversold, "
        f"every invariant holds); {rate:.0f} orders/s on average."
    )
    return 0 if exact == len(results) else 1


async def _round(
    options: argparse.Namespace, terminal: Terminal, here: Platform, admin: Database, number: int
) -> Result:
    async with _product(here, options.stock) as product_id:
        outcome = await compete(here.url, product_id, here.sessions(options.buyers), connections=options.connections)
        result = await _result(admin, product_id, outcome)
    verdict = "hold" if not result.broken else f"{len(result.broken)} rows broken"
    terminal.say(
        f"{number:>5}{outcome.confirmed:>11}{outcome.refused:>9}{outcome.unknown:>9}{outcome.repeated:>10}"
        f"{outcome.seconds:>9.2f}{outcome.orders_per_second:>10.0f}  {verdict}"
    )
    for breach in result.broken[:10]:
        terminal.say(f"       {breach.invariant}: {breach.row}")
    if not result.exact(options.stock, options.buyers):
        terminal.say(f"       {dict(outcome.ends)}; {result.stored} orders stored, {result.left} units left")
    return result


async def _result(admin: Database, product_id: int, outcome: Round) -> Result:
    async with admin.connection() as connection:
        left = await connection.fetch_value("SELECT stock FROM catalog.product WHERE id = $1", product_id)
        stored = await connection.fetch_value(
            "SELECT count(*) FROM ordering.orders o JOIN ordering.order_line l ON l.order_id = o.id"
            " WHERE l.product_id = $1 AND o.status = 'confirmed'",
            product_id,
        )
    return Result(outcome, left, stored, await breaches(admin))


@contextlib.asynccontextmanager
async def _administrator(here: Platform) -> AsyncIterator[Database]:
    admin = Database(here.database_url, size=1)
    try:
        yield admin
    finally:
        await admin.close()


@contextlib.asynccontextmanager
async def _product(here: Platform, stock: int) -> AsyncIterator[int]:
    """A product of this round alone, off the shelf again afterwards."""
    sku = f"RACE-{uuid4().hex[:12]}"
    product = {"sku": sku, "name": "Race", "category": CATEGORY, "price_cents": 100, "stock": stock}
    async with aiohttp.ClientSession(here.url, headers={"Authorization": f"Bearer {here.keys.admin}"}) as http:
        await _ask(http, "PUT", f"/products/categories/{CATEGORY}", {"name": "Bench"})
        made = await _ask(http, "POST", "/products", product)
        yield json.loads(made)["id"]
        await _ask(http, "DELETE", f"/products/{json.loads(made)['id']}")


async def _ask(http: aiohttp.ClientSession, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
    try:
        async with http.request(method, path, json=body) as answer:
            if answer.status >= 300:
                raise Problem(f"the shop answered {answer.status} to {method} {path}")
            return await answer.read()
    except aiohttp.ClientError as error:
        raise Problem(f"the shop does not answer: {error}") from None
