"""Editing the catalogue and the stock. Every route needs an admin key with `catalog:write`."""

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from services.chassis.callers import admin
from services.chassis.errors import InvalidRequest, PreconditionRequired
from services.chassis.fields import Id
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.web import JSONBytes
from services.product import schemas
from services.product.model.catalogue import Shown, if_match_versions
from services.product.model.stock import Change
from services.product.routes.catalogue import WRITE, Products
from services.product.service import catalogue as service
from services.product.service import stock

router = APIRouter(prefix="/products", route_class=Route, tags=["editing"])

Author = Annotated[str, Depends(admin(WRITE))]
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


def versions(
    if_match: Annotated[str | None, Header(description="The ETag that was read, or the version in quotes")] = None,
) -> list[int] | None:
    if if_match is None:
        raise PreconditionRequired
    return if_match_versions(if_match)


def idempotency_key(
    request: Request,
    _: Annotated[str, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern="^[!-~]+$")] = "",
) -> str:
    keys = request.headers.getlist("idempotency-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise InvalidRequest("One Idempotency-Key of 1 to 255 printable ASCII characters is required")
    return keys[0]


Versions = Annotated[list[int] | None, Depends(versions)]
IdempotencyKey = Annotated[str, Depends(idempotency_key)]


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


@router.put("/{product_id}", response_model=schemas.Product, responses=problems(401, 403, 404, 409, 412, 415, 428))
async def replace_product(
    product_id: Id, database: Products, _: Author, versions: Versions, body: schemas.ReplaceProduct
) -> Response:
    """Write every field of a product. Stock is none of them: it only moves."""
    return _answer(await service.replace_product(database, product_id, body.draft(), versions=versions))


@router.patch("/{product_id}", response_model=schemas.Product, responses=problems(401, 403, 404, 409, 412, 415, 428))
async def change_product(
    product_id: Id, database: Products, _: Author, versions: Versions, body: schemas.ChangeProduct
) -> Response:
    """Write some fields of a product; `active` brings an archived one back."""
    return _answer(await service.change_product(database, product_id, body.change(), versions=versions))


@router.delete("/{product_id}", status_code=204, response_class=Response, responses=problems(401, 403, 404))
async def archive_product(product_id: Id, database: Products, _: Author) -> None:
    """Take a product off the shelf. Nothing is lost: orders, ledger and picture stay."""
    await service.archive_product(database, product_id)


@router.post("/{product_id}/stock", response_model=schemas.StockChanged, responses=problems(401, 403, 404, 409, 415))
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
