"""The operations of the OpenAPI documents, and a value for everything that a request of one can hold."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

SHEET = "sku,name,category,price_cents,stock\n{sku},Pen é,desk,100,5\n"
PRICE = 1200

# What a parameter or a member of a body is filled with; `{n}` is another number in each row. None leaves it out.
VALUES: Mapping[str, Any] = {
    "active": True,
    "archived": None,  # needs a role: by hand
    "below": 5,
    "category": "desk",
    "cursor": None,  # sealed by the server: by hand
    "customer_id": "@customer",
    "delta": 3,
    "description": 'Ruled, 96 pages; "soft" cover\nwith a band: 120 × 180 mm, 7 €',
    "dry_run": True,
    "expected_total_cents": PRICE,
    "Idempotency-Key": "key-{n}",
    "hours": 2,
    "If-Match": "*",
    "If-None-Match": '"none"',
    "image": "/pictures/{n}.svg",
    "in_stock": True,
    "limit": 3,
    "lines": [{"product_id": "@product", "qty": 1}],
    "max_price": 100_000,
    "min_price": 0,
    "name": "Notebook é {n}",
    "price_cents": PRICE,
    "q": "note",
    "reason": "counted",
    "sku": "G-{n}",
    "slug": "desk",
    "sort": "price",
    "status": "confirmed",
    "stock": 7,
    "tracking": "TR {n}",
}


def value(name: str, number: int, schema: Mapping[str, Any] | None = None) -> Any:
    """What this parameter or member is filled with. A choice of the schema goes before what others of its name get."""
    choices = (schema or {}).get("enum", ())
    if choices and VALUES.get(name) not in choices:
        return choices[0]
    known = {each.lower(): given for each, given in VALUES.items()}
    assert name.lower() in known, f"{name} is new in a contract: give it a value in tests/runtime/documents.py"
    found = known[name.lower()]
    return found.replace("{n}", str(number)) if isinstance(found, str) else found


@dataclass(frozen=True)
class Operation:
    """An entry of an OpenAPI document; `document` is where its references lead."""

    method: str
    path: str
    entry: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"{self.method} {self.path}"

    @cached_property
    def callers(self) -> list[str]:
        """The schemes of those who may call; "" is anybody."""
        found = {next(iter(alternative), "") for alternative in self.entry.get("security", [{}])}
        return [caller for caller in ("session", "admin", "service", "") if caller in found]

    @property
    def customer(self) -> str:
        """Whoever orders here; the gateway has another one, so that nobody orders too often."""
        return "guest" if self.path.startswith("/api/") else "customer"

    def caller(self, *, last: bool) -> str:
        """Of the first or the last kind, not nobody if somebody is welcome."""
        known = [caller for caller in self.callers if caller] if last else self.callers
        chosen = known[-1 if last else 0] if known else ""
        return self.customer if chosen == "session" else chosen

    def parameters(self, place: str, *, whole: bool = True) -> list[str]:
        found = [each for each in self.entry.get("parameters", ()) if each["in"] == place]
        return [each["name"] for each in found if whole or each["required"]]

    def headers(self, number: int, *, whole: bool) -> tuple[str, ...]:
        names = [name for name in self.parameters("header", whole=whole) if name.lower() != "authorization"]
        return tuple(f"{name}: {value(name, number)}" for name in names)

    def query(self, number: int, *, whole: bool) -> str:
        pairs = {name: value(name, number) for name in self.parameters("query", whole=whole)}
        texts = [f"{name}={json.dumps(given).strip(chr(34))}" for name, given in pairs.items() if given is not None]
        return f"?{'&'.join(texts)}" if texts else ""

    @property
    def media_type(self) -> str:
        return next(iter(self.entry.get("requestBody", {}).get("content", {})), "")

    def body(self, number: int, *, whole: bool) -> str:
        """With every member or, if not `whole`, with those that are required; "" where no body is."""
        if not self.media_type or not (whole or self.entry["requestBody"].get("required")):
            return ""
        if self.media_type == "text/csv":
            return SHEET.format(sku=f"G-{number}")
        schema = self.entry["requestBody"]["content"][self.media_type]["schema"]
        text = json.dumps(self._example(schema, number, whole=whole), ensure_ascii=False)
        return text.replace('"@product"', "@product")

    def _example(self, schema: Mapping[str, Any], number: int, *, whole: bool) -> dict[str, Any]:
        schema = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
        if reference := schema.get("$ref"):
            schema = self.document["components"]["schemas"][reference.rpartition("/")[2]]
        members: Mapping[str, Any] = schema["properties"]
        wanted = list(members) if whole else schema.get("required") or list(members)[:1]
        return {name: value(name, number, members[name]) for name in wanted}


def operations(document: Mapping[str, Any]) -> list[Operation]:
    return [
        Operation(method.upper(), path, entry, document)
        for path, methods in document["paths"].items()
        for method, entry in methods.items()
    ]
