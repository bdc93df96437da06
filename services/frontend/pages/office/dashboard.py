"""The first page of the back office: what was sold, what there is, and what needs somebody."""

from fastapi import Request, Response

from services.frontend.model.charts import bars, shares
from services.frontend.pages.office.frame import CATALOG, OPS, Anyone, office_router, show_office
from services.frontend.pages.words import compact, compact_money, hour, money
from services.frontend.routes import TheOrders, TheProducts
from services.frontend.service.overview import look_over

router = office_router()

SPANS = {"24": "24 hours", "168": "7 days"}


@router.get("")
async def show_dashboard(request: Request, staff: Anyone, orders: TheOrders, products: TheProducts) -> Response:
    span = request.query_params.get("hours", "24")
    span = span if span in SPANS else "24"
    view = await look_over(
        orders, products, staff.authorization, hours=int(span), sales=staff.may(OPS), stock=staff.may(CATALOG)
    )
    hours = view.report["hours"] if view.report else ()
    labels = [hour(entry["at"]) for entry in hours]
    categories = view.inventory["categories"] if view.inventory else ()
    return show_office(
        request,
        "dashboard.html",
        staff,
        view=view,
        spans=SPANS,
        span=span,
        orders=bars(labels, [entry["orders"] for entry in hours], mark=compact),
        revenue=bars(labels, [entry["revenue_cents"] for entry in hours], write=money, mark=compact_money),
        stock=shares([(entry["name"], entry["value_cents"]) for entry in categories[:8]]),
    )
