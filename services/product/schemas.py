"""The public contract of the product service."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from services.chassis.fields import MAX_ID, VISIBLE, Boolean, Integer, Model, QueryFlag, QueryInt, Text, between, shaped
from services.product.model import catalogue, reservations
from services.product.model.catalogue import Draft
from services.product.model.listing import MAX_LIMIT, Query, Sort
from services.product.model.reservations import Line, State

Slug = Annotated[Text, shaped(catalogue.CATEGORY_LENGTH, catalogue.SLUG_PATTERN)]
Sku = Annotated[Text, shaped(catalogue.SKU_LENGTH, catalogue.SKU_PATTERN)]
Name = Annotated[Text, shaped(catalogue.NAME_LENGTH, VISIBLE)]
Description = Annotated[Text, Field(max_length=catalogue.DESCRIPTION_LENGTH)]
Cents = Annotated[Integer, between(0, catalogue.MAX_PRICE_CENTS)]
Image = Annotated[Text, shaped(catalogue.IMAGE_LENGTH, catalogue.IMAGE_PATTERN)]
QueryCents = Annotated[QueryInt, between(0, catalogue.MAX_PRICE_CENTS)]
ProductId = Annotated[Integer, between(1, MAX_ID)]


class PageQuery(Model):
    q: Annotated[Text, Field(max_length=200, description="Words, beginnings of words, or an article number")] = ""
    category: Slug | None = None
    min_price: QueryCents | None = None
    max_price: QueryCents | None = None
    in_stock: QueryFlag = False
    archived: Annotated[QueryFlag, Field(description="Archived products instead; needs catalog:write")] = False
    sort: Annotated[Sort | None, Field(description="Default: relevance with q, newest without")] = None
    limit: Annotated[QueryInt, between(1, MAX_LIMIT)] = 20
    cursor: Annotated[Text, Field(max_length=2000, description="`next` of the page before, same query")] | None = None

    def query(self) -> Query:
        return Query(
            q=self.q,
            category=self.category,
            min_price=self.min_price,
            max_price=self.max_price,
            in_stock=self.in_stock,
            archived=self.archived,
            sort=self.sort or "relevance",
        )


class Product(Model):
    id: int
    sku: str
    name: str
    description: str
    category: str
    price_cents: int
    stock: Annotated[int, Field(description="Units free to sell")]
    active: bool
    version: Annotated[int, Field(description="Counts edits; If-Match takes it")]
    image: str
    created_at: datetime
    updated_at: datetime


class Page(Model):
    items: list[Product]
    next: str | None


class Category(Model):
    slug: str
    name: str
    products: int


class Categories(Model):
    items: list[Category]


class NameCategory(Model):
    name: Annotated[Text, shaped(catalogue.CATEGORY_NAME_LENGTH, VISIBLE)]


class ReplaceProduct(Model):
    sku: Sku
    name: Name
    description: Description = ""
    category: Slug
    price_cents: Cents
    active: Boolean = True
    image: Image | None = None

    def draft(self) -> Draft:
        return Draft(
            sku=self.sku,
            name=self.name,
            description=self.description,
            category=self.category,
            price_cents=self.price_cents,
            active=self.active,
            image=self.image,
        )


class CreateProduct(ReplaceProduct):
    stock: Annotated[Integer, between(0, catalogue.MAX_STOCK, description="Opening stock")] = 0


class ChangeProduct(Model):
    """The fields to change; at least one. Only `image` may be null."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    sku: Sku = ""
    name: Name = ""
    description: Description = ""
    category: Slug = ""
    price_cents: Cents = 0
    active: Boolean = True
    image: Image | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("at least one field is required")
        return self

    def change(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


def _without_zero(schema: dict[str, Any]) -> None:
    schema["properties"]["delta"]["not"] = {"const": 0}


class ChangeStock(Model):
    model_config = ConfigDict(json_schema_extra=_without_zero)

    delta: Annotated[Integer, between(-catalogue.MAX_STOCK, catalogue.MAX_STOCK, description="Not zero")]
    reason: Annotated[Text, shaped(200, VISIBLE)]

    @model_validator(mode="after")
    def _movement(self) -> Self:
        if self.delta == 0:
            raise ValueError("a change of nothing is none")
        return self


class StockChanged(Model):
    product_id: int
    delta: int
    reason: str
    stock: Annotated[int, Field(description="Units free to sell after this change")]


class LedgerQuery(Model):
    cursor: Annotated[QueryInt, between(1, MAX_ID, description="`next` of the page before")] | None = None
    limit: Annotated[QueryInt, between(1, MAX_LIMIT)] = 20


class Movement(Model):
    """`ref` is the order, or the change that somebody asked for: then `note` says why and `author` who it was."""

    id: int
    delta: int
    reason: Literal["initial", "change", "reserve", "release", "return"]
    note: str | None
    author: str | None
    ref: UUID
    at: datetime


class Ledger(Model):
    """Newest first. `stock` is what is free to sell: the sum of every movement there has been."""

    product_id: int
    stock: int
    items: list[Movement]
    next: str | None


class InventoryQuery(Model):
    below: Annotated[QueryInt, between(1, catalogue.MAX_STOCK, description="What counts as low")] = 5
    limit: Annotated[QueryInt, between(1, MAX_LIMIT, description="Of the products that are low")] = 50


class LowProduct(Model):
    id: int
    sku: str
    name: str
    stock: int
    price_cents: int
    category: str


class CategoryStock(Model):
    slug: str
    name: str
    products: int
    units: int
    value_cents: int


class Inventory(Model):
    """Of products that are for sale, but for `archived`, which counts the others. Values are at today's prices."""

    products: int
    archived: int
    sold_out: int
    units: int
    value_cents: int
    low: Annotated[list[LowProduct], Field(description="The lowest first")]
    categories: Annotated[list[CategoryStock], Field(description="The most valuable first")]


class Imported(Model):
    rows: int
    created: int
    updated: int
    unchanged: int
    dry_run: bool


class ReservationLine(Model):
    product_id: ProductId
    qty: Annotated[Integer, between(1, reservations.MAX_QUANTITY)]


def _distinct(lines: list[ReservationLine]) -> list[ReservationLine]:
    if len({line.product_id for line in lines}) < len(lines):
        raise ValueError("each product stands in one line")
    return lines


class Reserve(Model):
    lines: Annotated[
        list[ReservationLine], Field(min_length=1, max_length=reservations.MAX_LINES), AfterValidator(_distinct)
    ]

    def wanted(self) -> list[Line]:
        return [Line(line.product_id, line.qty) for line in self.lines]


class HeldLine(Model):
    product_id: int
    qty: int
    unit_price_cents: int
    name: str
    sku: str


class Reservation(Model):
    id: UUID
    state: Literal["held", "committed"]
    expires_at: datetime
    lines: list[HeldLine]
    total_cents: int


class Release(Model):
    reason: Literal["timed-out", "price-changed", "cancelled"]


class Return(Model):
    reason: Literal["cancel", "refund"]


class ReservationState(Model):
    id: UUID
    state: State
