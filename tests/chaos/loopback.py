"""The product service in process, behind a line on which requests and answers get lost or are made up by others."""

import asyncio
import json as jsonlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from services.chassis.auth import InternalRequest, Signer
from services.chassis.errors import Unavailable
from services.chassis.upstream import Answer, Upstream
from tests.chaos import shelf as model

# What can become of a call: who asked learns nothing, whether it was carried out or not.
FATES = {
    "answered": True,
    "unanswered": True,
    "cut": True,
    "page after it": True,
    "lost": False,
    "page before it": False,
    "refused by a parser": False,
    "not found by a balancer": False,
}
PAGE = b"<html><head><title>%d</title></head></html>"
STATUSES = {"not-found": 404, "unknown-product": 422, "key-reuse": 422}


class Loopback(Upstream):
    """An Upstream without a network. `shelf` is the model that must have answered the same."""

    def __init__(self, app: FastAPI, signer: Signer) -> None:
        super().__init__("http://product", audience="product")
        self._app = app
        self._sign = signer.sign
        self.shelf = model.Shelf()
        self.fate = "answered"  # of the next call
        self.closed = False  # as an open breaker is

    @property
    def open(self) -> bool:
        return self.closed

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | str = "",
        json: Any = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float = 3.0,  # noqa: ASYNC109 - as the real one has it
        tries: int = 1,
    ) -> Answer:
        del query, headers, timeout, tries
        fate, self.fate = self.fate, "answered"
        answer = None
        if FATES[fate]:
            answer = await self._carried_out(method, path, body if json is None else jsonlib.dumps(json).encode())
            assert _comparable(answer) == _expected(self.shelf, path, json), path
        match fate, answer:
            case ("answered", Answer()):
                return answer
            case ("cut", Answer()):
                return Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2])
            case ("page before it" | "page after it", _):
                return Answer(502, {"Content-Type": "text/html"}, PAGE % 502)
            case ("refused by a parser", _):
                return Answer(400, {"Content-Type": "text/plain"}, b"Invalid HTTP request received.")
            case ("not found by a balancer", _):
                return Answer(404, {"Content-Type": "text/html"}, PAGE % 404)
        raise Unavailable(fate)

    async def _carried_out(self, method: str, path: str, body: bytes) -> Answer:
        signature = self._sign(InternalRequest(method, path, body, "product"))
        headers = {"host": "product", "authorization": signature, "content-length": str(len(body))}
        if body:
            headers["content-type"] = "application/json"
        # In a task, so that what the app puts into context variables stays there.
        return await asyncio.create_task(asked(self._app, method, path, headers, body))


async def asked(app: FastAPI, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """One request to an app, without a server."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    received = {name.decode().title(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], received, b"".join(message.get("body", b"") for message in sent[1:]))


def _comparable(answer: Answer) -> tuple[int, Any]:
    document = answer.json()
    if answer.status >= 400:
        ids = document.get("product_ids")
        return answer.status, (document["type"].removeprefix("/problems/"), ids and tuple(ids))
    if "lines" not in document:
        return answer.status, (document["state"],)
    lines = ((line["product_id"], line["qty"], line["unit_price_cents"]) for line in document["lines"])
    return answer.status, (document["state"], tuple(lines), document["total_cents"])


def _expected(shelf: model.Shelf, path: str, json: Any) -> tuple[int, Any]:
    _, _, _, identifier, *action = path.split("/")
    order_id = UUID(identifier)
    match action:
        case []:
            wanted = tuple((line["product_id"], line["qty"]) for line in json["lines"])
            answer = model.alone(shelf.reserve(order_id, wanted))
        case ["confirm"]:
            answer = model.alone(shelf.confirm(order_id))
        case ["release"]:
            answer = model.alone(shelf.release(order_id, json["reason"]))
        case _:
            answer = model.alone(shelf.give_back(order_id, json["reason"]))
    if answer[0] == "refused":
        return STATUSES.get(answer[1], 409), answer[1:]
    if answer[0] in {"made", "known"}:
        return 201 if answer[0] == "made" else 200, answer[1:]
    return 200, answer
