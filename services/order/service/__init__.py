"""What can be done with orders."""

from services.order.service.changing import cancel_order, refund_order, ship_order
from services.order.service.placing import Placed, place_order
from services.order.service.reading import list_orders, read_events, read_order, read_report
from services.order.service.reconciler import reconcile_once

__all__ = [
    "Placed",
    "cancel_order",
    "list_orders",
    "place_order",
    "read_events",
    "read_order",
    "read_report",
    "reconcile_once",
    "refund_order",
    "ship_order",
]
