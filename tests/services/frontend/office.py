"""The back office in tests: what stands behind it, and somebody who is logged in."""

from typing import Any

from tests.services.frontend.conftest import STAFF
from tests.services.frontend.stand_in import CATEGORIES, ORDER_ID, StandIn, order, page, product
from tests.services.frontend.visiting import Page, Visitor

REF = "3f0d7f3a-7d8b-4a55-9c1f-0b6b6d3e1c11"
PAGES = (
    "/admin",
    "/admin/products",
    "/admin/products/new",
    "/admin/products/1",
    "/admin/products/1/stock",
    "/admin/low-stock",
    "/admin/orders",
    f"/admin/orders/{ORDER_ID}",
    "/admin/transfer",
)


def movement(number: int, **changes: Any) -> dict[str, Any]:
    at = "2026-01-02T03:04:05.000006Z"
    plain = {"delta": 3, "reason": "change", "note": "delivery", "author": "ops", "ref": REF, "at": at}
    return {"id": number} | plain | changes


def stocked(shop: StandIn, text: str = "harmless") -> None:
    """Everything that the office shows is there, and holds `text` wherever a text can stand."""
    shop.answer("GET /products/1", product(1, name=text, description=text, sku=text, image=text))
    shop.answer("GET /products", page(2) | {"items": [product(2, name=text, sku=text, category=text)]})
    categories = [*CATEGORIES["items"], {"slug": "x", "name": text, "products": 1}]
    shop.answer("GET /products/categories", {"items": categories})
    entries = [movement(2, note=text, author=text), movement(1, reason="reserve", note=None, author=None)]
    shop.answer("GET /products/1/stock", {"product_id": 1, "stock": 7, "items": entries, "next": None})
    low = {"id": 1, "sku": text, "name": text, "stock": 2, "price_cents": 100, "category": text}
    shelf = {"slug": "x", "name": text, "products": 1, "units": 2, "value_cents": 200}
    inventory = {"products": 1, "archived": 0, "sold_out": 0, "units": 2, "value_cents": 200}
    shop.answer("GET /products/inventory", inventory | {"low": [low], "categories": [shelf]})
    line = order(1)["lines"][0] | {"name": text, "sku": text}
    shown = order(1, tracking=text, lines=[line])
    shop.answer(f"GET /orders/{ORDER_ID}", shown)
    shop.answer("GET /orders", {"items": [shown | {"status": text}], "next": None})
    event = {"was": None, "status": text, "actor": text, "at": text}
    shop.answer(f"GET /orders/{ORDER_ID}/events", {"items": [event]})
    hours = [{"at": "2026-01-02T03:00:00+00:00", "orders": 2, "revenue_cents": 500}]
    best = {"product_id": 1, "sku": text, "name": text, "qty": 2, "revenue_cents": 500}
    report = {"from": "2026-01-02T03:00:00Z", "to": "2026-01-02T03:04:05Z", "hours": hours, "orders": 2}
    report |= {"revenue_cents": 500, "cancelled": 0, "refunded": 1, "by_status": {"confirmed": 1, "pending": 3}}
    shop.answer("GET /orders/report", report | {"best_sellers": [best]})


async def log_in(visitor: Visitor, name: str = "all", **fields: str) -> Page:
    door = await visitor.get("/admin/login")
    return await visitor.submit(door.form("/admin/login"), key=STAFF[name][0], **fields)
