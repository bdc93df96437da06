"""A line of the bill: so much of something, at the price the table has for it."""

from dataclasses import dataclass

from cfn.costs.table import Price


@dataclass(frozen=True, slots=True)
class Item:
    """What a rule finds at a resource. `what` stays the same when the size changes, which is `detail`. `times` changes
    the price itself: Multi-AZ, or Spot's discount."""

    group: str
    price: str
    quantity: float
    what: str
    detail: str = ""
    times: float = 1

    def __str__(self) -> str:
        return f"{self.what}, {self.detail}" if self.detail else self.what


@dataclass(frozen=True, slots=True)
class Line:
    stack: str
    resource: str
    type: str
    item: Item
    price: Price

    @property
    def usd(self) -> float:
        return self.item.quantity * self.price.usd * self.item.times

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it the same line in two renderings."""
        return self.stack, self.resource, self.item.what
