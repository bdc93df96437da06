"""What the gateway says about the operations that it passes on, against what their services say themselves."""

from collections.abc import Mapping
from typing import Any

import pytest

from services.chassis.settings import Settings
from services.frontend import main as frontend
from services.frontend.operations import OPERATIONS, Operation
from services.frontend.schemas import Order, Product
from services.order import main as order
from services.product import main as product
from services.product.model.catalogue import if_match_versions

SETTINGS = Settings(
    service="contract",
    session_keys={"s1": b"s" * 32},
    service_keys={"k1": b"k" * 32},
    upstream_url="http://127.0.0.1:9",
    database_url="postgresql://nobody:x@127.0.0.1:9/none",
)
HERE = frontend.create(SETTINGS).openapi()
THERE = {"product": product.create(SETTINGS).openapi(), "order": order.create(SETTINGS).openapi()}
IN_WORDS = {"title", "description"}
BOUNDS = {"ge": "minimum", "le": "maximum"}  # how pydantic calls them behind a validator
FORWARDED = [
    *[(row.method, f"/api{row.path}", row.backend, row.to) for row in OPERATIONS],
    ("GET", "/api/products", "product", "/products"),
    ("GET", "/api/categories", "product", "/products/categories"),
]


def operation(document: Mapping[str, Any], method: str, path: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document["paths"][path][method.lower()]
    return found


def plain(node: Any, document: Mapping[str, Any]) -> Any:
    """Without references and without words, so that only what is in force is compared."""
    if isinstance(node, list):
        return [plain(entry, document) for entry in node]
    if not isinstance(node, dict):
        return node
    if reference := node.get("$ref"):
        return plain(document["components"]["schemas"][reference.rpartition("/")[2]], document)
    named = {BOUNDS.get(key, key): value for key, value in node.items() if key not in IN_WORDS}
    properties = named.pop("properties", None)
    found = {key: plain(value, document) for key, value in named.items()}
    if properties is not None:  # whose keys are names, even when one of them is "description"
        found["properties"] = {name: plain(entry, document) for name, entry in properties.items()}
    return found


def agree(ours: Any, theirs: Any) -> bool:
    """Equal, but for the bounds in a body, which the framework writes as floats."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(agree(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        return len(ours) == len(theirs) and all(map(agree, ours, theirs))
    if type(ours) is int and type(theirs) is float:
        return float(ours) == theirs
    return bool(ours == theirs)


def callers(spoken: Mapping[str, Any]) -> set[str]:
    return {name for alternative in spoken.get("security", ()) for name in alternative}


def parameters(document: Mapping[str, Any], spoken: Mapping[str, Any]) -> Mapping[tuple[str, str], Any]:
    found = {}
    for entry in spoken.get("parameters", ()):
        name = entry["name"].lower()
        schema = plain(entry["schema"], document)
        if entry["in"] == "header":  # forms of headers are written in many ways; that they are needed is not
            schema = schema["type"]
        found[entry["in"], name] = (entry.get("required", False), schema)
    return found


@pytest.mark.parametrize(
    ("method", "path", "backend", "to"), FORWARDED, ids=[f"{row[0]} {row[1]}" for row in FORWARDED]
)
def test_an_operation_is_described_as_its_service_describes_it(method: str, path: str, backend: str, to: str) -> None:
    ours, theirs = operation(HERE, method, path), operation(THERE[backend], method, to)
    for mine, its in (
        (parameters(HERE, ours), parameters(THERE[backend], theirs)),
        (plain(ours.get("requestBody"), HERE), plain(theirs.get("requestBody"), THERE[backend])),
    ):
        assert agree(mine, its), (mine, its)
    assert set(ours["responses"]) == set(theirs["responses"])
    assert callers(ours) == callers(theirs)


def test_every_public_operation_of_a_service_is_reached_through_the_gateway() -> None:
    inside = {"/products/reservations/{order_id}", "/products/{product_id}/image.svg"}
    put_together = {("GET", "/products/{product_id}"), ("GET", "/orders/{order_id}")}
    public = {
        (method.upper(), path)
        for document in THERE.values()
        for path, methods in document["paths"].items()
        for method in methods
        if not any(path.startswith(prefix) for prefix in inside)
    }
    assert public - put_together == {(method, to) for method, _, _, to in FORWARDED}


@pytest.mark.parametrize(("model", "backend", "name"), [(Product, "product", "Product"), (Order, "order", "OrderOut")])
def test_what_a_page_needs_is_what_its_service_promises(model: type[Product], backend: str, name: str) -> None:
    theirs = THERE[backend]["components"]["schemas"][name]
    ours = model.model_json_schema()
    assert set(ours["required"]) <= set(theirs["required"])


def test_the_etag_of_a_product_page_is_one_that_an_edit_takes() -> None:
    assert if_match_versions('"4.72057594037927935"') == [4]


def test_every_operation_describes_who_may_call_it() -> None:
    rows: list[Operation] = list(OPERATIONS)
    assert all(operation(HERE, row.method, f"/api{row.path}")["security"] for row in rows)
