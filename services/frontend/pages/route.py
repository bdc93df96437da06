"""The route of a page: strict like any other, in HTML also when it refuses, and no operation of the API."""

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from services.chassis.requests import Handler, Route


class PageRoute(Route):
    """What `errors` knows a page by. How long pages take is kept for the status page."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def timed(request: Request) -> Response:
            started = time.perf_counter()
            try:
                return await handle(request)
            finally:
                request.app.state.latency.add(time.perf_counter() - started)

        return timed


def page_router(**options: Any) -> APIRouter:
    return APIRouter(route_class=PageRoute, include_in_schema=False, default_response_class=Response, **options)
