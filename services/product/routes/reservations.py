"""Reservations, for the order service alone: every request is signed by it."""

from uuid import UUID

from fastapi import APIRouter, Depends, Response

from services.chassis.callers import peer
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.web import JSONBytes
from services.product import schemas
from services.product.routes.catalogue import Products
from services.product.service import reservations as service

router = APIRouter(
    prefix="/products/reservations/{order_id}", route_class=Route, tags=["reservations"], dependencies=[Depends(peer)]
)


@router.put(
    "",
    status_code=201,
    response_model=schemas.Reservation,
    responses=problems(401, 409, 415) | {200: {"model": schemas.Reservation, "description": "Known already"}},
)
async def reserve(order_id: UUID, database: Products, body: schemas.Reserve) -> Response:
    """Hold every line or none. The answer stands: repeating it gives the same, refusals included."""
    made, reservation = await service.reserve(database, order_id, body.wanted())
    return JSONBytes(reservation, 201 if made else 200)


@router.post("/confirm", response_model=schemas.Reservation, responses=problems(401, 404, 409))
async def confirm(order_id: UUID, database: Products) -> Response:
    """The order stands: what is held is sold."""
    return JSONBytes(await service.confirm(database, order_id))


@router.post("/release", response_model=schemas.ReservationState, responses=problems(401, 415))
async def release(order_id: UUID, database: Products, body: schemas.Release) -> schemas.ReservationState:
    """The order does not stand: give the units back, unless they are sold. Answers what is true now."""
    return schemas.ReservationState(id=order_id, state=await service.release(database, order_id, body.reason))


@router.post("/return", response_model=schemas.ReservationState, responses=problems(401, 404, 409, 415))
async def give_back(order_id: UUID, database: Products, body: schemas.Return) -> schemas.ReservationState:
    """What was sold comes back, once."""
    return schemas.ReservationState(id=order_id, state=await service.give_back(database, order_id, body.reason))
