"""Looking at the stock: the ledger of a product, and what there is of everything. Needs `catalog:write`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from services.chassis.callers import admin
from services.chassis.fields import Id
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.chassis.web import JSONBytes
from services.product import schemas
from services.product.routes.catalogue import WRITE, Products
from services.product.service import stock as service

router = APIRouter(prefix="/products", route_class=Route, tags=["stock"], dependencies=[Depends(admin(WRITE))])

PRIVATE = {"cache-control": "no-store"}


@router.get("/inventory", response_model=schemas.Inventory, responses=problems(401, 403))
async def read_inventory(database: Products, query: Annotated[schemas.InventoryQuery, Query()]) -> Response:
    """How many products, units and cents there are, in all and by category, and which products run out."""
    body = await service.read_inventory(database, below=query.below, limit=query.limit)
    return JSONBytes(body, headers=PRIVATE)


@router.get("/{product_id}/stock", response_model=schemas.Ledger, responses=problems(401, 403, 404))
async def read_ledger(product_id: Id, database: Products, query: Annotated[schemas.LedgerQuery, Query()]) -> Response:
    """Every movement of a product's stock, newest first. `next` is the cursor of the page after, null at the end."""
    body = await service.read_ledger(database, product_id, after=query.cursor, limit=query.limit)
    return JSONBytes(body, headers=PRIVATE)
