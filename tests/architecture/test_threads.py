"""Nothing on the way of a request leaves the event loop: the framework would run a plain function in a thread."""

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from services.chassis.settings import Settings
from services.frontend.main import create as create_frontend
from services.order.main import create as create_order
from services.product.main import create as create_product

SETTINGS = Settings(
    service="any",
    session_keys={"s": b"s" * 32},
    service_keys={"k": b"k" * 32},
    database_url="postgresql://nobody:x@192.0.2.1/none",
    upstream_url="http://192.0.2.1",
)


def callables(dependant: Any) -> Iterator[Any]:
    yield dependant.call
    for inner in dependant.dependencies:
        yield from callables(inner)


def routes(app: FastAPI) -> Iterator[APIRoute]:
    for route in app.routes:
        included = getattr(route, "original_router", None)
        for inner in included.routes if included else [route]:
            if isinstance(inner, APIRoute):
                yield inner


def asynchronous(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


@pytest.mark.parametrize(
    "create", [create_product, create_order, create_frontend], ids=["product", "order", "frontend"]
)
async def test_every_endpoint_and_dependency_is_a_coroutine(create: Any) -> None:
    app = create(SETTINGS)
    found = list(routes(app))
    assert len(found) > 5
    plain = {
        getattr(function, "__qualname__", repr(function))
        for route in found
        for function in callables(route.dependant)
        if not asynchronous(function) and not inspect.isclass(function)
    }
    assert plain == set()
