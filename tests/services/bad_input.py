"""The table of bad inputs, and the stage on which they are played: who asks, at which door, what an answer must be."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import uuid4

from services.chassis.auth import Session
from tests.services.raw_http import Reply, request, talk
from tests.services.whole_shop import SESSIONS, Shop, admin_token, session_of

_PLACE = re.compile(r"@[a-z]+")


@dataclass(frozen=True, slots=True)
class Stage:
    """`named` is what stands for `@name` in a request; `@sku` and `@key` are new ones each time."""

    shop: Shop
    customer: Session
    named: Mapping[str, str]

    def fill(self, text: str) -> str:
        return _PLACE.sub(lambda found: self.named.get(found[0]) or uuid4().hex, text)

    def request(self, method: str, target: str, *headers: str, body: bytes | str = b"", caller: str = "") -> bytes:
        """What goes over the wire. A text is filled; bytes are sent as they are."""
        data = self.fill(body).encode() if isinstance(body, str) else body
        lines = [*headers]
        if caller:
            lines.append(f"Authorization: Bearer {self.token(caller)}")
        if data and not any(line.lower().startswith("content-type:") for line in headers):
            lines.append("Content-Type: application/json")
        return request(method, self.fill(target), *map(self.fill, lines), body=data)

    async def ask(
        self,
        method: str,
        target: str,
        *headers: str,
        body: bytes | str = b"",
        caller: str = "",
        gateway: bool = False,
    ) -> Reply:
        """The one answer of the service that owns the path or, with `gateway`, of the gateway in front of it."""
        base_url = self.shop.frontend if gateway else self.shop.doors["order" if "/orders" in target else "product"]
        if gateway:
            target = gateway_target(target)
        raw = self.request(method, target, *headers, body=body, caller=caller)
        return (await talk(base_url, raw, most=1))[0]

    async def order(self, body: str, *, key: str = "@key", token: str = "", gateway: bool = False) -> Reply:
        headers = (f"Idempotency-Key: {key}", f"Authorization: Bearer {token or self.customer.token}")
        return await self.ask("POST", "/orders", *headers, body=body, gateway=gateway)

    async def stock(self, product: str) -> int:
        units: int = (await self.ask("GET", f"/products/{product}")).json()["stock"]
        return units

    def token(self, caller: str) -> str:
        tokens = {
            "admin": admin_token(),
            "customer": self.customer.token,
            "other": SESSIONS.issue().token,
            "expired": session_of(seconds=-1),
            "forged": session_of(key=b"x" * 32),
        }
        return tokens[caller]


def gateway_target(target: str) -> str:
    return "/api" + target.replace("/products/categories", "/categories")


def must_be(reply: Reply, status: int, code: str) -> None:
    """An answer with this status; an error is a problem document, with its code when one is given."""
    assert reply.status == status, reply.body
    if code:
        assert reply.code == code, reply.body
    if status >= 400 and reply.code:
        document = reply.json()
        assert document["status"] == status
        assert document["request_id"] == reply.headers["x-request-id"]
    if status == 401:
        assert reply.headers["www-authenticate"].startswith("Bearer")
    if status in {408, 413, 414, 431}:
        assert reply.closed


Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    row: int
    name: str
    play: Play


CASES: list[Case] = []


def refused(
    row: int,
    name: str,
    method: str,
    target: str,
    *headers: str,
    status: int,
    code: str = "",
    body: bytes | str = b"",
    caller: str = "",
    gateway: tuple[int, str] = (0, ""),
) -> None:
    """One request with one answer; `gateway` is what the gateway answers when that differs."""

    async def play(stage: Stage) -> None:
        must_be(await stage.ask(method, target, *headers, body=body, caller=caller), status, code)
        reply = await stage.ask(method, target, *headers, body=body, caller=caller, gateway=True)
        must_be(reply, *(gateway if gateway[0] else (status, code)))

    CASES.append(Case(row, name, play))


def played(row: int, name: str) -> Callable[[Play], Play]:
    """A case that takes more than one request."""

    def register(play: Play) -> Play:
        CASES.append(Case(row, name, play))
        return play

    return register


DOORS = (("product", "/products/1"), ("order", "/orders"), ("frontend", "/api/products/1"))


def at_every_door(row: int, name: str, raw: str, status: int, code: str = "") -> None:
    """Bytes with `{}` for a path that this service has. What comes after them on the connection is never answered."""

    @played(row, name)
    async def _(stage: Stage) -> None:
        for door, path in DOORS:
            replies = await talk(stage.shop.doors[door], raw.format(path).encode("latin-1") + request("GET", path))
            assert [reply.status for reply in replies] == [status], door
            assert replies[0].closed
            must_be(replies[0], status, code)
