"""What pages show and what people do on them, over both backends."""

from services.frontend.service.carts import CartLine, CartView, show_cart
from services.frontend.service.placing import Outcome, cancel_order, place_order
from services.frontend.service.reading import (
    Page,
    availability,
    show_front_page,
    show_order,
    show_product,
    show_status,
    show_status_with_weights,
)
from services.frontend.service.shopping import Results, ShownOrder, list_orders, search, show_shelves, watch_order

__all__ = [
    "CartLine",
    "CartView",
    "Outcome",
    "Page",
    "Results",
    "ShownOrder",
    "availability",
    "cancel_order",
    "list_orders",
    "place_order",
    "search",
    "show_cart",
    "show_front_page",
    "show_order",
    "show_product",
    "show_shelves",
    "show_status",
    "show_status_with_weights",
    "watch_order",
]
