"""How things are behind the shop, for whoever wonders: health, version, runtime and speed of each service."""

from fastapi import Request, Response

from services.frontend import service
from services.frontend.latency import Latency
from services.frontend.pages.answers import show
from services.frontend.pages.route import page_router
from services.frontend.routes import TheOrders, TheProducts
from services.frontend.weights import Weights

router = page_router()


@router.get("/status")
async def show_status(request: Request, orders: TheOrders, products: TheProducts) -> Response:
    weights: Weights | None = request.app.state.weights
    status, shares = await service.show_status_with_weights(products, orders, weights)
    own: Latency = request.app.state.latency
    headers = {"Cache-Control": "no-store"}
    return show(request, "status.html", headers=headers, state=status, own_p95_ms=own.p95_ms, weights=shares)
