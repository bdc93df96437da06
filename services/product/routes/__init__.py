"""HTTP only: parse, call a use case, shape the answer."""

from services.product.routes import catalogue, editing, reservations, stock, transfer

# The order matters: `/products/export` is not the product "export".
ROUTERS = (transfer.router, stock.router, reservations.router, catalogue.router, editing.router)
