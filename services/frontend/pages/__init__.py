"""The pages: HTML for people. Each module has the routes of one noun; none of them is in the OpenAPI document."""

from services.frontend.pages import assets, cart, checkout, office, orders, shop, status
from services.frontend.pages.errors import refuse
from services.frontend.pages.look import look

ROUTERS = (shop.router, assets.router, cart.router, checkout.router, orders.router, status.router, *office.ROUTERS)

__all__ = ["ROUTERS", "look", "refuse"]
