"""The route of a page: strict like any other, in HTML also when it refuses, and no operation of the API."""

from typing import Any

from fastapi import APIRouter, Response

from services.chassis.requests import Route


class PageRoute(Route):
    """What `errors` knows a page by."""


def page_router(**options: Any) -> APIRouter:
    return APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response, **options)
