"""A change of stock that a person asks for: a difference, never an absolute value."""

from dataclasses import dataclass

from services.chassis.errors import Conflict
from services.product.model.reservations import InsufficientStock, KeyReuse

CONSTRAINT = "product_stock_check"  # of sql/0001: what stands when every conditional statement has failed


class StockLimit(Conflict):
    code = "stock-limit"
    title = "More than the shop can count"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    key: str
    delta: int
    reason: str
    author: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A change as stored under its key; `stock` is what was left after it, or None when it was refused."""

    delta: int
    reason: str
    stock: int | None


def answer(recorded: Recorded, change: Change) -> int:
    """The stock that the change left, the first time and every time. Raises what it was refused with."""
    if (recorded.delta, recorded.reason) != (change.delta, change.reason):
        raise KeyReuse
    if recorded.stock is None:
        raise InsufficientStock if recorded.delta < 0 else StockLimit
    return recorded.stock
