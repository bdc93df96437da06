"""Every statement on orders, one function each, the connection first."""

from pathlib import Path

from services.chassis.migrations import Owner
from services.order.store.changes import (
    PENDING_SLOTS,
    confirm_order,
    insert_order,
    move_order,
    reject_order,
    take_lease,
    take_unfinished,
    yield_lease,
)
from services.order.store.documents import select_decided, select_decided_by_key, select_events, select_order
from services.order.store.listing import select_orders
from services.order.store.report import select_report

__all__ = [
    "OWNER",
    "PENDING_SLOTS",
    "confirm_order",
    "insert_order",
    "move_order",
    "reject_order",
    "select_decided",
    "select_decided_by_key",
    "select_events",
    "select_order",
    "select_orders",
    "select_report",
    "take_lease",
    "take_unfinished",
    "yield_lease",
]

OWNER = Owner(schema="ordering", role="order_svc", folder=Path(__file__).parent.parent / "sql")
