"""What the order service counts: each order once, by whoever made the change, and never when a request is repeated.

The statement that changed the row says so. An answer of PostgreSQL that is lost counts nothing: the order is right, and
a metric is one short.
"""

from services.chassis.metrics import Metric

ORDERS_PLACED = Metric(name="OrdersPlaced", unit="Count", why="Orders that became confirmed.")
REVENUE = Metric(name="Revenue", unit="None", summed=False, why="Cents of each order that became confirmed.")
ORDERS_REFUSED = Metric(
    name="OrdersRefused", unit="Count", by="reason", why="Orders that were rejected, by the code of the refusal."
)
ORDERS_RETURNED = Metric(
    name="OrdersReturned",
    unit="Count",
    by="reason",
    why="Orders whose goods went back to stock: `cancel` before they were shipped, or `refund`.",
)
RETURNED = Metric(
    name="Returned", unit="None", by="reason", summed=False, why="Cents of each order whose goods went back to stock."
)
METRICS = (ORDERS_PLACED, REVENUE, ORDERS_REFUSED, ORDERS_RETURNED, RETURNED)
