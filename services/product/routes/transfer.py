"""Import and export of the catalogue as CSV."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from services.chassis.callers import admin
from services.chassis.errors import UnsupportedMediaType
from services.chassis.fields import QueryFlag
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.product import schemas
from services.product.routes.catalogue import WRITE, Products
from services.product.service import transfer as service

IMPORT_BYTES = 8 * 1024 * 1024

router = APIRouter(prefix="/products", route_class=Route, tags=["transfer"], dependencies=[Depends(admin(WRITE))])


@router.post(
    "/import",
    response_model=schemas.Imported,
    responses=problems(401, 403, 409, 415),
    openapi_extra={"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def import_products(
    request: Request, database: Products, dry_run: Annotated[QueryFlag, Query()] = False
) -> schemas.Imported:
    """Write every row or none, up to 8 MiB of UTF-8; `dry_run` tells what would happen.

    The heading names the columns: `sku`, `name`, `category` and `price_cents` are required; `description`, `stock`,
    `active` and `image` are optional. Rows are matched by `sku`. `stock` is the opening stock of new products and is
    ignored for known ones, whose stock only ever moves. An error names the line and the column: `rows.3.price_cents`.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise UnsupportedMediaType("text/csv is required")
    report = await service.import_products(database, await request.body(), dry_run=dry_run)
    return schemas.Imported(
        rows=report.rows,
        created=report.created,
        updated=report.updated,
        unchanged=report.unchanged,
        dry_run=report.dry_run,
    )


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses=problems(401, 403) | {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_products(database: Products) -> StreamingResponse:
    """The whole catalogue, archived products too, as a file that `import` takes back."""
    return StreamingResponse(
        service.export_products(database),
        media_type="text/csv",
        headers={"content-disposition": 'attachment; filename="products.csv"', "cache-control": "no-store"},
    )
