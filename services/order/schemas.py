"""Bodies, queries and answers of the order service, as its OpenAPI document shows them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from services.chassis.fields import MAX_ID, Integer, Model, QueryInt, Text, between, shaped
from services.order.model import CURSOR, Line, Status, canonical

# Above any total there can be, and exact in the floating point numbers of other languages.
Cents = Annotated[Integer, between(0, 10**15)]


class LineIn(Model):
    product_id: Annotated[Integer, between(1, MAX_ID)]
    qty: Annotated[Integer, between(1, 1000)]


def _distinct(lines: list[LineIn]) -> list[LineIn]:
    if len({line.product_id for line in lines}) != len(lines):
        raise ValueError("a product may appear in one line only")
    return lines


class OrderIn(Model):
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=50), AfterValidator(_distinct)]
    expected_total_cents: Annotated[
        Cents | None, Field(description="When given, the order is refused unless this is its total.")
    ] = None

    def wanted(self) -> tuple[Line, ...]:
        return canonical([Line(line.product_id, line.qty) for line in self.lines])


class ShipmentIn(Model):
    tracking: Annotated[Text, shaped(200, r"^[^\x00-\x1f]+$")] | None = None


class ListQuery(Model):
    """`customer_id` is for the back office."""

    status: Status | None = None
    customer_id: UUID | None = None
    cursor: Annotated[str, Field(pattern=f"^{CURSOR}$")] | None = None
    limit: Annotated[QueryInt, between(1, 100)] = 20


class LineOut(Model):
    """Price and name are those of the moment of the order, and null until it is confirmed."""

    product_id: int
    sku: str | None
    name: str | None
    qty: int
    unit_price_cents: int | None
    line_total_cents: int | None


class OrderOut(Model):
    id: UUID
    customer_id: UUID
    status: Status
    reject_code: str | None
    total_cents: int | None
    tracking: str | None
    lines: list[LineOut]
    created_at: datetime
    decided_at: datetime | None


class OrderPage(Model):
    """Newest first; `next` is the cursor of the page after, null on the last."""

    items: list[OrderOut]
    next: str | None


class EventOut(Model):
    was: Status | None
    status: Status
    actor: str
    at: datetime


class Events(Model):
    items: list[EventOut]


class ReportQuery(Model):
    hours: Annotated[QueryInt, between(1, 168, description="The present one and those before it")] = 24


class HourOut(Model):
    at: datetime
    orders: int
    revenue_cents: int


class BestSeller(Model):
    product_id: int
    sku: str
    name: str
    qty: int
    revenue_cents: int


class Report(Model):
    """`orders` and `revenue_cents` are of all orders placed in that time that were confirmed, whatever became of them;
    `cancelled` and `refunded` say how many of them no longer stand, and `best_sellers` leaves these out. `by_status`
    counts every order of that time by its present status, refused ones too."""

    from_: Annotated[datetime, Field(alias="from")]
    to: datetime
    hours: Annotated[list[HourOut], Field(description="The oldest first; none is left out")]
    orders: int
    revenue_cents: int
    cancelled: int
    refunded: int
    best_sellers: list[BestSeller]
    by_status: dict[Status, int]
