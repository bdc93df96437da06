"""A member of the staff with a browser: in at the door, around the office, and out again."""

from collections.abc import Iterator
from urllib.parse import quote_plus

from tests.runtime.rows import Row
from tests.runtime.shopping import browsed
from tests.services.whole_shop import admin_token

SHEET = "sku,name,category,price_cents\nO-1,Ruler,desk,300\nO-2,,desk,cheap\n"
JAR = ("form", "staff")
ELSEWHERE = "CloudFront-Viewer-Address: 203.0.113.11:40000"  # one address has one try a minute in this shop


def rows() -> Iterator[Row]:
    token = {"binding": "cookie __Host-form", "token": "field form"}
    yield browsed("the door of the office", "GET", "/admin/login?next=/admin/orders", 200, keep=token)
    key = f"form=@token&next=/admin/orders&key={admin_token()}"
    yield browsed("the door with a wrong key", "POST", "/admin/login", 403, "form", body=f"{key}x", address=ELSEWHERE)
    inside = {"staff": "cookie __Host-staff"}
    yield browsed("into the office", "POST", "/admin/login", 303, "form", body=key, keep=inside)
    for path in ("", "?hours=168", "/products", "/products?q=note", "/products/new", "/low-stock", "/transfer"):
        yield browsed(f"the office: {path or 'overview'}", "GET", f"/admin{path}", 200, *JAR)
    yield browsed("a product in the office", "GET", "/admin/products/@product", 200, *JAR)
    ledger = {"key": "field key"}
    yield browsed("its ledger", "GET", "/admin/products/@product/stock", 200, *JAR, keep=ledger)
    moved = "form=@token&key=@key&delta=4&reason=counted+again"
    for what in ("a movement", "the same movement again"):
        yield browsed(what, "POST", "/admin/products/@product/stock", 303, *JAR, body=moved)
    yield browsed("a movement of nothing", "POST", "/admin/products/@product/stock", 422, *JAR, body=moved + "&delta=0")
    yield browsed("orders of all", "GET", "/admin/orders?status=confirmed", 200, *JAR)
    yield browsed("an order in the office", "GET", "/admin/orders/@customerorder", 200, *JAR)
    sheet = f"form=@token&do=import&sheet={quote_plus(SHEET)}"
    yield browsed("a sheet with a fault", "POST", "/admin/transfer", 422, *JAR, body=sheet)
    yield browsed("the catalogue as a sheet", "GET", "/admin/products.csv", 200, *JAR)
    yield browsed("out of the office", "POST", "/admin/logout", 303, *JAR, body="form=@token")
