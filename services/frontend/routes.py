"""The gateway's own routes: pages put together from both backends, sessions, and the state of things."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from services.chassis.auth import Sessions
from services.chassis.fields import Id
from services.chassis.limits import TokenBuckets
from services.chassis.problems import problems
from services.chassis.requests import Route
from services.frontend import schemas, service
from services.frontend.backends import Orders, Products
from services.frontend.description import described
from services.frontend.forwarding import ANY_BEARER
from services.frontend.proxy import headers_on, page_back, query_on, reading_back, tagged_page_back
from services.frontend.service import Page
from services.frontend.visitors import visitor_address

router = APIRouter(prefix="/api", route_class=Route)

_NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "What If-None-Match names is still right"}}


async def products(request: Request) -> Products:
    backend: Products = request.app.state.backends["product"]
    return backend


async def orders(request: Request) -> Orders:
    backend: Orders = request.app.state.backends["order"]
    return backend


async def credential(request: Request) -> str:
    return headers_on(request).get("Authorization", "")


TheProducts = Annotated[Products, Depends(products)]
TheOrders = Annotated[Orders, Depends(orders)]
Credential = Annotated[str, Depends(credential)]


@router.post("/sessions", status_code=201, response_model=schemas.SessionOut, responses=problems(429), tags=["session"])
async def begin_session(request: Request) -> Response:
    """A new guest, without a name or a password. A few each minute for one address."""
    sessions: Sessions = request.app.state.sessions
    rate: TokenBuckets = request.app.state.session_rate
    rate.take(visitor_address(request))
    session = sessions.issue()
    answer = schemas.SessionOut(token=session.token, customer_id=session.customer_id, expires_at=session.expires_at)
    return JSONResponse(answer.model_dump(mode="json"), 201, {"Cache-Control": "no-store"})


@router.get(
    "/home",
    response_model=schemas.FrontPage,
    responses=problems() | _NOT_MODIFIED,
    openapi_extra=described(headers=("If-None-Match",)),
    tags=["pages"],
)
async def show_front_page(request: Request, products: TheProducts) -> Response:
    """The front page in one call: categories with counts, what is new, and what costs least of what is in stock."""
    return tagged_page_back(request, await service.show_front_page(products))


@router.get(
    "/products",
    response_model=schemas.ProductPage,
    responses=problems(401, 403),
    openapi_extra=described(query=schemas.ProductQuery, open_to_all=True),
    dependencies=ANY_BEARER,
    tags=["product"],
)
async def list_products(request: Request, credential: Credential, products: TheProducts) -> Response:
    """A page of products, in a stable order. `next` is the cursor of the page after it, null at the end."""
    return reading_back(await products.page(query_on(request), credential))


@router.get("/categories", response_model=schemas.Categories, responses=problems(), tags=["product"])
async def list_categories(products: TheProducts) -> Response:
    """Every category, with the number of its products."""
    return reading_back(await products.categories())


@router.get(
    "/products/{product_id}",
    response_model=schemas.ProductView,
    responses=problems(401, 404) | _NOT_MODIFIED,
    openapi_extra=described(headers=("If-None-Match",), open_to_all=True),
    dependencies=ANY_BEARER,
    tags=["pages"],
)
async def show_product(request: Request, product_id: Id, credential: Credential, products: TheProducts) -> Response:
    """A product, whether it can be had, and others of its category. Its ETag serves as If-Match for an edit."""
    page = await service.show_product(products, product_id, credential)
    version = page.document["product"]["version"] if isinstance(page, Page) else 0
    return tagged_page_back(request, page, version=version)


@router.get(
    "/orders/{order_id}",
    response_model=schemas.OrderView,
    responses=problems(401, 403, 404),
    dependencies=ANY_BEARER,
    tags=["pages"],
)
async def show_order(order_id: UUID, credential: Credential, orders: TheOrders, products: TheProducts) -> Response:
    """An order with its products as they are now."""
    return page_back(await service.show_order(orders, products, order_id, credential))


@router.get("/status", response_model=schemas.StatusOut, responses=problems(), tags=["status"])
async def show_status(orders: TheOrders, products: TheProducts) -> Response:
    """What answers behind this gateway, which runtime it is, and how fast."""
    return JSONResponse(await service.show_status(products, orders), headers={"Cache-Control": "no-store"})
