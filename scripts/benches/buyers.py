"""Buyers of one product, all at once: each a guest of its own, who asks under one key until there is a decision."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

PATIENCE = 30.0  # seconds that a buyer asks again before giving up
AGAIN = {0, 202, 429, 502, 503, 504}  # no decision yet; 0 is no answer


@dataclass(frozen=True, slots=True)
class Round:
    """What became of the buyers. `ends` counts confirmed, the codes of refusals, and unknown."""

    ends: Counter[str]
    order_ids: frozenset[str]  # of those who were told that their order is confirmed
    answers: Counter[int]  # by status, of every request that was sent
    seconds: float

    @property
    def confirmed(self) -> int:
        return self.ends["confirmed"]

    @property
    def refused(self) -> int:
        return self.ends["insufficient-stock"]

    @property
    def unknown(self) -> int:
        return self.ends.total() - self.confirmed - self.refused

    @property
    def repeated(self) -> int:
        return self.answers.total() - self.ends.total()

    @property
    def orders_per_second(self) -> float:
        return self.ends.total() / self.seconds


@dataclass(slots=True)
class _Crowd:
    http: aiohttp.ClientSession
    product_id: int
    connections: asyncio.Semaphore
    answers: Counter[int] = field(default_factory=Counter)
    order_ids: set[str] = field(default_factory=set)

    async def buy(self, token: str) -> str:
        """How it ended: confirmed, the code of the refusal, or unknown. A buyer keeps the connection to the end."""
        async with self.connections:
            end = time.monotonic() + PATIENCE
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": uuid4().hex}
            while time.monotonic() < end:
                status, document, wait = await self._ask(headers)
                code = str(document.get("type", "")).removeprefix("/problems/")
                if status == 201:
                    self.order_ids.add(document["id"])
                    return "confirmed"
                if status not in AGAIN and code != "in-progress":
                    return code or f"status {status}"
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            return "unknown"

    async def _ask(self, headers: dict[str, str]) -> tuple[int, dict[str, Any], float]:
        body = {"lines": [{"product_id": self.product_id, "qty": 1}]}
        try:
            async with self.http.post("/orders", json=body, headers=headers) as answer:
                status, text = answer.status, await answer.read()
                wait = float(answer.headers.get("Retry-After", 1))
        except (aiohttp.ClientError, TimeoutError, OSError):
            status, text, wait = 0, b"", 1.0
        self.answers[status] += 1
        try:
            document = json.loads(text)
        except ValueError:
            document = {}
        return status, document, wait


async def compete(url: str, product_id: int, tokens: Sequence[str], *, connections: int) -> Round:
    """Let the holders of these sessions buy one unit each, over so many connections."""
    connector = aiohttp.TCPConnector(limit=connections)
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as http:
        crowd = _Crowd(http, product_id, asyncio.Semaphore(connections))
        began = time.perf_counter()
        ends = await asyncio.gather(*(crowd.buy(token) for token in tokens))
        return Round(Counter(ends), frozenset(crowd.order_ids), crowd.answers, time.perf_counter() - began)
