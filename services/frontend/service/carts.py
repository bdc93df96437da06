"""A cart as it stands against the shelves: what each line costs now, and whether there is enough."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.chassis.upstream import deadline
from services.frontend.backends import Found, Products
from services.frontend.calls import READ_SECONDS
from services.frontend.model.cart import Cart, Line
from services.frontend.service.reading import look_up


@dataclass(frozen=True, slots=True)
class CartLine:
    """`state` is ok, short (some, but not as many), sold-out, gone (no longer sold) or unknown (cannot be asked)."""

    line: Line
    state: str
    product: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        name = str(self.product["name"]) if self.product else self.line.name
        return name or f"Article {self.line.product_id}"

    @property
    def unit_cents(self) -> int:
        return int(self.product["price_cents"]) if self.product else self.line.seen_cents

    @property
    def left(self) -> int:
        return int(self.product["stock"]) if self.product else 0

    @property
    def changed(self) -> bool:
        return self.product is not None and self.unit_cents != self.line.seen_cents

    @property
    def total_cents(self) -> int:
        return self.unit_cents * self.line.qty


@dataclass(frozen=True, slots=True)
class CartView:
    lines: tuple[CartLine, ...]

    @property
    def known(self) -> bool:
        """Whether every line could be asked for."""
        return all(line.state != "unknown" for line in self.lines)

    @property
    def ready(self) -> bool:
        """Whether it can be bought as it is."""
        return bool(self.lines) and all(line.state == "ok" for line in self.lines)

    @property
    def short(self) -> bool:
        return any(line.state in {"short", "sold-out", "gone"} for line in self.lines)

    @property
    def changed(self) -> bool:
        return any(line.changed for line in self.lines)

    @property
    def subtotal_cents(self) -> int:
        return sum(line.total_cents for line in self.lines if line.state in {"ok", "short", "unknown"})


async def show_cart(products: Products, cart: Cart) -> CartView:
    """The cart as it could be bought now. What cannot be asked for is shown as it was remembered."""
    with deadline(READ_SECONDS):
        readings = await look_up(products, (line.product_id for line in cart.lines))
    lines = []
    for line in cart.lines:
        reading = readings[line.product_id]
        if reading is None:
            lines.append(CartLine(line, "unknown"))
        elif isinstance(reading, Found):
            lines.append(CartLine(line, _state(reading.document, line.qty), reading.document))
        else:
            lines.append(CartLine(line, "gone"))
    return CartView(tuple(lines))


def _state(product: Mapping[str, Any], qty: int) -> str:
    if not product["active"]:
        return "gone"
    if product["stock"] < 1:
        return "sold-out"
    return "ok" if product["stock"] >= qty else "short"
