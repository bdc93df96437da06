"""The back office: pages for the staff, under `/admin`. Each module has the routes of one noun."""

from services.frontend.pages.office import dashboard, login, orders, products, stock, transfer

# `/admin/products/new` is not the product "new": the order within a module matters, that of the modules does not.
ROUTERS = (dashboard.router, login.router, products.router, stock.router, orders.router, transfer.router)

__all__ = ["ROUTERS"]
