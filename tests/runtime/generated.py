"""Rows that follow from the OpenAPI documents: each operation as it succeeds, and the refusals that its entry implies.

An operation that is new gets rows without anybody's doing, as long as its parameters have a value in `VALUES`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from tests.runtime.documents import PRICE, Operation, operations, value
from tests.runtime.rows import ANY, JSON, REFUSAL, SUCCESS, Row, made_up_id

LINES = '{"lines":[{"product_id":@product,"qty":1}]}'


def rows(documents: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    numbers = count(1)
    for document in documents:
        known = operations(document)
        for operation in known:
            yield from successes(operation, numbers)
            yield from refusals(operation, next(numbers))
            if operation.method == "GET":
                yield from looks(operation)
        yield from methods(known)


# --- an operation as it succeeds --------------------------------------------------------------------------------------


def successes(operation: Operation, numbers: Iterator[int]) -> Iterator[Row]:
    """With what is required and the first kind of caller, and with everything there is and the last kind."""
    least, most = (filled(operation, 0, whole=whole) for whole in (False, True))
    for whole in (False, True) if replace(least, what=most.what) != most else (False,):
        number = next(numbers)
        yield from subjects(operation, number)
        yield filled(operation, number, whole=whole)


def filled(operation: Operation, number: int, *, whole: bool) -> Row:
    body = operation.body(number, whole=whole)
    kind = (f"Content-Type: {operation.media_type}",) if body else ()
    return Row(
        what=f"{operation.label} with {'everything' if whole else 'what is required'}",
        method=operation.method,
        target=at(operation, number) + operation.query(number, whole=whole),
        statuses=SUCCESS,
        headers=operation.headers(number, whole=whole) + kind,
        body=body,
        caller=operation.caller(last=whole),
        operation=operation.label,
    )


def at(operation: Operation, number: int) -> str:
    """The path, with something that exists and that this can be done to: a thing of its own, unless it only looks."""
    own = "" if operation.method == "GET" else str(number)
    reservation = made_up_id(f"reservation {number}")
    order = f"@order{own}" if own else f"@{operation.customer}order"
    names = {"product_id": f"@product{own}", "order_id": reservation if "reservations" in operation.path else order}
    path = operation.path
    for name in operation.parameters("path"):
        path = path.replace(f"{{{name}}}", names.get(name) or str(value(name, number)))
    return path


def subjects(operation: Operation, number: int) -> Iterator[Row]:
    """What has to be there first."""
    target = at(operation, number)
    if f"@product{number}" in target:
        yield creation(f"product{number}")
    if f"@order{number}" in target:
        yield order(f"order{number}", operation.customer)
    if "reservations" in target and operation.method != "PUT":
        path = f"/products/reservations/{made_up_id(f'reservation {number}')}"
        held = Row(
            what=f"reservation {number} for {operation.label}",
            method="PUT",
            target=path,
            statuses=SUCCESS,
            headers=(JSON,),
            body=LINES,
            caller="service",
        )
        yield held
        if target.endswith("/return"):
            confirmed = replace(held, method="POST", target=f"{path}/confirm", headers=(), body="")
            yield replace(confirmed, what=f"reservation {number} is confirmed")


def creation(name: str, **fields: Any) -> Row:
    """A product with plenty in stock, known as `@name` from then on."""
    draft = {"sku": f"S-{name}", "name": f"Note {name}", "category": "desk", "price_cents": PRICE, "stock": 1000}
    return Row(
        what=f"a product to be known as {name}",
        method="POST",
        target="/products",
        statuses=range(201, 202),
        headers=(JSON,),
        body=json.dumps(draft | fields),
        caller="admin",
        keep={name: "id"},
    )


def order(name: str, customer: str) -> Row:
    return Row(
        what=f"an order to be known as {name}",
        method="POST",
        target="/orders",
        statuses=range(201, 202),
        headers=(JSON, f"Idempotency-Key: {name}"),
        body=LINES,
        caller=customer,
        keep={name: "id"},
    )


# --- refusals that follow from the entry ------------------------------------------------------------------------------


def refusals(operation: Operation, number: int) -> Iterator[Row]:
    """None of them may change anything: an excused difference would make two shops of the three."""
    label = operation.label
    whole = replace(filled(operation, number, whole=True), target=nowhere(operation), statuses=REFUSAL, operation="")
    stranger = replace(
        whole, headers=operation.headers(number, whole=False), body="", caller="", statuses=range(401, 402)
    )
    if "" not in operation.callers:
        yield replace(stranger, what=f"{label} by nobody")
    elif operation.callers != [""]:
        yield replace(stranger, what=f"{label} by a forger", headers=("Authorization: Bearer v1.s1.a.b.c",))
    if operation.parameters("header", whole=False):
        kind = tuple(line for line in whole.headers if line.startswith("Content-Type"))
        yield replace(whole, what=f"{label} without its header", headers=kind)
    if operation.media_type:
        bare = operation.headers(number, whole=True)
        plain = (*bare, "Content-Type: text/plain")
        yield replace(whole, what=f"{label} with another media type", headers=plain, statuses=range(415, 416))
        yield replace(whole, what=f"{label} with broken JSON", body='{"a":')
        yield replace(whole, what=f"{label} with an unknown member", body='{"nonsense":1}')
    if operation.parameters("path"):
        target = operation.path.replace("{product_id}", "x").replace("{order_id}", "x").replace("{slug}", "Not_A_Slug")
        yield replace(whole, what=f"{label} at a path that names nothing", target=target)


def looks(operation: Operation) -> Iterator[Row]:
    """Odd ways to ask for what can be read."""
    path, caller = at(operation, 0), operation.caller(last=True)
    look = Row(what="", method="GET", target=path, statuses=ANY, caller=caller)
    yield replace(look, what=f"a query key twice: {operation.label}", target=f"{path}?limit=1&limit=2")
    yield replace(look, what=f"{operation.label} with an unknown key", target=f"{path}?nonsense=%C3%A9")
    yield replace(look, what=f"HEAD {operation.path}", method="HEAD")


def nowhere(operation: Operation) -> str:
    """The path with parameters that are well-formed and name nothing."""
    path = operation.path.replace("{product_id}", "999999").replace("{slug}", "nowhere")
    return path.replace("{order_id}", made_up_id("nothing"))


def methods(known: list[Operation]) -> Iterator[Row]:
    """What a path does not take: 405, with what it does take."""
    for path in dict.fromkeys(operation.path for operation in known):
        here = [operation for operation in known if operation.path == path]
        refused = Row(what=f"OPTIONS {path}", method="OPTIONS", target=nowhere(here[0]), statuses=range(405, 406))
        yield refused
        taken = {operation.method for operation in here}
        other = next(method for method in ("PATCH", "DELETE", "PUT", "POST") if method not in taken)
        yield replace(refused, what=f"{other} {path}, which does not take it", method=other)
