"""THE TABLE of what the gateway passes on. A path that is not in it, or in `routes`, leads nowhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from services.frontend import schemas
from services.frontend.calls import READ_SECONDS, WRITE_SECONDS

IMPORT_PATH = "/api/products/import"
TRANSFER_SECONDS = 25.0  # for files of up to 8 MiB

Caller = Literal["session", "admin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method and path here, the path there, and what the OpenAPI document says about it.

    `answers` are the statuses of success with their bodies, the usual one first; the path's parameters have the same
    names on both sides.
    """

    method: str
    path: str
    backend: Literal["product", "order"]
    to: str
    name: str
    answers: dict[int, type[BaseModel] | None]
    refusals: Sequence[int]
    callers: Sequence[Caller] = ("admin",)
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    csv: Literal["", "body", "answer"] = ""
    headers: Sequence[str] = ()
    seconds: float = WRITE_SECONDS


ANYBODY: Sequence[Caller] = ("session", "admin")

OPERATIONS = (
    Operation(
        method="GET",
        path="/products/export",
        backend="product",
        to="/products/export",
        name="export_products",
        answers={200: None},
        refusals=(401, 403),
        csv="answer",
        seconds=TRANSFER_SECONDS,
    ),
    Operation(
        method="POST",
        path="/products/import",
        backend="product",
        to="/products/import",
        name="import_products",
        answers={200: schemas.Imported},
        refusals=(401, 403, 409, 415),
        query=schemas.ImportQuery,
        csv="body",
        seconds=TRANSFER_SECONDS,
    ),
    Operation(
        method="POST",
        path="/products",
        backend="product",
        to="/products",
        name="create_product",
        answers={201: schemas.Product},
        refusals=(401, 403, 409, 415),
        body=schemas.CreateProduct,
    ),
    Operation(
        method="PUT",
        path="/products/{product_id}",
        backend="product",
        to="/products/{product_id}",
        name="replace_product",
        answers={200: schemas.Product},
        refusals=(401, 403, 404, 409, 412, 415, 428),
        body=schemas.ReplaceProduct,
        headers=("If-Match",),
    ),
    Operation(
        method="PATCH",
        path="/products/{product_id}",
        backend="product",
        to="/products/{product_id}",
        name="change_product",
        answers={200: schemas.Product},
        refusals=(401, 403, 404, 409, 412, 415, 428),
        body=schemas.ChangeProduct,
        headers=("If-Match",),
    ),
    Operation(
        method="DELETE",
        path="/products/{product_id}",
        backend="product",
        to="/products/{product_id}",
        name="archive_product",
        answers={204: None},
        refusals=(401, 403, 404),
    ),
    Operation(
        method="POST",
        path="/products/{product_id}/stock",
        backend="product",
        to="/products/{product_id}/stock",
        name="change_stock",
        answers={200: schemas.StockChanged},
        refusals=(401, 403, 404, 409, 415),
        body=schemas.ChangeStock,
        headers=("Idempotency-Key",),
    ),
    Operation(
        method="GET",
        path="/products/inventory",
        backend="product",
        to="/products/inventory",
        name="read_inventory",
        answers={200: schemas.Inventory},
        refusals=(401, 403),
        query=schemas.InventoryQuery,
        seconds=READ_SECONDS,
    ),
    Operation(
        method="GET",
        path="/products/{product_id}/stock",
        backend="product",
        to="/products/{product_id}/stock",
        name="read_ledger",
        answers={200: schemas.Ledger},
        refusals=(401, 403, 404),
        query=schemas.LedgerQuery,
        seconds=READ_SECONDS,
    ),
    Operation(
        method="PUT",
        path="/categories/{slug}",
        backend="product",
        to="/products/categories/{slug}",
        name="name_category",
        answers={204: None},
        refusals=(401, 403, 415),
        body=schemas.NameCategory,
    ),
    Operation(
        method="GET",
        path="/orders",
        backend="order",
        to="/orders",
        name="list_orders",
        answers={200: schemas.OrderPage},
        refusals=(401, 403),
        callers=ANYBODY,
        query=schemas.OrderQuery,
        seconds=READ_SECONDS,
    ),
    Operation(
        method="GET",
        path="/orders/report",
        backend="order",
        to="/orders/report",
        name="read_report",
        answers={200: schemas.Report},
        refusals=(401, 403),
        query=schemas.ReportQuery,
        seconds=READ_SECONDS,
    ),
    Operation(
        method="POST",
        path="/orders",
        backend="order",
        to="/orders",
        name="place_order",
        answers={201: schemas.Order, 202: schemas.Order},
        refusals=(401, 403, 409, 415, 429),
        callers=("session",),
        body=schemas.OrderIn,
        headers=("Idempotency-Key",),
    ),
    Operation(
        method="GET",
        path="/orders/{order_id}/events",
        backend="order",
        to="/orders/{order_id}/events",
        name="read_events",
        answers={200: schemas.Events},
        refusals=(401, 403, 404),
        callers=ANYBODY,
        seconds=READ_SECONDS,
    ),
    Operation(
        method="POST",
        path="/orders/{order_id}/cancel",
        backend="order",
        to="/orders/{order_id}/cancel",
        name="cancel_order",
        answers={200: schemas.Order, 202: schemas.Order},
        refusals=(401, 403, 404, 409),
        callers=ANYBODY,
    ),
    Operation(
        method="POST",
        path="/orders/{order_id}/ship",
        backend="order",
        to="/orders/{order_id}/ship",
        name="ship_order",
        answers={200: schemas.Order},
        refusals=(401, 403, 404, 409, 415),
        body=schemas.ShipmentIn,
        body_required=False,
    ),
    Operation(
        method="POST",
        path="/orders/{order_id}/refund",
        backend="order",
        to="/orders/{order_id}/refund",
        name="refund_order",
        answers={200: schemas.Order, 202: schemas.Order},
        refusals=(401, 403, 404, 409),
    ),
)
