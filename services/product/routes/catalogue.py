"""Looking at the catalogue."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from services.chassis.callers import AnyCaller
from services.chassis.database import Database
from services.chassis.errors import Forbidden, Unauthenticated
from services.chassis.fields import Id
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.web import JSONBytes
from services.product import schemas
from services.product.model.catalogue import is_not_modified
from services.product.service import catalogue as service

WRITE = "catalog:write"

router = APIRouter(prefix="/products", route_class=Route, tags=["catalogue"])


async def database(request: Request) -> Database:
    found: Database = request.app.state.database
    return found


Products = Annotated[Database, Depends(database)]
IfNoneMatch = Annotated[str | None, Header()]
_OPEN: dict[str, Any] = {"security": [{}]}  # a credential is welcome and not needed
_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "What If-None-Match names is still right"}}


@router.get("", response_model=schemas.Page, responses=problems(401, 403), openapi_extra=_OPEN)
async def list_products(database: Products, caller: AnyCaller, page: Annotated[schemas.PageQuery, Query()]) -> Response:
    """A page of products, in a stable order. `next` is the cursor of the page after it, null at the end."""
    if page.archived and WRITE not in caller.roles:
        raise Unauthenticated if caller.kind == "anonymous" else Forbidden
    body = await service.list_products(database, page.query(), limit=page.limit, cursor=page.cursor)
    return JSONBytes(body, headers={"cache-control": "no-cache"})


@router.get("/categories", response_model=schemas.Categories, responses=problems())
async def list_categories(database: Products) -> Response:
    """Every category, with the number of its products."""
    return JSONBytes(await service.list_categories(database), headers={"cache-control": "public, max-age=30"})


@router.get(
    "/{product_id}",
    response_model=schemas.Product,
    responses=problems(401, 404) | _NOT_MODIFIED,
    openapi_extra=_OPEN,
)
async def read_product(
    product_id: Id, database: Products, caller: AnyCaller, if_none_match: IfNoneMatch = None
) -> Response:
    """A product. One that is archived is shown to holders of `catalog:write` alone."""
    shown = await service.read_product(database, product_id, archived=WRITE in caller.roles)
    headers = {"etag": shown.etag, "cache-control": "no-cache", "vary": "Authorization"}
    if is_not_modified(if_none_match, shown.etag):
        return Response(status_code=304, headers=headers)
    return JSONBytes(shown.body, headers=headers)


@router.get(
    "/{product_id}/image.svg",
    response_class=Response,
    responses=problems(404) | _NOT_MODIFIED | {200: {"content": {"image/svg+xml": {}}}},
)
async def read_picture(product_id: Id, database: Products, if_none_match: IfNoneMatch = None) -> Response:
    """An illustration of the product's kind, drawn here; archived products keep theirs, for old orders."""
    picture = await service.read_picture(database, product_id)
    etag = f'"{hashlib.sha256(picture).hexdigest()[:16]}"'
    headers = {"etag": etag, "cache-control": "public, max-age=86400", "content-security-policy": "default-src 'none'"}
    if is_not_modified(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(picture, media_type="image/svg+xml", headers=headers)
