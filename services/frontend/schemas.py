"""The contract of the gateway, as its OpenAPI document shows it.

What is passed on is described here and judged by the backend alone. A description is never in force, so it could be
wrong for long: a test compares each of them with the backend's own.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.chassis.fields import MAX_ID, VISIBLE, Integer, Model, QueryFlag, QueryInt, Text, between, shaped

Slug = Annotated[Text, shaped(60, r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Sku = Annotated[Text, shaped(64, r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
Name = Annotated[Text, shaped(200, VISIBLE)]
Description = Annotated[Text, Field(max_length=4000)]
Price = Annotated[Integer, between(0, 100_000_000)]
Image = Annotated[Text, shaped(500, r"^(/[!-~]*|https://[!-~]+)$")]
QueryPrice = Annotated[QueryInt, between(0, 100_000_000)]
Status = Literal["pending", "rejected", "confirmed", "shipped", "cancelling", "cancelled", "refunding", "refunded"]


class Document(BaseModel):
    """What a backend answers. It may say more tomorrow than is known here today."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True, strict=True)


# What backends answer


class Category(Document):
    slug: str
    name: str
    products: int


class Categories(Document):
    items: list[Category]


class Product(Document):
    id: int
    sku: str
    name: str
    description: str
    category: str
    price_cents: int
    stock: int
    active: bool
    version: int
    image: str


class ProductPage(Document):
    items: list[Product]
    next: str | None


class StockChanged(Document):
    product_id: int
    delta: int
    reason: str
    stock: int


class Movement(Document):
    """`ref` is the order, or the change that somebody asked for: then `note` says why and `author` who it was."""

    id: int
    delta: int
    reason: str
    note: str | None
    author: str | None
    ref: str
    at: str


class Ledger(Document):
    """Newest first. `stock` is what is free to sell: the sum of every movement there has been."""

    product_id: int
    stock: int
    items: list[Movement]
    next: str | None


class LowProduct(Document):
    id: int
    sku: str
    name: str
    stock: int
    price_cents: int
    category: str


class CategoryStock(Document):
    slug: str
    name: str
    products: int
    units: int
    value_cents: int


class Inventory(Document):
    """Of products that are for sale, but for `archived`, which counts the others. Values are at today's prices."""

    products: int
    archived: int
    sold_out: int
    units: int
    value_cents: int
    low: list[LowProduct]
    categories: list[CategoryStock]


class Imported(Document):
    rows: int
    created: int
    updated: int
    unchanged: int
    dry_run: bool


class OrderLine(Document):
    """Price and name are those of the moment of the order, and null until it is confirmed."""

    product_id: int
    sku: str | None
    name: str | None
    qty: int
    unit_price_cents: int | None
    line_total_cents: int | None


class Order(Document):
    id: str
    status: str
    reject_code: str | None
    total_cents: int | None
    lines: list[OrderLine]
    created_at: str
    decided_at: str | None


class OrderPage(Document):
    items: list[Order]
    next: str | None


class Event(Document):
    was: str | None
    status: str
    actor: str
    at: str


class Events(Document):
    items: list[Event]


class Hour(Document):
    at: str
    orders: int
    revenue_cents: int


class BestSeller(Document):
    product_id: int
    sku: str
    name: str
    qty: int
    revenue_cents: int


class Report(Document):
    """`orders` and `revenue_cents` are of all orders placed in that time that were confirmed, whatever became of them;
    `cancelled` and `refunded` say how many of them no longer stand, and `best_sellers` leaves these out. `by_status`
    counts every order of that time by its present status, refused ones too."""

    from_: Annotated[str, Field(alias="from")]
    to: str
    hours: list[Hour]
    orders: int
    revenue_cents: int
    cancelled: int
    refunded: int
    best_sellers: list[BestSeller]
    by_status: dict[str, int]


# What the gateway answers itself


class SessionOut(Model):
    """`token` is a Bearer credential: whoever holds it is this customer."""

    token: str
    customer_id: UUID
    expires_at: datetime


class Notes(Model):
    missing: Annotated[list[str], Field(description="Parts that could not be had; each of them is null or incomplete")]
    stale: Annotated[list[str], Field(description="Parts that are copies of up to 30 seconds ago")]


class FrontPage(Notes):
    categories: list[Category] | None
    newest: list[Product] | None
    cheapest: Annotated[list[Product] | None, Field(description="Of what is in stock")]


class Availability(Model):
    state: Literal["in-stock", "low", "sold-out"]
    left: Annotated[int | None, Field(description="null when there are plenty")]


class ProductView(Notes):
    product: Product
    availability: Availability
    related: Annotated[list[Product] | None, Field(description="Others of its category that are in stock")]


class OrderView(Notes):
    order: Order
    products: Annotated[list[Product] | None, Field(description="Those of its products that are for sale, as now")]


class Health(Model):
    name: str
    healthy: bool
    served_by: str | None
    version: str | None
    latency_ms: Annotated[float, Field(description="Of the look at its health just now")]
    p95_ms: Annotated[float | None, Field(description="Of what was asked of it in the last five minutes")]


class StatusOut(Model):
    status: Literal["ok", "degraded", "down"]
    backends: list[Health]


# What is passed on to backends


class ProductQuery(Model):
    q: Annotated[Text, Field(max_length=200, description="Words, beginnings of words, or an article number")] = ""
    category: Slug | None = None
    min_price: QueryPrice | None = None
    max_price: QueryPrice | None = None
    in_stock: QueryFlag = False
    archived: Annotated[QueryFlag, Field(description="Archived products instead; needs catalog:write")] = False
    sort: Annotated[
        Literal["relevance", "name", "price", "-price", "newest"] | None,
        Field(description="Default: relevance with q, newest without"),
    ] = None
    limit: Annotated[QueryInt, between(1, 100)] = 20
    cursor: Annotated[Text, Field(max_length=2000, description="`next` of the page before, same query")] | None = None


class ImportQuery(Model):
    dry_run: Annotated[QueryFlag, Field(description="Say what would happen and change nothing")] = False


class OrderQuery(Model):
    status: Status | None = None
    customer_id: Annotated[UUID | None, Field(description="For the back office")] = None
    cursor: Annotated[str, Field(pattern=r"^[0-9]{16}-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")] | None = None
    limit: Annotated[QueryInt, between(1, 100)] = 20


class LedgerQuery(Model):
    cursor: Annotated[QueryInt, between(1, MAX_ID, description="`next` of the page before")] | None = None
    limit: Annotated[QueryInt, between(1, 100)] = 20


class InventoryQuery(Model):
    below: Annotated[QueryInt, between(1, 1_000_000_000, description="What counts as low")] = 5
    limit: Annotated[QueryInt, between(1, 100, description="Of the products that are low")] = 50


class ReportQuery(Model):
    hours: Annotated[QueryInt, between(1, 168, description="The present one and those before it")] = 24


class NameCategory(Model):
    name: Annotated[Text, shaped(80, VISIBLE)]


class ReplaceProduct(Model):
    sku: Sku
    name: Name
    description: Description = ""
    category: Slug
    price_cents: Price
    active: bool = True
    image: Image | None = None


class CreateProduct(ReplaceProduct):
    stock: Annotated[Integer, between(0, 1_000_000_000, description="Opening stock")] = 0


class ChangeProduct(Model):
    """The fields to change; at least one. Only `image` may be null."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    sku: Sku = ""
    name: Name = ""
    description: Description = ""
    category: Slug = ""
    price_cents: Price = 0
    active: bool = True
    image: Image | None = None


def _without_zero(schema: dict[str, Any]) -> None:
    schema["properties"]["delta"]["not"] = {"const": 0}


class ChangeStock(Model):
    model_config = ConfigDict(json_schema_extra=_without_zero)

    delta: Annotated[Integer, between(-1_000_000_000, 1_000_000_000, description="Not zero")]
    reason: Annotated[Text, shaped(200, VISIBLE)]


class LineIn(Model):
    product_id: Annotated[Integer, between(1, MAX_ID)]
    qty: Annotated[Integer, between(1, 1000)]


class OrderIn(Model):
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=50, description="Each product once")]
    expected_total_cents: Annotated[
        Annotated[Integer, between(0, 10**15)] | None,
        Field(description="When given, the order is refused unless this is its total."),
    ] = None


class ShipmentIn(Model):
    tracking: Annotated[Text, shaped(200, r"^[^\x00-\x1f]+$")] | None = None
