"""Editing the catalogue and the stock. Every route needs an admin key with `catalog:write`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from services.chassis.callers import admin
from services.chassis.errors import PreconditionRequired
from services.chassis.fields import Id
from services.chassis.problems import problems
from services.chassis.requests import IDEMPOTENCY_KEY, IdempotencyKey, Route, described_header
from services.chassis.web import JSONBytes
from services.product import schemas
from services.product.model.catalogue import IF_MATCH_PATTERN, Shown, if_match_versions
from services.product.model.stock import Change
from services.product.routes.catalogue import WRITE, Products
from services.product.service import catalogue as service
from services.product.service import stock

router = APIRouter(prefix="/products", route_class=Route, tags=["editing"])

Author = Annotated[str, Depends(admin(WRITE))]


async def versions(request: Request) -> list[int] | None:
    header = request.headers.get("if-match")
    if header is None:
        raise PreconditionRequired
    return if_match_versions(header)


IF_MATCH = described_header("If-Match", IF_MATCH_PATTERN, "The ETag that was read, its version, or *")

Versions = Annotated[list[int] | None, Depends(versions)]


def _answer(shown: Shown, status: int = 200, **headers: str) -> Response:
    return JSONBytes(shown.body, status, {"etag": shown.etag, **headers})


@router.post("", status_code=201, response_model=schemas.Product, responses=problems(401, 403, 409, 415))
async def create_product(database: Products, _: Author, body: schemas.CreateProduct) -> Response:
    """A new product. Its opening stock is the first entry of its ledger."""
    identifier, shown = await service.create_product(database, body.draft(), stock=body.stock)
    return _answer(shown, 201, location=f"/products/{identifier}")


@router.put("/categories/{slug}", status_code=204, response_class=Response, responses=problems(401, 403, 415))
async def name_category(
    slug: Annotated[schemas.Slug, Path()], database: Products, _: Author, body: schemas.NameCategory
) -> None:
    """Make a category, or give it another name."""
    await service.name_category(database, slug, body.name)


@router.put(
    "/{product_id}",
    response_model=schemas.Product,
    responses=problems(401, 403, 404, 409, 412, 415, 428),
    openapi_extra=IF_MATCH,
)
async def replace_product(
    product_id: Id, database: Products, _: Author, versions: Versions, body: schemas.ReplaceProduct
) -> Response:
    """Write every field of a product. Stock is none of them: it only moves."""
    return _answer(await service.replace_product(database, product_id, body.draft(), versions=versions))


@router.patch(
    "/{product_id}",
    response_model=schemas.Product,
    responses=problems(401, 403, 404, 409, 412, 415, 428),
    openapi_extra=IF_MATCH,
)
async def change_product(
    product_id: Id, database: Products, _: Author, versions: Versions, body: schemas.ChangeProduct
) -> Response:
    """Write some fields of a product; `active` brings an archived one back."""
    return _answer(await service.change_product(database, product_id, body.change(), versions=versions))


@router.delete("/{product_id}", status_code=204, response_class=Response, responses=problems(401, 403, 404))
async def archive_product(product_id: Id, database: Products, _: Author) -> None:
    """Take a product off the shelf. Nothing is lost: orders, ledger and picture stay."""
    await service.archive_product(database, product_id)


@router.post(
    "/{product_id}/stock",
    response_model=schemas.StockChanged,
    responses=problems(401, 403, 404, 409, 415),
    openapi_extra=IDEMPOTENCY_KEY,
)
async def change_stock(
    product_id: Id, database: Products, author: Author, key: IdempotencyKey, body: schemas.ChangeStock
) -> Response:
    """Add or take units. Never an absolute value: between reading and writing one, somebody buys.

    The same key gives the same answer again, a refusal included, and changes nothing.
    """
    change = Change(key=key, delta=body.delta, reason=body.reason, author=author)
    left, replayed = await stock.change_stock(database, product_id, change)
    answer = schemas.StockChanged(product_id=product_id, delta=body.delta, reason=body.reason, stock=left)
    headers = {"idempotent-replayed": "true"} if replayed else None
    return JSONBytes(answer.model_dump_json(), headers=headers)
