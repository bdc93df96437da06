"""Customers who remember every answer they got, to be held against what is stored (I8)."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from services.chassis.auth import Session, Sessions
from tests.chaos.processes import KEY

SESSIONS = Sessions({"k": bytes.fromhex(KEY)})
PATIENCE = 20.0
DECIDED = {201, 409, 422}


@dataclass(slots=True)
class Customer:
    """One wish under one key, repeated until it is decided."""

    lines: dict[int, int]
    key: str = field(default_factory=lambda: uuid4().hex)
    session: Session = field(default_factory=SESSIONS.issue)
    seen: list[tuple[int, Any]] = field(default_factory=list)  # status and document; 0 when there was no answer

    async def ask(self, http: aiohttp.ClientSession, url: str, request_id: str = "") -> int:
        headers = {"Authorization": f"Bearer {self.session.token}", "Idempotency-Key": self.key}
        if request_id:
            headers["X-Request-Id"] = request_id
        body = {"lines": [{"product_id": id_, "qty": qty} for id_, qty in self.lines.items()]}
        try:
            async with http.post(f"{url}/orders", json=body, headers=headers) as answer:
                ours = answer.content_type in {"application/json", "application/problem+json"}
                self.seen.append((answer.status, json.loads(await answer.read()) if ours else None))
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.seen.append((0, None))
        return self.seen[-1][0]

    @property
    def decided(self) -> bool:
        return bool(self.seen) and self._is_decision(*self.seen[-1])

    async def insist(self, http: aiohttp.ClientSession, url: str) -> None:
        """Ask again under the same key until there is a decision."""
        end = time.monotonic() + PATIENCE
        while not self.decided:
            assert time.monotonic() < end, f"undecided for too long: {self.seen}"
            await asyncio.sleep(0.25)
            await self.ask(http, url)

    @property
    def decisions(self) -> set[tuple[str, str]]:
        """What it was told of its order: its id and what became of it. More than one is a broken promise."""
        found = set()
        for status, document in self.seen:
            if self._is_decision(status, document):
                confirmed = status == 201
                told = "confirmed" if confirmed else document["type"].removeprefix("/problems/")
                found.add((document["id"] if confirmed else document["order_id"], told))
        return found

    def surprises(self) -> list[tuple[int, Any]]:
        """Answers that no customer may get: a 500, or one that says nothing known."""
        allowed = {0, 201, 202, 409, 422, 429, 502, 503, 504}
        return [(status, document) for status, document in self.seen if status not in allowed]

    @staticmethod
    def _is_decision(status: int, document: Any) -> bool:
        return status in DECIDED and not str(document.get("type", "")).endswith("/in-progress")
