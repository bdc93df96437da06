"""Looking around: the front page, results, and a product."""

import re
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from services.chassis.errors import NotFound
from services.chassis.fields import MAX_ID
from services.frontend import service
from services.frontend.model.searching import read_search
from services.frontend.pages.answers import show
from services.frontend.pages.route import page_router
from services.frontend.pages.visitor import visitor
from services.frontend.routes import TheProducts

router = page_router()

_NUMBER = re.compile("[1-9][0-9]{0,18}", re.ASCII)


@router.get("/")
async def show_front_page(request: Request, products: TheProducts) -> Response:
    page = await service.show_front_page(products)
    return show(request, "front.html", **page.document, trio=_trio(page.document))


def _trio(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Three things to begin with, of different kinds where there are."""
    shown = [*(document["newest"] or ()), *(document["cheapest"] or ())]
    kinds = {product["category"]: product for product in reversed(shown)}
    return list(kinds.values())[-3:] if len(kinds) > 2 else shown[:3]


@router.get("/shop")
async def show_results(request: Request, products: TheProducts) -> Response:
    """What was searched for, or everything, by the page."""
    wanted = read_search(request.query_params)
    if wanted.errors:
        results = service.Results([], None, None, refused=True)
    else:
        results = await service.search(products, wanted)
    return show(request, "results.html", status=422 if results.refused else 200, search=wanted, results=results)


@router.get("/item/{number}")
async def show_product(request: Request, number: str, products: TheProducts) -> Response:
    page, categories = await service.show_shelves(products, product_id(number))
    results = service.Results([], None, categories)
    in_cart = visitor(request).cart.quantity(page.document["product"]["id"])
    return show(request, "product.html", **page.document, results=results, in_cart=in_cart)


def product_id(text: str) -> int:
    """The number in an address. Raises NotFound for anything else."""
    if not _NUMBER.fullmatch(text) or int(text) > MAX_ID:
        raise NotFound
    return int(text)
