"""The order service over HTTP."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request, Response

from services.chassis.callers import AnyCaller, Customer, admin
from services.chassis.database import Database
from services.chassis.errors import Forbidden, Unauthenticated
from services.chassis.limits import InFlight, TokenBuckets
from services.chassis.metrics import Observe
from services.chassis.problems import problem, problems
from services.chassis.requests import IDEMPOTENCY_KEY, IdempotencyKey, Route
from services.chassis.web import JSONBytes
from services.order import service
from services.order.catalog import Catalog
from services.order.model import REFUSALS, Cursor, Intent, Order, Status
from services.order.schemas import Events, ListQuery, OrderIn, OrderOut, OrderPage, Report, ReportQuery, ShipmentIn

router = APIRouter(prefix="/orders", tags=["orders"], route_class=Route)

SPARE = 8  # places that reads leave to orders when much is going on
_LOCATION = {"Location": {"schema": {"type": "string"}, "description": "The order"}}
_WAITING: dict[int | str, dict[str, Any]] = {
    202: {
        "model": OrderOut,
        "description": "Not finished yet: read it again, or repeat the request",
        "headers": _LOCATION,
    }
}


@dataclass(frozen=True, slots=True)
class Shop:
    """What the routes work with, put on `app.state.shop`."""

    database: Database
    catalog: Catalog
    in_flight: InFlight
    order_rate: TokenBuckets
    observe: Observe


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a caller reaches: one customer's orders or, without an owner, everybody's."""

    owner: UUID | None
    actor: str


def reach(role: str) -> Callable[[AnyCaller], Awaitable[Reach]]:
    """A customer reaches their own orders, an admin with `role` all of them, nobody else any."""

    async def reached(caller: AnyCaller) -> Reach:
        if caller.customer_id is not None:
            return Reach(caller.customer_id, "customer")
        if role in caller.roles:
            return Reach(None, f"admin:{caller.name}")
        raise Unauthenticated if caller.kind == "anonymous" else Forbidden

    return reached


async def shop(request: Request) -> Shop:
    mounted: Shop = request.app.state.shop
    return mounted


TheShop = Annotated[Shop, Depends(shop)]
Reader = Annotated[Reach, Depends(reach("ops:read"))]
Canceller = Annotated[Reach, Depends(reach("orders:write"))]
Staff = Annotated[str, Depends(admin("orders:write"))]
Auditor = Annotated[str, Depends(admin("ops:read"))]


@router.post(
    "",
    status_code=201,
    response_model=OrderOut,
    responses={201: {"headers": _LOCATION}, **_WAITING, **problems(401, 403, 409, 415, 429)},
    openapi_extra=IDEMPOTENCY_KEY,
)
async def place_order(customer: Customer, key: IdempotencyKey, shop: TheShop, body: OrderIn) -> Response:
    """Order at the present price. 201 is a confirmed order, 202 one whose outcome is not known yet."""
    with shop.in_flight.slot():
        shop.order_rate.take(customer)
        intent = Intent(
            id=uuid4(),
            customer_id=customer,
            key=key,
            lines=body.wanted(),
            expected_total_cents=body.expected_total_cents,
        )
        return _placed(await service.place_order(shop.database, shop.catalog, intent, observe=shop.observe))


@router.get("", response_model=OrderPage, responses=problems(401, 403))
async def list_orders(reader: Reader, shop: TheShop, query: Annotated[ListQuery, Query()]) -> Response:
    """Newest first: one's own, or everybody's with the role ops:read."""
    if reader.owner is not None and query.customer_id not in {None, reader.owner}:
        raise Forbidden
    with shop.in_flight.slot(spare=SPARE):
        page = await service.list_orders(
            shop.database,
            customer_id=reader.owner or query.customer_id,
            status=query.status,
            after=Cursor.parse(query.cursor) if query.cursor is not None else None,
            limit=query.limit,
        )
    return JSONBytes(page)


@router.get("/report", response_model=Report, responses=problems(401, 403))
async def read_report(_: Auditor, shop: TheShop, query: Annotated[ReportQuery, Query()]) -> Response:
    """What was sold, hour by hour; for the staff."""
    with shop.in_flight.slot(spare=SPARE):
        body = await service.read_report(shop.database, hours=query.hours)
    return JSONBytes(body, headers={"cache-control": "no-store"})


@router.get("/{order_id}", response_model=OrderOut, responses=problems(401, 403, 404))
async def read_order(order_id: UUID, reader: Reader, shop: TheShop) -> Response:
    with shop.in_flight.slot(spare=SPARE):
        order = await service.read_order(shop.database, order_id, reader.owner)
    return JSONBytes(order.body)


@router.get("/{order_id}/events", response_model=Events, responses=problems(401, 403, 404))
async def read_events(order_id: UUID, reader: Reader, shop: TheShop) -> Response:
    """Every change of state, oldest first."""
    with shop.in_flight.slot(spare=SPARE):
        return JSONBytes(await service.read_events(shop.database, order_id, reader.owner))


@router.post("/{order_id}/cancel", response_model=OrderOut, responses=_WAITING | problems(401, 403, 404, 409))
async def cancel_order(order_id: UUID, canceller: Canceller, shop: TheShop) -> Response:
    """Before it is shipped; its stock goes back once, however often this is repeated."""
    with shop.in_flight.slot():
        order = await service.cancel_order(
            shop.database,
            shop.catalog,
            order_id,
            owner=canceller.owner,
            actor=canceller.actor,
            observe=shop.observe,
        )
    return _changed(order)


@router.post("/{order_id}/ship", response_model=OrderOut, responses=problems(401, 403, 404, 409, 415))
async def ship_order(order_id: UUID, staff: Staff, shop: TheShop, body: ShipmentIn | None = None) -> Response:
    tracking = body.tracking if body else None
    with shop.in_flight.slot():
        order = await service.ship_order(shop.database, order_id, tracking=tracking, actor=f"admin:{staff}")
    return _changed(order)


@router.post("/{order_id}/refund", response_model=OrderOut, responses=_WAITING | problems(401, 403, 404, 409))
async def refund_order(order_id: UUID, staff: Staff, shop: TheShop) -> Response:
    """A confirmed or shipped order; its stock goes back once, however often this is repeated."""
    with shop.in_flight.slot():
        order = await service.refund_order(
            shop.database, shop.catalog, order_id, actor=f"admin:{staff}", observe=shop.observe
        )
    return _changed(order)


def _placed(placed: service.Placed) -> Response:
    order = placed.order
    if order.status == Status.PENDING:
        return _waiting(order)
    if order.reject_code is not None:
        response = problem(REFUSALS[order.reject_code](order_id=str(order.id)))
    else:
        response = JSONBytes(order.body, status_code=201)
    response.headers["location"] = f"/orders/{order.id}"
    if placed.replayed:
        response.headers["idempotent-replayed"] = "true"
    return response


def _changed(order: Order) -> Response:
    if order.status in {Status.CANCELLING, Status.REFUNDING}:
        return _waiting(order)
    return JSONBytes(order.body)


def _waiting(order: Order) -> Response:
    return JSONBytes(order.body, status_code=202, headers={"location": f"/orders/{order.id}", "retry-after": "1"})
