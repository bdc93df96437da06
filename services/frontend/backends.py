"""The product and the order service as the gateway needs them, and their HTTP clients through the load balancer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel, ValidationError

from services.chassis.errors import Unavailable
from services.chassis.upstream import Answer, Upstream
from services.frontend.calls import Call, NoAnswer, document_of, read_call, read_document
from services.frontend.latency import Latency
from services.frontend.schemas import (
    Categories,
    Events,
    Inventory,
    Ledger,
    Order,
    OrderPage,
    Product,
    ProductPage,
    Report,
)
from services.frontend.shelf import Shelf

PROBE_SECONDS = 1.0
_ADMIN = "adm_"  # how an admin key begins; the catalogue shows everybody else the same


@dataclass(frozen=True, slots=True)
class Found:
    """What was read. `age` is given when it is a kept copy: the seconds since it was fresh."""

    document: Mapping[str, Any]
    answer: Answer
    age: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The backend's own no, to be passed on as it is."""

    answer: Answer


Reading = Found | Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a look at a backend's health showed. `latency_ms` is of this look; `p95_ms` of what was asked lately."""

    healthy: bool
    latency_ms: float
    p95_ms: float | None = None
    served_by: str | None = None
    version: str | None = None


class Backend(Protocol):
    """What every backend can do."""

    async def forward(self, call: Call) -> Answer:
        """Its answer, unchanged. Asked once, whatever happens. Raises NoAnswer."""

    async def probe(self) -> Probe:
        """A look at its health. Raises nothing."""


class Products(Backend, Protocol):
    """Reads answer from a copy that is at most thirty seconds old when the service is away; without one, NoAnswer."""

    async def categories(self) -> Reading: ...

    async def page(self, query: str, authorization: str = "") -> Reading:
        """A page of products; `query` as the product service takes it."""

    async def product(self, product_id: int, authorization: str = "") -> Reading: ...

    async def ledger(self, product_id: int, query: str, authorization: str) -> Reading:
        """Where the units of a product went. Never a copy."""

    async def inventory(self, query: str, authorization: str) -> Reading:
        """What there is of everything. Never a copy."""


class Orders(Backend, Protocol):
    """Every read raises NoAnswer when the service gives none."""

    async def order(self, order_id: UUID, authorization: str) -> Reading:
        """An order as its owner or the staff sees it."""

    async def page(self, query: str, authorization: str) -> Reading:
        """A page of orders; `query` as the order service takes it."""

    async def events(self, order_id: UUID, authorization: str) -> Reading:
        """Every change of an order's state, oldest first."""

    async def report(self, query: str, authorization: str) -> Reading:
        """What was sold, hour by hour."""


class _HttpBackend:
    def __init__(self, upstream: Upstream, *, probing: Upstream, health_path: str) -> None:
        """Probes have a client of their own: its breaker knows the health path alone, and neither hides the other."""
        self._upstream = upstream
        self._probing = probing
        self._health_path = health_path
        self._latency = Latency()

    async def forward(self, call: Call) -> Answer:
        answer = await self._ask(call)
        document_of(answer, call)
        return answer

    async def probe(self) -> Probe:
        started = time.perf_counter()
        try:
            answer = await self._probing.request("GET", self._health_path, timeout=PROBE_SECONDS)
        except Unavailable:
            answer = None
        milliseconds = round((time.perf_counter() - started) * 1000, 1)
        document = read_document(answer) if answer else None
        if answer is None or document is None:
            return Probe(healthy=False, latency_ms=milliseconds, p95_ms=self._latency.p95_ms)
        version = document.get("version")
        return Probe(
            healthy=answer.status == 200,
            latency_ms=milliseconds,
            p95_ms=self._latency.p95_ms,
            served_by=answer.headers.get("X-Served-By"),
            version=version if isinstance(version, str) else None,
        )

    async def _read(self, call: Call, shape: type[BaseModel]) -> Reading:
        answer = await self._ask(call)
        document = document_of(answer, call)
        if answer.status >= 400:
            return Refusal(answer)
        try:
            shape.model_validate(document)
        except ValidationError:
            raise NoAnswer from None
        return Found(document, answer)

    async def _ask(self, call: Call) -> Answer:
        started = time.perf_counter()
        try:
            return await self._upstream.request(
                call.method,
                call.path,
                query=call.query,
                body=call.body,
                headers=call.headers,
                timeout=call.seconds,
            )
        except Unavailable as error:
            raise NoAnswer(error.detail, retry_after=error.retry_after or 1) from error
        finally:
            self._latency.add(time.perf_counter() - started)


class HttpProducts(_HttpBackend):
    def __init__(self, upstream: Upstream, *, probing: Upstream, shelf: Shelf[Found]) -> None:
        super().__init__(upstream, probing=probing, health_path="/products/healthz")
        self._shelf = shelf

    async def categories(self) -> Reading:
        return await self._browse(read_call("/products/categories"), Categories)

    async def page(self, query: str, authorization: str = "") -> Reading:
        call = read_call("/products", query=query, authorization=authorization, refusals=(400, 401, 403, 422))
        return await self._browse(call, ProductPage)

    async def product(self, product_id: int, authorization: str = "") -> Reading:
        call = read_call(f"/products/{product_id}", authorization=authorization, refusals=(401, 404))
        return await self._browse(call, Product)

    async def ledger(self, product_id: int, query: str, authorization: str) -> Reading:
        path = f"/products/{product_id}/stock"
        call = read_call(path, query=query, authorization=authorization, refusals=(401, 403, 404, 422))
        return await self._read(call, Ledger)

    async def inventory(self, query: str, authorization: str) -> Reading:
        call = read_call("/products/inventory", query=query, authorization=authorization, refusals=(401, 403, 422))
        return await self._read(call, Inventory)

    async def _browse(self, call: Call, shape: type[BaseModel]) -> Reading:
        if _ADMIN in call.headers.get("Authorization", ""):  # what the staff sees is not for the next visitor
            return await self._read(call, shape)
        key = f"{call.path}?{call.query}"
        try:
            reading = await self._read(call, shape)
        except NoAnswer:
            kept = self._shelf.find(key)
            if kept is None:
                raise
            found, age = kept
            return Found(found.document, found.answer, age)
        if isinstance(reading, Found):
            self._shelf.put(key, reading, size=len(reading.answer.body))
        elif reading.answer.status == 404:
            self._shelf.drop(key)
        return reading


class HttpOrders(_HttpBackend):
    def __init__(self, upstream: Upstream, *, probing: Upstream) -> None:
        super().__init__(upstream, probing=probing, health_path="/orders/healthz")

    async def order(self, order_id: UUID, authorization: str) -> Reading:
        call = read_call(f"/orders/{order_id}", authorization=authorization, refusals=(401, 403, 404))
        return await self._read(call, Order)

    async def page(self, query: str, authorization: str) -> Reading:
        call = read_call("/orders", query=query, authorization=authorization, refusals=(401, 403, 422))
        return await self._read(call, OrderPage)

    async def events(self, order_id: UUID, authorization: str) -> Reading:
        call = read_call(f"/orders/{order_id}/events", authorization=authorization, refusals=(401, 403, 404))
        return await self._read(call, Events)

    async def report(self, query: str, authorization: str) -> Reading:
        call = read_call("/orders/report", query=query, authorization=authorization, refusals=(401, 403, 422))
        return await self._read(call, Report)
